"""Run folders: how training makes them and other commands find their files."""
import contextlib
import csv
import io
from pathlib import Path
from typing import Any

from data.contents import check_contents, contents
from data.dataset import Dataset, check_identity, open_dataset
from data.fingerprints import Progress
from data.locks import Lock
from data.vocabulary import Vocabulary
from models.cells import CELLS
from models.checkpoint import Checkpoint, load_checkpoint, write_atomically
from models.safetensors_file import load_model
from scripts.runs.released import is_released
from scripts.runs.stored import checked, identity_of

LOCK = ".training.lock"


def new_run(out: str | Path | None, name: str, held: contextlib.ExitStack | None = None) -> Path:
    """An empty folder for a run: `out`, or runs/NAME-K with the next free K -> Path.

    held: takes the lock on the folder, before anything in it is looked at. Raises FileExistsError if `out` is not
    empty, ValueError if another process trains in it.
    """
    folder = _numbered(name) if out is None else Path(out)
    if not folder.exists():
        folder.mkdir(parents=True)
    if folder.is_dir():
        hold_run(folder, held)
    if not folder.is_dir() or any(not p.name.startswith(".") for p in folder.iterdir()):
        found = "holds another run or other files" if folder.is_dir() else "is a file, expected a folder"
        resume = f", or go on with it by --resume {folder}" if (folder / "last.h5").is_file() else ""
        raise FileExistsError(f"{folder}: {found}; nothing was written: choose another --out{resume}")
    return folder


def hold_run(folder: Path, held: contextlib.ExitStack | None) -> None:
    """Lock a run folder for this process until `held` is closed; None: no lock.

    Raises ValueError that says which process trains in it.
    """
    if held is None:
        return
    lock = held.enter_context(Lock(folder / LOCK, f"{folder}: another process trains in it, nothing was touched"))
    if not lock.works:
        print(f"note: {folder}: this file system has no locks, see to it that one process at a time trains in it")


def _numbered(name: str) -> Path:
    """A new folder runs/NAME-K."""
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

    `run` may also be a checkpoint, or a released model, also in safetensors. Raises FileNotFoundError or ValueError.
    """
    run = Path(run)
    if run.is_file():
        return checked(load_model(run) if run.suffix == ".safetensors" else load_checkpoint(run))
    if not run.is_dir():
        raise FileNotFoundError(f"{run}: no such run, expected a folder that scripts.train wrote")
    best, last = run / "best.h5", run / "last.h5"
    if not last.exists() and not best.exists():
        raise FileNotFoundError(f"{run}: has no checkpoint (best.h5, last.h5): it is no run, or one that was stopped "
                                "before its first step; start it again with scripts.train --out")
    return checked(load_checkpoint(best if which == "best" and best.exists() else last))


def epoch_of(checkpoint: Checkpoint) -> int | None:
    """The epoch after which a checkpoint was written, 0 before the first one's end; None where it does not say."""
    return checkpoint.run.get("epoch", (checkpoint.solver or {}).get("epoch"))


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
        told = (f"{checkpoint.path}: its data set is not in {then['folder']}, where a released model looks for it"
                if is_released(checkpoint) else f"{then['folder']}: the run's dataset is no longer there")
        raise FileNotFoundError(f"{told}, give its folder with --data")
    dataset = open_dataset(folder or then["folder"], checkpoint.model.cell.features)
    check_identity(then, dataset, captions, features)
    return dataset


def open_same_data(checkpoint: Checkpoint, folder: str | Path | None, progress: Progress = iter
                   ) -> tuple[Dataset, dict[str, Any]]:
    """The dataset of a run that goes on -> Dataset, its contents. Raises ValueError where any part of it has changed.

    A checkpoint of version 0.1 does not say what all of it was: then a line says what was compared.
    """
    complete = "contents" in checkpoint.run.get("data", {})
    dataset = open_run_data(checkpoint, folder, captions=not complete, features=not complete)
    now = contents(dataset, progress)
    if complete:
        check_contents(checkpoint.run["data"], dataset, now)
    else:
        print(f"note: {checkpoint.path}: of an older version, which did not record its validation captions, references "
              "and all features: only vocabulary, training captions and 16 rows of features were compared")
    return dataset, now


def load_attending_run(run: str | Path, folder: str | Path | None = None,
                       split: str | None = None) -> tuple[Checkpoint, Dataset, str]:
    """The best checkpoint of an attention model, its dataset, and a split: the one asked for, else test, else val.

    Raises ValueError where the model has no attention or there is no such split.
    """
    checkpoint = load_run(run)
    if not checkpoint.model.attends:
        if CELLS[checkpoint.model.cell_type].attends:
            raise ValueError(f"{run}: its features are one vector per picture, expected regions to attend to")
        attending = " or ".join(name for name, cell in CELLS.items() if cell.attends)
        raise ValueError(f"{run}: a run of --model {checkpoint.model.cell_type}, expected {attending}")
    dataset = open_run_data(checkpoint, folder)
    return checkpoint, dataset, choose_split(dataset, split)


def choose_split(dataset: Dataset, asked: str | None = None) -> str:
    """The split asked for, else test, else val. Raises ValueError where the dataset does not have it."""
    split = asked or next((split for split in ("test", "val") if split in dataset.captions), None)
    if split is None:
        raise ValueError(f"{dataset.folder}: has no test and no val split, give one that it has with --split: "
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
