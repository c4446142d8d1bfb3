"""What a training run prints and writes: progress, checkpoints, history, curves, sample captions."""
import contextlib
import copy
import importlib.util
import os
import sys
import time
from pathlib import Path

import numpy as np

from models import CaptioningRNN, CaptioningSolver
from models.checkpoint import save_checkpoint, write_atomically
from scripts.commandline.progress import tqdm
from scripts.pages.figures import curves, sheet
from scripts.pages.pictures import gone
from scripts.pages.samples import caption_tiles
from scripts.runs import write_history
from scripts.runs.divergence import check_finite
from scripts.runs.transfer import describe_start

SAVE_SECONDS = 300          # between checkpoints within a long epoch


class TrainingFiles:
    """A callback of the solver that keeps the run's folder up to date."""

    def __init__(self, folder, dataset, settings, contents, start=None):
        """contents: data.contents of the dataset; start: what scripts.runs.transfer says of where weights come from."""
        self.folder, self.dataset, self.settings, self.start = folder, dataset, settings, start
        self.run = {"settings": settings, "data": {**dataset.identity(), "contents": contents},
                    **({"from": start} if start else {})}
        self.samples = []           # lines about captions of validation images
        for left in Path(folder).glob(".*.part"):           # by a process that was killed while writing
            left.unlink()
        self.bar, self.saved_at, self.started, self.words = None, time.monotonic(), None, 0

    def describe(self, solver):
        """A line about what will be trained, and one about the run that its weights come from, if any."""
        weights = sum(w.size for w in solver.model.params.values())
        s = self.settings
        return (f"{self.folder}: {s['model']} with {weights:,} weights on {self.dataset.name}, "
                f"{len(solver.data['train_captions']):,} captions, {len(self.dataset.vocabulary):,} words, "
                f"steps {solver.iteration:,} to {solver.num_iterations:,} ({s['epochs']} epochs), losses in nats a word"
                + (f"\n{describe_start(self.start)}" if self.start else ""))

    def __call__(self, solver):
        self._progress(solver)
        if solver.iteration % solver.iterations_per_epoch == 0:
            self._end_epoch(solver)
        elif time.monotonic() - self.saved_at > SAVE_SECONDS:
            self.save(solver)

    def save(self, solver):
        """Write last.h5 and history.csv. Raises FloatingPointError, and leaves them, if weights are not finite."""
        check_finite({**solver.model.params, **solver.averages}, solver.iteration)
        with self._say_how_to_go_on():
            save_checkpoint(self.folder / "last.h5", solver.model, self.run, solver)
            write_history(self.folder / "history.csv", solver.history)
        self.saved_at = time.monotonic()

    def close(self, solver):
        """Write all files, at the end or when training was stopped."""
        self.save(solver)
        with self._say_how_to_go_on():
            if solver.finished() and not solver.best_epoch:     # nothing was validated: keep the last
                save_checkpoint(self.folder / "best.h5", solver.model, self.run)
            write_atomically(self.folder / "curves.png",
                             curves(solver.word_losses, solver.history, solver.iterations_per_epoch))
            write_atomically(self.folder / "samples.png", self._samples(solver))

    def _end_epoch(self, solver):
        row = solver.history[-1]
        check_finite({**solver.model.params, **solver.averages}, solver.iteration)
        if solver.best_epoch == row["epoch"]:
            # before last.h5: a run killed in between repeats this epoch and writes the same best again
            with self._say_how_to_go_on():
                save_checkpoint(self.folder / "best.h5", best_model(solver), {**self.run, "epoch": row["epoch"]})
        self.save(solver)
        if "val_loss" in row or row["epoch"] % 10 == 0:
            words = [f"{key} {value:.3f}" if value < 1e5 else f"{key} {value:.3g}" for key, value in row.items()
                     if key not in ("epoch", "seconds")]
            say(f"epoch {row['epoch']:3d}  {row['seconds']:6.0f} s  {'  '.join(words)}")

    @contextlib.contextmanager
    def _say_how_to_go_on(self):
        try:
            yield
        except OSError as error:
            what = (f"files written before are unchanged: make room, then go on with python -m scripts.train --resume "
                    f"{self.folder}" if (self.folder / "last.h5").exists() else
                    f"nothing was written: make room, then start it again, with --out {self.folder}")
            raise OSError(f"{self.folder}: {error.strerror or error}; {what}") from error

    def end_progress(self):
        """Take the progress bar off the terminal."""
        if self.bar is not None:
            self.bar.close()

    def _progress(self, solver):
        if self.bar is None:
            self.bar = tqdm(total=solver.num_iterations, initial=solver.iteration - 1, unit="step", leave=False,
                            nrows=20, disable=None)
            self.started, self.words = time.monotonic(), 0
        self.words += solver.step_words
        self.bar.set_postfix_str(f"loss {np.mean(solver.word_losses[-25:]):.3f} nats a word, "
                                 f"{self.words / (time.monotonic() - self.started + 1e-9):,.0f} words/s", refresh=False)
        self.bar.update()

    def _samples(self, solver, n=8):
        """The picture of samples; without validation of training images alone, those that were learnt."""
        model, learnt = best_model(solver), solver.data["train_image_idxs"]
        groups = {"training": caption_tiles(model, self.dataset, "train", n, learnt)}
        if solver.validate:
            groups["validation"] = caption_tiles(model, self.dataset, "val", n)
        self.samples = [*gone(self.dataset), *(f"caption of {tile.name}: {tile.caption or '(no words)'}"
                                               for tile in groups.get("validation", [])[:3])]
        return sheet(groups)


def show_report(folder: Path) -> None:
    """Write the report of a run if Jinja2 is installed, else say how to get it; a student's tree has no reports."""
    if importlib.util.find_spec("scripts.pages.report") is None:
        return
    if importlib.util.find_spec("jinja2") is None:
        say(f"to look at it: pip install -e \".[report]\" && python -m scripts.report {folder}")
        return
    from scripts.pages.report import write_report
    print(*write_report(folder).lines(), sep="\n")


def say(text: str) -> None:
    """Print a line above the progress bar, if there is one; training goes on if the output was closed."""
    try:
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")      # noqa: SIM115  (it stays open to the end)


def best_model(solver: CaptioningSolver) -> CaptioningRNN:
    """The model of the best epoch so far, else the current one."""
    model = copy.copy(solver.model)
    model.params = solver.best_params or model.params
    return model
