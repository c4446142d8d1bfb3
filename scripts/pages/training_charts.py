"""How training went, as charts for the report."""
import contextlib
import csv
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from models.checkpoint import word_losses
from scripts.pages.figures import smooth
from scripts.runs import load_run

POINTS = 300                        # of the loss of every step, at most


def training_charts(folder: Path, dataset: Dataset) -> tuple[list[dict[str, float]], list[dict]]:
    """How training went, from the run's history.csv and last.h5 -> rows of history, charts for the page.

    dataset: that it was trained on.
    """
    history = read_history(folder / "history.csv")
    charts = [chart("Perplexity of a word", "epoch", history, {"train_loss": "training, while learning",
                                                               "val_loss": "validation"}, np.exp),
              chart("Score on the validation split", "epoch", history, {"val_cider": "CIDEr", "val_bleu4": "BLEU-4"})]
    with contextlib.suppress(OSError, ValueError):          # absent or damaged: the page is about best.h5
        state = load_run(folder / "last.h5").solver
        if state is not None:                               # somebody put a bare model there
            losses = word_losses(state, dataset.captions["train"], dataset.vocabulary.null)
            charts.insert(0, loss_chart(losses))
    return history, [c for c in charts if c["series"]]


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of a history.csv, none if it is absent. Raises ValueError for any other file."""
    if not path.is_file():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as f:
            rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(f)]
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path}: not the history that training writes ({error})") from error
    if not all({"epoch", "seconds"} <= row.keys() for row in rows):
        raise ValueError(f"{path}: not the history that training writes, expected columns epoch and seconds")
    return rows


def chart(title, x, history, columns, change=float):
    """One chart of some columns of the history."""
    series = [{"name": label, "points": [[row["epoch"], float(change(row[key]))] for row in history
                                         if abs(row.get(key, np.inf)) < 700]}       # finite, also its exponential
              for key, label in columns.items()]
    return {"title": title, "x": x, "series": [s for s in series if s["points"]]}


def loss_chart(losses):
    """The training loss, smoothed, at no more than POINTS of its steps."""
    places = np.unique(np.linspace(0, len(losses) - 1, POINTS).astype(int)) if losses else []
    points = [[int(k) + 1, float(value)] for k, value in zip(places, np.asarray(smooth(losses))[places])
              if np.isfinite(value)]
    return {"title": "Training loss, nats a word", "x": "step",
            "series": [{"name": "mean of 25 steps", "points": points}] if points else []}
