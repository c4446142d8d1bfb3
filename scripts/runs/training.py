"""Making the model and the solver of a run from its settings, and training them."""
import math
import signal
from collections.abc import Callable
from typing import Any

import numpy as np

from data.dataset import Dataset
from data.features import PairReader
from data.word_vectors import read_word_vectors
from models import CaptioningRNN, CaptioningSolver
from models.cells import CELLS
from models.metrics import score_captions
from models.options import default
from scripts.evaluation.captions import caption_split
from scripts.runs.divergence import far_above_guessing
from scripts.runs.settings import BOUNDS, model_keywords, solver_keywords
from scripts.runs.training_files import TrainingFiles, say


def make_model(settings: dict[str, Any], dataset: Dataset) -> CaptioningRNN:
    """A fresh CaptioningRNN for the dataset, which standardises features by the training images' statistics."""
    features, rows, options = dataset.features["train"], dataset.image_idxs["train"], {}
    if isinstance(features, PairReader):
        options = {"pooled_dim": features.pooled.shape[1], "pooled_stats": features.pooled.statistics(rows)}
        features = features.grid
    model = CaptioningRNN(
        dataset.vocabulary.word_to_idx, features.shape[-1], settings["wordvec"], settings["hidden"],
        settings["model"],
        feature_stats=features.statistics(rows), **options, **_fitted(model_keywords(settings), settings, dataset))
    if settings["word_vectors"] is not None:
        take_word_vectors(model, settings["word_vectors"])
    return model


def _fitted(keywords: dict[str, Any], settings: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """The model's keywords with those that depend on the dataset."""
    taken, shape = CELLS[settings["model"]].options, dataset.features["train"].shape
    longest = max(table.shape[1] for table in dataset.captions.values())
    of_data = {"region_positions": math.prod(shape[1:-1]) if keywords.pop("region_positions", False) else None,
               "one_region": len(shape) == 2, "max_length": max(longest, default("max_length"))}
    return {**keywords, **{name: value for name, value in of_data.items() if name in taken}}


def take_word_vectors(model: CaptioningRNN, path: str) -> None:
    """Replace the vectors of the words that a file has, in the text form of GloVe, and say how many. ValueError."""
    width = model.params["W_embed"].shape[1]
    vectors = read_word_vectors(path, model.word_to_idx, width)
    if not vectors:
        raise ValueError(f"--word-vectors {path}: has none of the {len(model.word_to_idx):,} words of the vocabulary")
    for word, vector in vectors.items():
        model.params["W_embed"][model.word_to_idx[word]] = vector
    say(f"{len(vectors):,} of {len(model.word_to_idx):,} words have their vectors from {path}, the others are drawn")


def make_solver(model: CaptioningRNN, settings: dict[str, Any], dataset: Dataset) -> CaptioningSolver:
    """The solver that the settings describe."""
    overfit = settings["overfit"]
    arrays = dataset.arrays() if overfit is None else overfit_data(dataset, overfit, settings["seed"])
    return CaptioningSolver(
        model, arrays, update_rule="adam", verbose=False, **solver_keywords(settings),
        scorer=scorer(dataset, settings["score_beam"]) if settings["score_every"] else None,
        sampling="epochs" if overfit is None else "replacement", validate=overfit is None)


def scorer(dataset: Dataset, beam: int) -> Callable[[CaptioningRNN], dict[str, float]]:
    """A function that captions and scores the validation split: model -> columns of history.csv."""
    rows, names = dataset.images("val")
    references = dataset.references("val")

    def score(model):
        beams = caption_split(model, dataset, "val", rows, beam)
        captions = [dataset.vocabulary.decode(hypotheses[0].ids) for hypotheses in beams]
        corpus = score_captions(dict(zip(names, captions)), references).corpus
        return {"val_cider": corpus["CIDEr"], "val_bleu4": corpus["BLEU-4"]}
    return score


def overfit_data(dataset: Dataset, n: int, seed: int) -> dict[str, Any]:
    """The arrays of a dataset, with n of its training captions."""
    arrays = dataset.arrays()
    chosen = overfit_choice(arrays["train_image_idxs"], n, seed)
    return {**arrays, **{key: arrays[key][chosen] for key in ("train_captions", "train_image_idxs")}}


def overfit_choice(image_idxs: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n captions drawn at random, of different images if possible: two captions of one image cannot both be learnt."""
    order = np.random.default_rng(seed).permutation(len(image_idxs))
    first = np.zeros(len(order), bool)
    first[np.unique(image_idxs[order], return_index=True)[1]] = True
    return np.concatenate([order[first], order[~first]])[:n]


def train(solver: CaptioningSolver, files: TrainingFiles, *callbacks: Callable[[CaptioningSolver], None]
          ) -> tuple[bool, str | None]:
    """Train to the end or until Ctrl-C -> whether it was stopped; what is wrong if it diverged, else None.

    callbacks: of the solver, beside the files, which keep the last finite weights.
    """
    try:
        stopped = _train(solver, (files, *callbacks))
    except FloatingPointError as error:
        return False, str(error)
    start = solver.word_losses[0] if files.start and solver.history else 0.0
    return stopped, far_above_guessing(solver.history, len(files.dataset.vocabulary), start)


def _train(solver, callbacks):
    """Train to the end or until Ctrl-C -> whether it was stopped. callbacks: the run's files first.

    Raises FloatingPointError where a loss or weights are not finite; the files keep the last finite weights.
    """
    stopped = []

    def stop(number, frame):
        stopped.append(number)
        solver.stop = True                                  # between two steps, where the state is whole
        signal.signal(signal.SIGINT, signal.default_int_handler)
    files, solver.callbacks = callbacks[0], callbacks
    before = signal.signal(signal.SIGINT, stop)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # losses and weights are tested instead
            files.save(solver)
            if not solver.finished():
                solver.train()
            files.close(solver)         # not after an error or a second Ctrl-C: a step may be incomplete
    except KeyboardInterrupt:                               # a second Ctrl-C
        return True
    finally:
        files.end_progress()
        signal.signal(signal.SIGINT, before)
    return bool(stopped)


def judge_overfit(solver: CaptioningSolver, cell: str) -> bool:
    """Print the last training loss; return whether it is under the course's bound, which is of a caption's loss."""
    loss, bound = solver.loss_history[-1], BOUNDS[cell]
    words = loss / solver.word_losses[-1] if loss else 1
    say(f"overfit: final training loss {loss / words:.4f} nats a word, {'under' if loss < bound else 'NOT under'} "
        f"{bound / words:.4f}, the course's bound of {bound} for the {words:.1f} words of a caption")
    return bool(loss < bound)
