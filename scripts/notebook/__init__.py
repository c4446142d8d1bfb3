"""Training in a notebook: run = train(load("scenes"), model="attention", epochs=2), then run.caption, plot and show."""
from scripts.notebook.run import Run
from scripts.notebook.training import open_run, train

__all__ = ["Run", "open_run", "train"]
