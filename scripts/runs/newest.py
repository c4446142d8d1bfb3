"""What commands take when no run or image model is named: the newest run, the fetched model that made its features."""
from pathlib import Path

from data.encoders import fetched_encoders
from data.files import sha256
from models.checkpoint import Checkpoint
from scripts.runs.folders import load_run
from scripts.runs.photos import SCENES, training_attributes

RUNS = Path("runs")
FETCH = "python -m scripts.fetch_data mobilenet fetches one"


def newest_runs() -> list[Path]:
    """The folders below runs/ that have a checkpoint, the one that was written last first. Raises FileNotFoundError."""
    files = [path for name in ("best.h5", "last.h5") for path in RUNS.glob(f"*/{name}")]
    files.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not files:
        raise FileNotFoundError(f"{RUNS}: has no run, expected RUN: the folder of one, or a file of scripts.release; "
                                "python -m scripts.train makes one")
    return list(dict.fromkeys(path.parent for path in files))


def newest_for_photos(encoder: str | Path | None = None) -> tuple[Path, str]:
    """The run that captions photographs best without being asked for, and a note or "".

    The newest whose features the image model makes, `encoder` or any fetched one; else the newest on photographs; else
    the newest of all. Runs that cannot be read are passed over.
    """
    known = {sha256(path) for path in ([Path(encoder)] if encoder else fetched_encoders()) if path.is_file()}
    runs, photographs, scenes = newest_runs(), None, None
    for run in runs:
        try:
            then = training_attributes(load_run(run))
        except (OSError, ValueError):
            continue
        if then.get("model_sha256") in known:
            return run, ""
        if then.get("model") == SCENES:
            scenes = scenes or run
        else:
            photographs = photographs or run
    if photographs is None and scenes is not None:
        return scenes, f"{scenes} was trained on drawn scenes, so its captions of photographs will make no sense"
    return photographs or runs[0], ""


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
