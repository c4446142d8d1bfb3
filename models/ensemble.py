"""Several captioners that decide each word together."""
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.cells import ANY, State
from models.search import log_softmax


@dataclass(frozen=True)
class States:
    """The members' states, which decoding uses as it uses a single State."""
    members: tuple[State, ...]

    @property
    def attention(self) -> np.ndarray | None:
        """The mean attention weights of the members that attend, (n, L); None if none does."""
        weights = [state.attention for state in self.members if state.attention is not None]
        return np.mean(weights, axis=0) if weights else None

    def __len__(self) -> int:
        return len(self.members[0])

    def select(self, rows: Any) -> "States":
        """The states of some captions, or of all in another order."""
        return States(tuple(state.select(rows) for state in self.members))

    def reorder(self, rows: Any) -> "States":
        """The states when captions of one picture change places."""
        return States(tuple(state.reorder(rows) for state in self.members))


class Ensemble:
    """Models that share a vocabulary and features; p(word) is the mean of theirs.

    models.decoding takes it like a CaptioningRNN: it has initial_state and step. Raises ValueError where vocabularies
    differ, or the models take features of different shapes.
    Source: Sutskever et al. (2014), section 3.6.
    """

    def __init__(self, models: Iterable[Any]):
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
                                 f"expected the same{_advice(model, first)}")
        self.word_to_idx, self.attends = first.word_to_idx, first.attends

    def initial_state(self, features: Any) -> States:
        """The members' states before the first word."""
        return States(tuple(model.initial_state(features) for model in self.models))

    def step(self, words: np.ndarray, state: States) -> tuple[np.ndarray, States]:
        """words integer (n,) -> log p of the next word (n, V), the members' mean, and their states."""
        scores, states = zip(*(model.step(words, s) for model, s in zip(self.models, state.members)))
        return self._mean([log_softmax(z) for z in scores]), States(states)

    def negative_log_likelihood(self, features: Any, captions: Any) -> tuple[float, int]:
        """Total -log p of all words that are not <NULL>, and the number of these words, as CaptioningRNN has it."""
        targets = np.asarray(captions)[:, 1:]
        real = targets != self.word_to_idx["<NULL>"]
        log_p = self._mean([np.take_along_axis(log_softmax(model.scores(features, captions)), targets[:, :, None], 2)
                            for model in self.models])
        return -float(log_p[:, :, 0][real].sum(dtype=np.float64)), int(real.sum())

    @staticmethod
    def _mean(log_p: list[np.ndarray]) -> np.ndarray:
        """Log of the mean probability."""
        return np.logaddexp.reduce(log_p, axis=0) - np.log(len(log_p)).astype(log_p[0].dtype)


def _advice(model: Any, other: Any) -> str:
    """What to do where one of two models takes vectors, and the cell of the other takes vectors only if told so."""
    if model.attends == other.attends:
        return ""
    return "".join(f"; a {m.cell_type} takes one vector per picture if it is made with one_region=True"
                   for m in (model, other) if m.cell.features == ANY)
