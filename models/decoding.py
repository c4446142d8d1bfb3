"""Captions of images, from any model with initial_state and step: greedy, by beam search, or drawn at random.

`<NULL>` and `<START>` are never chosen, `<UNK>` only where it is allowed. Lengths count the chosen words, including
`<END>`. Log-probabilities are the model's own, before temperature and before words are ruled out.
"""
from typing import Any, NamedTuple

import numpy as np

from models.search import Choice, Hypothesis, Node, search

BEAM = 3                            # captions kept at each word, wherever nothing else is asked for
LENGTH = 30                         # words of a caption at most, likewise


class Decoded(NamedTuple):
    captions: np.ndarray            # int32 (N, T) the best caption of each image: words, <END>, then <NULL>
    log_probs: np.ndarray           # float64 (N,) of its words and <END>, given the image
    finished: np.ndarray            # bool (N,) whether <END> came within max_length
    maps: np.ndarray | None         # (N, T, L) attention weights of each word, zero after <END>
    beams: list[list[Hypothesis]]   # the hypotheses of each image, best first, unfinished last
    history: list[list[list[Node]]] | None      # the beam of each image at every step


def greedy(model: Any, features: Any, max_length: int | None = None, **options: Any) -> Decoded:
    """The most likely word at each step: a beam of one. Options as in beam_search -> Decoded."""
    return beam_search(model, features, 1, max_length, **options)


def beam_search(model: Any, features: Any, beam: int = BEAM, max_length: int | None = None, *,
                normalisation: float = 1.0, allow_unknown: bool = False, block_trigrams: bool = False,
                history: bool = False) -> Decoded:
    """The best of the captions that a beam finds: argmax of sum log p(word) / length**normalisation.

    Each step extends the `beam` best unfinished captions by every word. Among the `beam` best extensions, those that
    end in <END> are set aside as finished; the `beam` best others go on. An image is done when `beam` captions are
    finished, or at max_length; an unfinished caption is its best only if none is finished.
    features as the model takes them; max_length None: 30, or the model's own greatest length if that is less;
    block_trigrams: no caption has the same three words in a row twice; history: keep
    the beam of every step -> Decoded. Raises ValueError on options out of range, no images, and scores that are not
    finite.
    Source: Graves (2012), "Sequence transduction", section 2.5; Wu et al. (2016), section 7, for normalisation.
    """
    beam = _whole("beam", beam)
    if not abs(normalisation) <= 10:
        raise ValueError(f"decoding: normalisation is {normalisation}, expected a number between -10 and 10")
    max_length = _length(model, max_length)
    found, steps = search(model, features, beam, max_length, _best, allow_unknown,
                          block_trigrams, history)
    return _decoded(model, found, max_length, beam, normalisation, steps)


def sample(model: Any, features: Any, rng: np.random.Generator, max_length: int | None = None, *,
           temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0, allow_unknown: bool = False,
           block_trigrams: bool = False) -> Decoded:
    """Captions drawn word by word from p**(1 / temperature), normalised.

    rng: Generator; top_k: draw only from this many of the most likely words; top_p: only from the fewest of these whose
    probabilities add up to it -> Decoded. Raises ValueError as beam_search does.
    Source: Holtzman et al. (2020), "The curious case of neural text degeneration", sections 3.1 to 3.3.
    """
    top_k = None if top_k is None else _whole("top_k", top_k)
    if not 0 < temperature < np.inf or not 0 < top_p <= 1:
        raise ValueError(f"decoding: temperature is {temperature} and top_p {top_p}, expected temperature > 0 and "
                         "0 < top_p <= 1")

    def draw(log_p: np.ndarray, total: np.ndarray) -> Choice:
        z = log_p[:, 0].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # the likeliest stays at 0; NaN where there is no caption
            z = _likely((z - z.max(axis=1, keepdims=True)) / temperature, top_k, top_p)
        word = (z + rng.gumbel(size=z.shape)).argmax(axis=1)[:, None]       # a draw from softmax(z) (Gumbel 1954)
        return np.zeros_like(word), word, total + np.take_along_axis(log_p[:, 0], word, axis=1)
    max_length = _length(model, max_length)
    found, _ = search(model, features, 1, max_length, draw, allow_unknown, block_trigrams, False)
    return _decoded(model, found, max_length, 1, 0.0, None)


def _length(model: Any, max_length: int | None) -> int:
    """Most words of a caption: what is asked for, else 30, or fewer if the model takes no more."""
    cell = getattr(model, "cell", None)
    return _whole("max_length", getattr(cell, "usual_length", LENGTH) if max_length is None else max_length)


def _best(log_p: np.ndarray, total: np.ndarray) -> Choice:
    """The 2K best extensions of K captions: log_p (n, K, V), total (n, K) -> parent, word, total (n, 2K).

    A caption can end in one way only, so at most K of them end, and K others are left to go on.
    """
    n, K, V = log_p.shape
    width = min(2 * K, V)
    words = np.argpartition(log_p, V - width, axis=2)[:, :, V - width:]
    words.sort(axis=2)                                      # the first of equally likely words, as in argmax
    totals = (total[:, :, None] + np.take_along_axis(log_p, words, axis=2)).reshape(n, -1)
    order = np.argsort(-totals, axis=1, kind="stable")[:, :2 * K]
    word = np.take_along_axis(words.reshape(n, -1), order, axis=1)
    return order // width, word, np.take_along_axis(totals, order, axis=1)


def _likely(z: np.ndarray, top_k: int | None, top_p: float) -> np.ndarray:
    """Unnormalised log-probabilities z (n, V) with -inf for all but the likely words."""
    if top_k is None and top_p == 1:
        return z
    order = np.argsort(-z, axis=1, kind="stable")
    p = np.exp(np.take_along_axis(z, order, axis=1) - z.max(axis=1, keepdims=True))
    p[:, top_k or p.shape[1]:] = 0
    p /= p.sum(axis=1, keepdims=True)
    likely = (p > 0) & (np.cumsum(p, axis=1) - p < top_p)   # the words before do not yet reach top_p
    kept = np.zeros_like(likely)
    np.put_along_axis(kept, order, likely, axis=1)
    return np.where(kept, z, -np.inf)


def _decoded(model: Any, found: list[list[Hypothesis]], max_length: int, beam: int, normalisation: float,
             history: list[list[list[Node]]] | None) -> Decoded:
    """The hypotheses found for each image, ranked."""
    if not all(found):
        raise ValueError("decoding: at some step no word was left to choose: all are ruled out or have probability 0")

    def rank(hypothesis: Hypothesis) -> tuple[bool, float]:
        return hypothesis.finished, hypothesis.log_prob / len(hypothesis.ids)**normalisation
    beams = [sorted(hypotheses, key=rank, reverse=True)[:beam] for hypotheses in found]
    best = [hypotheses[0] for hypotheses in beams]
    captions = np.full((len(best), max_length), model.word_to_idx["<NULL>"], np.int32)
    maps = None if best[0].maps is None else np.zeros((*captions.shape, best[0].maps.shape[1]), best[0].maps.dtype)
    for i, hypothesis in enumerate(best):
        captions[i, :len(hypothesis.ids)] = hypothesis.ids
        if maps is not None:
            maps[i, :len(hypothesis.ids)] = hypothesis.maps
    return Decoded(captions, np.array([h.log_prob for h in best]), np.array([h.finished for h in best]), maps, beams,
                   history)


def _whole(name: str, number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        raise ValueError(f"decoding: {name} is {number!r}, expected a whole number of at least 1")
    return int(number)
