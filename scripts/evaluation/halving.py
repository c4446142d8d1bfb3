"""Which weights of a model can be stored as float16 without changing any caption of a split."""
import copy
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from models import CaptioningRNN
from models.stored_model import stored_weights
from rnnlayers.workspace import aligned
from scripts.evaluation.captioner import Captioner, Options, split_captions


def halve(captioner: Captioner, split: str, options: Options, say: Callable[[str], object]
          ) -> tuple[Captioner, list[str], dict[str, str]]:
    """The captioner with weights rounded to float16 -> captioner, names of these weights, captions of the split.

    All weights if that changes no caption; else one after the other, the largest first, those that change none.
    """
    captions, model = split_captions(captioner, split, options), captioner.model

    def changed(names):
        rounded = split_captions(replace(captioner, model=halved_model(model, names)), split, options)
        return sum(rounded[image] != caption for image, caption in captions.items())
    fit = [name for name, w in stored_weights(model, model.params).items() if np.isfinite(w).all()]
    fit.sort(key=lambda name: -model.params[name].size)
    kept, wrong = fit, changed(fit)
    if wrong:
        say(f"with all weights as float16, {wrong:,} of {len(captions):,} captions change: trying them one by one")
        kept = []
        for name in fit:
            if wrong := changed([*kept, name]):
                say(f"  {name} stays {model.params[name].dtype}: {wrong:,} captions change")
            else:
                kept.append(name)
    return replace(captioner, model=halved_model(model, kept)), kept, captions


def halved_model(model: CaptioningRNN, names: Collection[str]) -> CaptioningRNN:
    """A copy of a model whose weights of these names are rounded to float16."""
    rounded = copy.copy(model)
    rounded.params = {name: aligned(w.astype(model.dtype)) for name, w in stored_weights(model, names).items()}
    return rounded
