"""Runs that diverged: weights that are not finite, or a loss far above that of guessing."""
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoint import load_checkpoint

# How many times ln V, the loss of guessing among V words, the losses have to exceed: docs/diagnosis.md has figures.
FAR = 2.0


def check_finite(weights: Mapping[str, np.ndarray], step: int) -> None:
    """Raises FloatingPointError that names an array which is not finite."""
    for name, w in weights.items():
        if not np.isfinite(w).all():
            raise FloatingPointError(f"{name} is not finite after step {step:,}: lower the learning rate or clip the "
                                     "gradients")


def far_above_guessing(history: Sequence[Mapping[str, Any]], words: int, start: float = 0.0) -> str | None:
    """What is wrong with the last epoch if it ended far worse than guessing does, else None.

    history: of a CaptioningSolver; words: size of the vocabulary, V; start: loss with which a run began that has
    another run's weights, which may be sure of other captions. Its training loss and, if there is one, its validation
    loss have to exceed FAR ln V and FAR start. The validation loss alone does so too where captions were learnt by
    heart, or where validation images lie outside of what training images show.
    """
    if not history:
        return None
    row, guessing = history[-1], math.log(words)
    losses = {name: row[name] for name in ("train_loss", "val_loss") if name in row}
    if min(losses.values()) <= FAR * max(guessing, start):
        return None
    return (f"{' and '.join(f'{name} {loss:,.4g}' for name, loss in losses.items())} nats a word in epoch "
            f"{row['epoch']}, guessing among {words:,} words has {guessing:.2g}: lower the learning rate or clip the "
            "gradients")


def sentence(reason: str, settings: Mapping[str, Any], folder: Path) -> str:
    """What to say of a run that diverged: why, which settings to change, and which finite weights its folder keeps."""
    kept = []
    for name in ("last.h5", "best.h5"):
        checkpoint = load_checkpoint(folder / name) if (folder / name).is_file() else None
        if checkpoint and all(np.isfinite(w).all() for w in checkpoint.model.params.values()):
            kept.append(f"{name} of " + (f"step {checkpoint.solver['iteration']:,}" if checkpoint.solver else
                                         f"epoch {checkpoint.run.get('epoch', settings['epochs'])}"))
    return (f"diverged: {reason} (--lr {settings['lr']:g}, --clip {settings['clip']:g}) and start again; {folder} "
            f"keeps the last finite weights: {' and '.join(kept) or 'none'}; python -m scripts.diagnose {folder} tests "
            "them")
