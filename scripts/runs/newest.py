"""What commands take when no run or image model is named: the newest run, the fetched model that made its features."""
from collections.abc import Mapping
from pathlib import Path

from data.encoders import fetched_encoders
from data.files import sha256
from models.checkpoint import Checkpoint
from scripts.runs.folders import epoch_of, load_run
from scripts.runs.photos import SCENES, training_attributes

RUNS = Path("runs")
FETCH = "python -m scripts.fetch_data mobilenet fetches one"
TRAIN = ("python -m scripts.fetch_data flickr8k --encoder mobilenet, then python -m scripts.train --preset "
         "flickr8k-bahdanau, make one for photographs")


def newest_runs() -> list[Path]:
    """The folders below runs/ that have a checkpoint, the one that was written last first. Raises FileNotFoundError."""
    files = [path for name in ("best.h5", "last.h5") for path in RUNS.glob(f"*/{name}")]
    files.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not files:
        raise FileNotFoundError(f"{RUNS}: has no run, expected RUN: the folder of one, or a file of scripts.release; "
                                "python -m scripts.train makes one")
    return list(dict.fromkeys(path.parent for path in files))


def newest_run() -> tuple[Path, list[str]]:
    """The newest trained run that can be read, and notes about it and newer ones; the newest of all if none can."""
    read, wrong = _read()
    run = next(iter(read), newest_runs()[0])
    return run, _notes(run, read, wrong)


def newest_for_photos(encoder: str | Path | None = None) -> tuple[Path, list[str]]:
    """The run that captions photographs best without being asked for, and notes about it and newer ones.

    The newest whose features the image model makes, `encoder` or any fetched one; else the newest on photographs; else
    the newest of all. Raises ValueError where `encoder` is given and all runs are on drawn scenes.
    """
    known = {sha256(path) for path in ([Path(encoder)] if encoder else fetched_encoders()) if path.is_file()}
    read, wrong = _read()
    fits = [run for run, then in read.items() if then.get("model_sha256") in known]
    photographs = [run for run, then in read.items() if then.get("model") != SCENES]
    if encoder and read and not photographs:
        raise ValueError(f"{RUNS}: no run there was trained on features of {encoder}, only on drawn scenes: {TRAIN}")
    run = next(iter(fits or photographs or read), newest_runs()[0])
    notes = _notes(run, read, wrong)
    if read and not photographs:
        notes.append(f"{run} was trained on drawn scenes, so its captions of photographs will make no sense: {TRAIN}")
    return run, notes


def _read() -> tuple[dict[Path, Mapping[str, str]], dict[Path, str]]:
    """Attributes of the training features of runs that can be read, trained ones first, then the newest.

    And what is wrong with a run: that it cannot be read, or is not trained.
    """
    read, wrong = {}, {}
    for run in newest_runs():
        try:
            checkpoint = load_run(run)
            read[run] = training_attributes(checkpoint)
            if epoch_of(checkpoint) == 0:
                wrong[run] = "no epoch of its training has ended, so its captions make no sense"
        except (OSError, ValueError) as error:
            wrong[run] = str(error)
    return dict(sorted(read.items(), key=lambda found: found[0] in wrong)), wrong


def _notes(run: Path, read: Mapping[Path, Mapping[str, str]], wrong: Mapping[Path, str]) -> list[str]:
    """What is wrong with the chosen run, and why newer ones were passed over."""
    if run not in read:                                     # its error is all that there is to say
        return []
    runs = newest_runs()
    newer = runs[:runs.index(run)]
    others = [f"{other} ({read[other].get('model', 'unknown')})" for other in newer if other not in wrong]
    return [*([f"newer, but trained on other features: {', '.join(others)}"] if others else []),
            *(f"{other} was passed over: {wrong[other]}" for other in newer if other in wrong),
            *([f"{run}: {wrong[run]}"] if run in wrong else [])]


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
