"""The loop of every decoder: each step extends K captions per image by a word, for all images at once."""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

IDLE = 0.25     # share of done images at which their rows are dropped, which copies the memory of the others


Choice = tuple[np.ndarray, np.ndarray, np.ndarray]      # parent, word and total of each extension, all (n, C)


class Hypothesis(NamedTuple):
    ids: list[int]                  # its words, and <END> if finished
    log_prob: float                 # of these words, given the image
    finished: bool                  # whether <END> was chosen
    maps: np.ndarray | None         # (len(ids), L) attention weights of each word, if the model attends


class Node(NamedTuple):
    """A caption of a beam after one step. A step's nodes: those that go on, best first, then those that ended."""
    parent: int                     # which node of the step before
    word: int
    log_prob: float                 # of all words so far
    ended: bool


def search(model: Any, features: Any, beam: int, max_length: int, choose: Callable[..., Choice], allow_unknown: bool,
           block_trigrams: bool, history: bool) -> tuple[list[list[Hypothesis]], list[list[list[Node]]] | None]:
    """Extend captions until each image has `beam` finished ones, or to max_length words.

    choose(log_p (n, K, V), total (n, K)) -> parent, word, total (n, C), the best first, with C >= K; total is the sum
    of log p, -inf where there is no caption
    -> for each image its Hypotheses, and with `history` its steps, each a list of Nodes, else None.
    """
    beams = _Beams(model, features, beam, max_length, allow_unknown, block_trigrams, history)
    for t in range(max_length):
        choice = choose(beams.log_p(t), beams.total)
        beams.extend(t, *choice)
        if not len(beams.images):
            break
    beams.cut()
    return beams.found, beams.history


class _Beams:
    """The images that still need words, K rows each; a row whose total is -inf is empty."""

    def __init__(self, model: Any, features: Any, beam: int, max_length: int, allow_unknown: bool,
                 block_trigrams: bool, history: bool):
        self.model, self.K, self.block_trigrams = model, beam, block_trigrams
        null, self.start, self.end, unknown = map(model.word_to_idx.get, ("<NULL>", "<START>", "<END>", "<UNK>"))
        if self.start is None:
            raise ValueError("decoding: word_to_idx has no '<START>', expected an id to start captions with")
        if (check := getattr(getattr(model, "cell", None), "check_length", None)) is not None:
            check(max_length)
        self.never = [i for i in (null, self.start, None if allow_unknown else unknown) if i is not None]
        state = model.initial_state(features)
        n = len(state)
        if not n:
            raise ValueError("decoding: features are of no image, expected at least one")
        self.state, self.images = state.select(np.repeat(np.arange(n), beam)), np.arange(n)
        self.total = np.full((n, beam), -np.inf)
        self.total[:, 0] = 0                                # an image's rows are equal at first: only one counts
        self.ids = np.zeros((n, beam, max_length), np.int32)
        self.maps: np.ndarray | None = None                 # (n, K, T, L) attention weights
        self.found: list[list[Hypothesis]] = [[] for _ in range(n)]
        self.history: list[list[list[Node]]] | None = [[] for _ in range(n)] if history else None

    def log_p(self, t: int) -> np.ndarray:
        """Feed each row its last word -> log p of the next, (n, K, V), -inf where that is ruled out."""
        last = self.ids[:, :, t - 1].ravel() if t else np.full(self.total.size, self.start)
        scores, self.state = self.model.step(last, self.state)
        if self.state.attention is not None:
            self._keep_attention(t, self.state.attention)
        log_p = log_softmax(scores)
        log_p[:, self.never] = -np.inf
        if self.block_trigrams:
            log_p[completed_trigrams(self.ids.reshape(len(log_p), -1)[:, :t])] = -np.inf
        return log_p.reshape(*self.total.shape, -1)

    def _keep_attention(self, t: int, weights: np.ndarray) -> None:
        if self.maps is None:
            self.maps = np.zeros((*self.ids.shape, weights.shape[1]), weights.dtype)
        self.maps[:, :, t] = weights.reshape(*self.total.shape, -1)

    def extend(self, t: int, parent: np.ndarray, word: np.ndarray, total: np.ndarray) -> None:
        """Set finished captions aside; the K best others go on, with a word more."""
        there, ends = np.isfinite(total), word == self.end
        goes, ends = there & ~ends, there & ends & (np.arange(word.shape[1]) < self.K)
        slots = np.argsort(~goes, axis=1, kind="stable")[:, :self.K]
        self._record(parent, word, total, goes, ends, slots)
        for i, k in np.argwhere(ends):
            self._set_aside(i, parent[i, k], [*self.ids[i, parent[i, k], :t], self.end], total[i, k], True)
        parent, word, total, goes = (np.take_along_axis(a, slots, axis=1) for a in (parent, word, total, goes))
        places = np.arange(len(parent))[:, None]
        self.ids = self.ids[places, parent]
        self.ids[:, :, t] = word
        self.maps = None if self.maps is None else self.maps[places, parent]
        self.state = self.state.reorder((places * self.K + parent).ravel())
        self._leave(np.where(goes, total, -np.inf))

    def _leave(self, total: np.ndarray) -> None:
        """Stop images that have enough finished captions, or no caption left to extend."""
        needs = np.array([len(self.found[i]) < self.K for i in self.images]) & np.isfinite(total).any(axis=1)
        self.total = np.where(needs[:, None], total, -np.inf)
        if needs.any() and (~needs).mean() < IDLE:
            return
        rows = (np.flatnonzero(needs)[:, None] * self.K + np.arange(self.K)).ravel()
        self.images, self.total, self.ids = self.images[needs], self.total[needs], self.ids[needs]
        self.maps, self.state = None if self.maps is None else self.maps[needs], self.state.select(rows)

    def cut(self) -> None:
        """Set aside the captions that have not ended at the greatest length."""
        for i, k in np.argwhere(np.isfinite(self.total)):
            self._set_aside(i, k, self.ids[i, k].tolist(), self.total[i, k], False)

    def _set_aside(self, i: int, k: int, ids: list[int], log_prob: float, finished: bool) -> None:
        maps = None if self.maps is None else self.maps[i, k, :len(ids)].copy()
        self.found[self.images[i]].append(Hypothesis([int(word) for word in ids], float(log_prob), finished, maps))

    def _record(self, parent: np.ndarray, word: np.ndarray, total: np.ndarray, goes: np.ndarray, ends: np.ndarray,
                slots: np.ndarray) -> None:
        if self.history is None:
            return
        for i, image in enumerate(self.images):
            chosen = [k for k in slots[i] if goes[i, k]] + np.flatnonzero(ends[i]).tolist()
            if chosen:
                self.history[image].append([Node(int(parent[i, k]), int(word[i, k]), float(total[i, k]),
                                                 bool(ends[i, k])) for k in chosen])


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Log of the softmax over the last axis, in a new array. Raises ValueError where it is not finite."""
    with np.errstate(invalid="ignore"):                     # checked below
        z = scores - scores.max(axis=-1, keepdims=True)
        z -= np.log(np.exp(z).sum(axis=-1, keepdims=True))
    if np.isnan(z).any():
        raise ValueError("decoding: the model's scores are not finite: its weights or the features are damaged")
    return z


def completed_trigrams(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words that would repeat a trigram of their row: ids integer (R, t) -> rows, words."""
    if ids.shape[1] < 3:
        return np.zeros(0, int), np.zeros(0, int)
    earlier = (ids[:, :-2] == ids[:, -2:-1]) & (ids[:, 1:-1] == ids[:, -1:])     # where the last two words stood before
    rows, places = np.nonzero(earlier)
    return rows, ids[rows, places + 2]
