"""Captions of a whole split, batch by batch."""
from models.decoding import beam_search


def beams_of(model, features, beam, **options):
    return beam_search(model, features, beam, **options).beams


def caption_split(model, dataset, split, rows, beam, batch=128, decode=beams_of, **options):
    """Caption some images of a split, given by their rows -> for each its Hypotheses, the best first.

    decode: a function (model, features, beam, **options) -> the same of a batch.
    """
    features = dataset.features[split]
    return [hypotheses for i in range(0, len(rows), batch)
            for hypotheses in decode(model, features[rows[i:i + batch]], beam, **options)]
