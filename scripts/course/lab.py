"""What the notebooks call: checks, pictures and short training runs, each with a verdict instead of bare numbers."""
from pathlib import Path

import numpy as np

from data.dataset import open_dataset
from data.scene_dataset import make_scene_dataset
from models.cells import CELLS
from scripts import grade
from scripts.datasets.defaults import draw_batch
from scripts.evaluation.captions import attend_images
from scripts.pages.figures import attention_figure, sheet
from scripts.pages.samples import batch_tiles, caption_tiles
from scripts.runs.settings import BOUNDS, DECAY_OVERFIT, DEFAULTS_OVERFIT
from scripts.runs.training import make_model, make_solver, overfit_data

DATASET, SIZES = Path("datasets/course"), {"train": 240, "val": 40, "test": 40}


def check(task):
    """Test a task, or a part with all its tasks, as `python -m scripts.grade . --task` does."""
    grade.main([".", "--task", str(task)])


def dataset_for(cell):
    """The course's small set of scenes, with the features that this cell takes; drawn if it is missing."""
    if not DATASET.exists():
        make_scene_dataset(DATASET, sizes=SIZES)
    return open_dataset(DATASET, CELLS[cell].features)


def show_batch(dataset, n=8, seed=0):
    """A training minibatch: pictures with captions."""
    captions, rows = draw_batch(dataset, "train", n, seed)
    return _image(sheet({f"{n} training captions": batch_tiles(dataset, "train", captions, rows)}))


def overfit(cell, dataset, **settings):
    """Overfit 50 captions -> the model. Prints whether the loss is low enough.

    settings: those of scripts.train, such as hidden=128, epochs=120.
    """
    settings = {**DEFAULTS_OVERFIT, "overfit": 50, "model": cell, "lr_decay": DECAY_OVERFIT[cell], **settings}
    model = make_model(settings, dataset)
    solver = make_solver(model, settings, dataset)
    solver.train()
    loss, bound = float(np.mean(solver.loss_history[-5:])), BOUNDS[cell]
    first, last = solver.word_losses[0], float(np.mean(solver.word_losses[-5:]))
    print(f"{solver.iteration} steps: loss {first:.2f} nats a word at first, {last:.4f} at last. As the exercise "
          f"counts it, {loss:.3f} at last. " + (
        f"Below {bound}: it has learnt the captions by heart." if loss < bound else
        f"Not below {bound}: something does not learn. Which of the tasks is not ok?"))
    return model


def small_data(dataset, n=50, seed=0):
    """A dict for a solver, with n of the training captions."""
    return overfit_data(dataset, n, seed)


def show_captions(model, dataset, n=4):
    """Captions of training and validation pictures."""
    return _image(sheet({split: caption_tiles(model, dataset, split, n) for split in ("train", "val")}, columns=n))


def show_attention(model, dataset, k=0, split="train"):
    """The attention map of each word in the caption of the k-th picture."""
    rows, names = dataset.images(split)
    words, maps = attend_images(model, dataset, split, rows[k:k + 1])
    return _image(attention_figure(dataset.picture(rows[k]), words[0], maps[0], names[k]))


def _image(png):
    from IPython.display import Image  # a notebook has it
    return Image(png)
