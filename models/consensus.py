"""Choosing among an image's captions by what people wrote of the training images nearest to it.

Source: Devlin et al. (2015), "Exploring nearest neighbor approaches for image captioning", section 3.2, for the
consensus; Mao et al. (2015), "Deep captioning with multimodal recurrent neural networks", section 8, for a model's
captions ranked by it.
"""
import math
from collections import Counter
from typing import NamedTuple

from models.metrics import ORDERS, SIGMA

WEIGHT = 1.0                        # of the consensus, in nats a word for each point of CIDEr


class TfIdf(NamedTuple):
    """A caption as CIDEr sees it."""
    weights: list                   # for n-grams of 1, 2, ... words: {n-gram: weight}
    norms: list                     # their Euclidean norms
    length: int


class Consensus:
    """Ranks captions by log p a word and their mean CIDEr-D with captions of similar images.

    captions: for each training image the list of its tokenised captions. Each image is a document for CIDEr.
    """

    def __init__(self, captions):
        self.captions, self._known = captions, {}
        self._documents = Counter(gram for texts in captions for gram in
                                  {gram for text in texts for counts in _counts(text) for gram in counts})

    def rank(self, beam, texts, neighbours, normalisation=1.0):
        """An image's Hypotheses, the best first: largest log p / length**normalisation + WEIGHT consensus.

        texts: the hypotheses as tokenised captions; neighbours: which training images are near. Captions that were
        never finished stay behind those that were.
        """
        others = [self._tf_idf_known(text) for i in neighbours for text in self.captions[i]]

        def value(pair):
            hypothesis, text = pair
            own = self.tf_idf(text)
            consensus = sum(cider_d(own, other) for other in others) / len(others)
            return hypothesis.finished, hypothesis.log_prob / len(hypothesis.ids)**normalisation + WEIGHT * consensus
        return [hypothesis for hypothesis, _ in sorted(zip(beam, texts), key=value, reverse=True)]

    def tf_idf(self, text):
        """A tokenised caption with the training images' document frequencies -> TfIdf."""
        every = math.log(len(self.captions))
        weights = [{gram: count * (every - math.log(max(self._documents[gram], 1))) for gram, count in counts.items()}
                   for counts in _counts(text)]
        norms = [math.sqrt(sum(w * w for w in of_order.values())) for of_order in weights]
        return TfIdf(weights, norms, len(text.split()))

    def _tf_idf_known(self, text):
        if text not in self._known:
            self._known[text] = self.tf_idf(text)
        return self._known[text]


def cider_d(candidate, reference):
    """CIDEr-D of one caption with one reference, both TfIdf, on its scale of 0 to 10; see models.metrics."""
    total = 0.0
    for ours, theirs, *norms in zip(candidate.weights, reference.weights, candidate.norms, reference.norms):
        if all(norms):
            common = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in ours.keys() & theirs)
            total += common / math.prod(norms)
    difference = max(candidate.length - 1, 0) - max(reference.length - 1, 0)        # in bigrams
    return 10 / ORDERS * total * math.exp(-difference**2 / (2 * SIGMA**2))


def _counts(text):
    words = text.split()
    return [Counter(zip(*(words[i:] for i in range(n)))) for n in range(1, ORDERS + 1)]
