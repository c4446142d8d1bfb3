"""Captions of a whole split, batch by batch, and ways to decode them."""
from models.decoding import beam_search, sample


def beams_of(model, features, beam, **options):
    return beam_search(model, features, beam, **options).beams


def draws_of(rng, **options):
    """A decoder like beams_of that draws captions at random -> the most likely first; options of decoding.sample."""
    def draw(model, features, beam):
        draws = zip(*(sample(model, features, rng, **options).beams for _ in range(beam)))
        return [sorted((beam for beam, in drawn), key=lambda h: -h.log_prob) for drawn in draws]
    return draw


def caption_split(model, dataset, split, rows, beam, batch=128, decode=beams_of, **options):
    """Caption some images of a split, given by their rows -> for each its Hypotheses, the best first.

    decode: a function (model, features, beam, **options) -> the same of a batch.
    """
    features = dataset.features[split]
    return [hypotheses for i in range(0, len(rows), batch)
            for hypotheses in decode(model, features[rows[i:i + batch]], beam, **options)]
