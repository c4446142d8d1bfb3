"""Several captioners that decide each word together."""
from typing import NamedTuple

import numpy as np

from models.search import log_softmax


class States(NamedTuple):
    """The members' states, with what decoding asks of a single one."""
    members: tuple

    @property
    def h(self):
        return self.members[0].h

    @property
    def map(self):
        """Where the members that attend looked, on average, (n, L); None if none does."""
        maps = [state.map for state in self.members if state.map is not None]
        return np.mean(maps, axis=0) if maps else None

    def select(self, rows):
        return States(tuple(state.select(rows) for state in self.members))

    def reorder(self, rows):
        return States(tuple(state.reorder(rows) for state in self.members))


class Ensemble:
    """Models that share a vocabulary and features; p(word) is the mean of theirs.

    For models.decoding, start and step as CaptioningRNN has them. Raises ValueError where vocabularies differ, or the
    models take features of different shapes.
    Source: Sutskever et al. (2014), section 3.6.
    """

    def __init__(self, models):
        self.models = tuple(models)
        if not self.models:
            raise ValueError("Ensemble: no models, expected at least one")
        first = self.models[0]
        for k, model in enumerate(self.models[1:], 2):
            if model.word_to_idx != first.word_to_idx:
                raise ValueError(f"Ensemble: the vocabulary of model {k} is not that of model 1, expected the same")
            takes, expected = ((m.attends, m.input_dim, m.pooled_dim) for m in (model, first))
            if takes != expected:
                raise ValueError(f"Ensemble: model {k} takes features (regions, D, P) {takes}, model 1 {expected}, "
                                 "expected the same")
        self.word_to_idx, self.attends = first.word_to_idx, first.attends

    def start(self, features):
        return States(tuple(model.start(features) for model in self.models))

    def step(self, words, state):
        """words integer (n,) -> log p of the next word (n, V), the members' mean, and their states."""
        scores, states = zip(*(model.step(words, s) for model, s in zip(self.models, state.members)))
        return self._mean([log_softmax(z) for z in scores]), States(states)

    def negative_log_likelihood(self, features, captions):
        """Total -log p of all words that are not <NULL>, and how many these are; as CaptioningRNN's."""
        targets = np.asarray(captions)[:, 1:]
        real = targets != self.word_to_idx["<NULL>"]
        log_p = self._mean([np.take_along_axis(log_softmax(model.scores(features, captions)), targets[:, :, None], 2)
                            for model in self.models])
        return -float(log_p[:, :, 0][real].sum(dtype=np.float64)), int(real.sum())

    @staticmethod
    def _mean(log_p):
        """Log of the mean probability."""
        return np.logaddexp.reduce(log_p, axis=0) - np.log(len(log_p)).astype(log_p[0].dtype)
