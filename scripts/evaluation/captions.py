"""Captions of a split, batch by batch: by beam search, drawn at random, or greedy with attention maps."""
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


def caption_images(model, dataset, split, n=None):
    """Greedy captions of the first n images of a split, or all -> rows, names, captions."""
    rows, names = dataset.images(split)
    rows, names = rows[:n], names[:n]
    captions = [dataset.vocabulary.decode(ids) for ids, _ in _sampled(model, dataset, split, rows)]
    return rows, names, captions


def attend_images(model, dataset, split, rows):
    """Words of the greedy captions of some images, and the attention map of each word.

    -> list of lists of str, list of arrays (words, height, width)
    """
    vocabulary, words, maps = dataset.vocabulary, [], []
    for ids, where in _sampled(model, dataset, split, rows):
        ids = ids.tolist()
        ids = ids[:ids.index(vocabulary.end)] if vocabulary.end in ids else ids
        steps = [t for t, i in enumerate(ids) if i not in (vocabulary.null, vocabulary.start)]
        words.append([vocabulary.idx_to_word[ids[t]] for t in steps])
        maps.append(where[steps])
    return words, maps


def _sampled(model, dataset, split, rows, batch=128):
    """Yield ids and maps (None without attention) of each image."""
    for i in range(0, len(rows), batch):
        sampled = model.sample(dataset.features[split][rows[i:i + batch]])
        yield from zip(*sampled) if model.attends else zip(sampled, [None] * len(sampled))


def caption_tiles(model, dataset, split, n):
    """(picture or None, name, greedy caption) of the first n images of a split, for figures.sheet."""
    return [(dataset.picture(row), name, caption)
            for row, name, caption in zip(*caption_images(model, dataset, split, n))]
