"""What a model and a solver say of themselves, in at most four lines: sizes and settings."""
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from models.options import MODEL, SOLVER, attribute, keywords

ELSEWHERE = {                       # told in other words, or of no interest
    "feature_stats", "pooled_stats", "pooled_dim", "backend", "update_rule", "optim_config", "batch_size", "num_epochs",
    "print_every", "verbose", "callbacks", "scorer"}


def _safe(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """A __repr__ that also works on objects that are not complete, such as one whose __init__ has failed."""
    @functools.wraps(text)
    def safe(self: Any) -> str:
        try:
            return text(self)
        except Exception:
            return f"<{type(self).__name__}, not complete>"
    return safe


@_safe
def model_repr(model: Any) -> str:
    """The cell, the sizes in the letters of the shapes, the number of weights, and options other than the defaults."""
    (V, W), H = model.params["W_embed"].shape, model.weights()["W_vocab"].shape[0]
    pooled = f", P={model.pooled_dim} pooled" if model.pooled_dim else ""
    standardised = "standardised" if model.feature_stats is not None else "taken as they are"
    weights = sum(w.size for w in model.params.values())
    return (f"{type(model).__name__}: {model.cell_type}, {weights:,} weights, {np.dtype(model.dtype).name}, on the "
            f"{model.backend}\n  V={V} words, D={model.input_dim} features{pooled}, W={W} word vector, H={H} hidden\n"
            f"  features {standardised}; {_options(model, MODEL)}")


@_safe
def solver_repr(solver: Any) -> str:
    """What is trained on how much, the update rule and options other than the defaults, and how far training is."""
    captions, rate = len(solver.data["train_captions"]), solver.optim_config.get("learning_rate", "by default")
    loss = f"; best validation loss {solver.best_val_loss:.4g} nats a word" if solver.best_val_loss < math.inf else ""
    return (f"{type(solver).__name__}: {getattr(solver.model, 'cell_type', type(solver.model).__name__)} on "
            f"{captions:,} captions, {solver.num_epochs} epochs of {solver.iterations_per_epoch:,} steps, batch size "
            f"{solver.batch_size}\n  {solver.update_rule}, learning rate {rate}; {_options(solver, SOLVER)}\n"
            f"  {solver.iteration:,} of {solver.num_iterations:,} steps done{loss}")


def _options(owner: Any, kind: str) -> str:
    """The options that are not the defaults, a model's those of its cell: "dropout=0.5, smoothing=0.1"."""
    given, own = [], owner.cell.defaults if kind == MODEL else {}
    for name, option in keywords(kind).items():
        value = getattr(owner, attribute(name) if kind == MODEL else name, None)
        if name in ELSEWHERE or name == "input_dropout" and value == owner.dropout:
            continue
        if value is not None and value != own.get(name, option.default):
            given.append(f"{name}={value}")
    return ", ".join(given) or "default options"
