"""The service's answer about one picture: captions, the log-probability of each word, attention maps."""
import numpy as np

from data.tokenizer import written
from models.decoding import BEAM
from models.search import log_softmax
from scripts.evaluation.captions import beams_of, draws_of
from scripts.web.decoder import Decoder

OTHERS = 3                              # alternatives for each word


class BadPicture(ValueError):
    """The bytes are no picture, or a picture that is not accepted."""


class Answers:
    """answers(content, ...) captions the bytes of one picture file.

    features: of scripts.runs.photos, turns a list of pictures into the model's input; tokens: of data.tokenizer.TOKENS,
    how the captions that the model learnt were cut into words; allow_unknown: captions may have <UNK>; beam: where a
    request names none; search: other options of decoding.beam_search. `decoder` opens the pictures.
    """

    def __init__(self, model, features, tokens="treebank", allow_unknown=False, beam=BEAM, search=None):
        self.beam, self.search = beam, {"allow_unknown": allow_unknown, **(search or {})}
        self.model, self.features, self.tokens, self.decoder = model, features, tokens, Decoder()
        self._start, self._null = (model.word_to_idx[word] for word in ("<START>", "<NULL>"))
        unknown = model.word_to_idx.get("<UNK>")
        self._never = {self._start, self._null, None if allow_unknown else unknown}

    def __call__(self, content, beam=None, temperature=0.0, seed=0):
        """The best caption of a beam search; with a temperature, the likeliest of `beam` captions drawn at random.

        -> dict: `caption`, `words`, `log_probs` of the words, `log_prob` of the whole with <END>, `finished`, `others`
        (for each word the likeliest alternatives, with log-probabilities), `attention` (for each word its map, rows of
        the grid; None without attention), `grid` (height, width) or None, and `alternatives`, the other captions,
        likewise. Raises BadPicture.
        """
        try:
            picture = self.decoder.open(content, 2 * max(self.features.size))
        except ValueError as error:
            raise BadPicture(str(error)) from error
        features = self.features([picture])
        search, decode = self.search, beams_of
        if temperature:                                         # draws are not ranked by their length
            search = {name: value for name, value in search.items() if name != "normalisation"}
            decode = draws_of(np.random.default_rng(seed), temperature=temperature)
        hypotheses = _distinct(decode(self.model, features, beam or self.beam, **search)[0])
        best, *others = map(self._told, hypotheses, self._log_p(features, hypotheses))
        return {**best, "grid": self.features.grid, "alternatives": others}

    def _log_p(self, features, hypotheses):
        """log p of all words at each step of the captions of one picture -> for each float (len(ids), V)."""
        captions = np.full((len(hypotheses), 1 + max(len(h.ids) for h in hypotheses)), self._null)
        captions[:, 0] = self._start
        for row, hypothesis in zip(captions, hypotheses):
            row[1:1 + len(hypothesis.ids)] = hypothesis.ids
        scores = self.model.scores(_repeat(features, len(captions)), captions)
        return [log_softmax(rows[:len(hypothesis.ids)]) for rows, hypothesis in zip(scores, hypotheses)]

    def _told(self, hypothesis, log_p):
        count = len(hypothesis.ids) - hypothesis.finished
        words = [self.model.idx_to_word[i] for i in hypothesis.ids[:count]]
        maps = None if hypothesis.maps is None else hypothesis.maps[:count].reshape(count, *self.features.grid)
        return {"caption": written(" ".join(words), self.tokens), "words": words,
                "log_probs": [_short(p[i]) for p, i in zip(log_p, hypothesis.ids[:count])],
                "log_prob": _short(hypothesis.log_prob), "finished": hypothesis.finished,
                "others": [self._instead(p, i) for p, i in zip(log_p, hypothesis.ids[:count])],
                "attention": None if maps is None else np.round(maps.astype(float), 5).tolist()}

    def _instead(self, log_p, chosen):
        """The likeliest words except the chosen one -> list of [word, log-probability]."""
        likely = np.argsort(-log_p, kind="stable")[:OTHERS + 4]
        likely = [i for i in likely if i != chosen and i not in self._never][:OTHERS]
        return [[self.model.idx_to_word[int(i)], _short(log_p[i])] for i in likely]


def _distinct(hypotheses):
    """Each caption once, in order: draws may repeat each other."""
    return list({tuple(h.ids): h for h in hypotheses}.values())


def _repeat(features, n):
    """The features of one picture for n captions."""
    return tuple(np.repeat(f, n, axis=0) for f in features) if isinstance(features, tuple) else features.repeat(n, 0)


def _short(number):
    """Rounded for JSON, which has no infinity."""
    return round(max(float(number), -1e4), 4)
