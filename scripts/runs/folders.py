"""Run folders: how training makes them and other commands find their files."""
import csv
import io
from pathlib import Path
from typing import Any

from data.dataset import Dataset, check_identity, open_dataset
from data.vocabulary import Vocabulary
from models.cells import CELLS
from models.checkpoint import Checkpoint, load_checkpoint, write_atomically
from scripts.runs.stored import checked, identity_of


def new_run(out: str | Path | None, name: str) -> Path:
    """An empty folder for a run: `out`, or runs/NAME-K with the next free K -> Path.

    Raises FileExistsError if `out` is not empty.
    """
    if out is not None:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(not p.name.startswith(".") for p in folder.iterdir())):
            raise FileExistsError(f"{folder}: holds another run or other files; nothing was written: "
                                  f"choose another --out, or go on with it by --resume {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    k = 1
    while True:
        folder = Path("runs") / f"{name}-{k}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            k += 1


def load_run(run: str | Path, which: str = "best") -> Checkpoint:
    """The checkpoint of a run folder, 'best' or 'last' -> Checkpoint; the last one if there is no best yet.

    `run` may also be a checkpoint file. Raises FileNotFoundError or ValueError.
    """
    run = Path(run)
    if run.is_file():
        return checked(load_checkpoint(run))
    if not run.is_dir():
        raise FileNotFoundError(f"{run}: no such run, expected a folder that scripts.train wrote")
    best, last = run / "best.h5", run / "last.h5"
    if not last.exists() and not best.exists():
        raise FileNotFoundError(f"{run}: has no checkpoint (best.h5, last.h5): it is no run, or one that was stopped "
                                "before its first step; start it again with scripts.train --out")
    return checked(load_checkpoint(best if which == "best" and best.exists() else last))


def vocabulary_of(checkpoint: Checkpoint) -> Vocabulary:
    """The vocabulary of a run's model, which knows how the captions were cut into words."""
    return Vocabulary(checkpoint.model.word_to_idx, checkpoint.run.get("data", {}).get("tokens", "treebank"))


def open_run_data(checkpoint: Checkpoint, folder: str | Path | None = None, captions: bool = False,
                  features: bool = True) -> Dataset:
    """The dataset that a checkpoint was trained on, or its copy in `folder` -> Dataset. Raises ValueError.

    captions: the training captions have to be the same too, as for resuming; features=False: features may differ.
    """
    then = identity_of(checkpoint)
    if folder is None and not Path(then["folder"]).is_dir():
        raise FileNotFoundError(f"{then['folder']}: the run's dataset is no longer there, name its folder by --data")
    dataset = open_dataset(folder or then["folder"], checkpoint.model.cell.features)
    check_identity(then, dataset, captions, features)
    return dataset


def load_attending_run(run: str | Path, folder: str | Path | None = None,
                       split: str | None = None) -> tuple[Checkpoint, Dataset, str]:
    """The best checkpoint of an attention model, its dataset, and a split: the one asked for, else test, else val.

    Raises ValueError where the model has no attention or there is no such split.
    """
    checkpoint = load_run(run)
    if not checkpoint.model.attends:
        attending = " or ".join(name for name, cell in CELLS.items() if cell.attends)
        raise ValueError(f"{run}: a run of --model {checkpoint.model.cell_type}, expected {attending}")
    dataset = open_run_data(checkpoint, folder)
    return checkpoint, dataset, choose_split(dataset, split)


def choose_split(dataset: Dataset, asked: str | None = None) -> str:
    """The split asked for, else test, else val. Raises ValueError where the dataset does not have it."""
    split = asked or next((split for split in ("test", "val") if split in dataset.captions), None)
    if split is None:
        raise ValueError(f"{dataset.folder}: has no test and no val split, name one that it has by --split: "
                         f"{', '.join(dataset.captions)}")
    dataset.captions_of(split)
    return split


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write history.csv: one line per epoch, the columns of all rows; empty where an epoch did not measure one."""
    text, columns = io.StringIO(), dict.fromkeys(key for row in history for key in row)
    writer = csv.DictWriter(text, list(columns) or ["epoch"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()} for row in history)
    write_atomically(path, text.getvalue().encode())
