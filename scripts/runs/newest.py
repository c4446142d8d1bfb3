"""What commands take when no run or image model is named: the newest run, the fetched model that made its features."""
from pathlib import Path

from data.encoders import fetched_encoders
from data.files import sha256
from models.checkpoint import Checkpoint
from scripts.runs.folders import load_run
from scripts.runs.photos import SCENES, training_attributes

RUNS = Path("runs")
FETCH = "python -m scripts.fetch_data mobilenet fetches one"
TRAIN = ("python -m scripts.fetch_data flickr8k --encoder mobilenet, then python -m scripts.train --preset "
         "flickr8k-bahdanau, make one for photographs")


def newest_runs() -> list[Path]:
    """The folders below runs/ that have a checkpoint, newest first, those without a finished epoch last.

    Raises FileNotFoundError.
    """
    files = [path for name in ("best.h5", "last.h5") for path in RUNS.glob(f"*/{name}")]
    files.sort(key=lambda path: (hardly_trained(path.parent), -path.stat().st_mtime_ns))
    if not files:
        raise FileNotFoundError(f"{RUNS}: has no run, expected RUN: the folder of one, or a file of scripts.release; "
                                "python -m scripts.train makes one")
    return list(dict.fromkeys(path.parent for path in files))


def hardly_trained(run: Path) -> bool:
    """Whether a run has not finished an epoch yet: training keeps the best one in best.h5."""
    return not (run / "best.h5").exists()


def newest_run() -> tuple[Path, list[str]]:
    """The newest run that can be read, the newest of all if none can, and notes about it."""
    read, notes = _read(newest_runs())
    run = next(iter(read), newest_runs()[0])
    return run, [*(notes if read else ()), *_untrained(run)]


def newest_for_photos(encoder: str | Path | None = None) -> tuple[Path, list[str]]:
    """The run that captions photographs best without being asked for, and notes about it.

    The newest whose features the image model makes, `encoder` or any fetched one; else the newest on photographs; else
    the newest of all. Raises ValueError where `encoder` is given and all runs are on drawn scenes.
    """
    known = {sha256(path) for path in ([Path(encoder)] if encoder else fetched_encoders()) if path.is_file()}
    read, notes = _read(newest_runs())
    if not read:
        return newest_runs()[0], []
    fits = [run for run, then in read.items() if then.get("model_sha256") in known]
    photographs = [run for run, then in read.items() if then.get("model") != SCENES]
    if encoder and not photographs:
        raise ValueError(f"{RUNS}: no run there was trained on features of {encoder}, only on drawn scenes: {TRAIN}")
    run = next(iter(fits or photographs or read))
    if run in photographs and (newer := list(map(str, read))[:list(read).index(run)]):
        notes.append(f"newer, but trained on other features: {', '.join(newer)}")
    if not photographs:
        notes.append(f"{run} was trained on drawn scenes, so its captions of photographs will make no sense: {TRAIN}")
    return run, [*notes, *_untrained(run)]


def _read(runs):
    """Attributes of the training features of the runs that can be read, in order, and notes about the others."""
    read, notes = {}, []
    for run in runs:
        try:
            read[run] = training_attributes(load_run(run))
        except (OSError, ValueError) as error:
            notes.append(f"{run} was passed over: {error}")
    return read, notes


def _untrained(run):
    return [f"{run} has not finished an epoch, so its captions will make no sense"] if hardly_trained(run) else []


def fetched_encoder(checkpoint: Checkpoint) -> Path | None:
    """The fetched image model that made a run's training features, None for a run on scenes.

    Raises FileNotFoundError where none is fetched, ValueError that names both where the features are of another one.
    """
    then = training_attributes(checkpoint)
    if then.get("model") == SCENES:
        return None
    name, digest, fetched = then.get("model", "of unknown origin"), then.get("model_sha256"), fetched_encoders()
    asked = f"expected --encoder with the ONNX model that made its training features ({name}"
    if not fetched:
        raise FileNotFoundError(f"{checkpoint.path}: {asked}); {FETCH}")
    for path in fetched:
        if sha256(path) == digest:
            return path
    found = ", ".join(map(str, fetched))
    told = f", SHA-256 {digest[:12]}...), which is none of those fetched" if digest else "), which do not identify it"
    raise ValueError(f"{checkpoint.path}: {asked}{told}: {found}")
