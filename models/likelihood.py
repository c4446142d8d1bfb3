"""How likely a model finds the captions of a split, and how often its most likely word is the right one."""
import numpy as np

from models.batches import caption_lengths, sorted_batches, trim
from models.read_ahead import on_disk, read_ahead


def split_loss(model, data, split, batch_size=100):
    """Mean -log p of a split's words, in nats a word: the total over all captions divided by their words.

    model: has word_to_idx and negative_log_likelihood(features, captions); data: a dict with {split}_captions,
    {split}_image_idxs and {split}_features -> float
    """
    captions, rows = data[f"{split}_captions"], data[f"{split}_image_idxs"]
    null, total, words = model.word_to_idx["<NULL>"], 0.0, 0
    batches = sorted_batches(caption_lengths(captions, null), batch_size)
    source = data[f"{split}_features"]
    wanted = [rows[batch] for batch in batches]
    ahead = read_ahead(source, wanted) if on_disk(source, rows) else (source[r] for r in wanted)
    for batch, features in zip(batches, ahead):
        nll, count = model.negative_log_likelihood(features, trim(captions[batch], null))
        total, words = total + nll, words + count
    return total / words


def accuracy(model, features, captions, num_samples=None, batch_size=100):
    """Share of words that are the most likely one after the words before them.

    features (N, D), captions integer (N, T), num_samples: so many of them, drawn at random -> float in [0, 1].
    """
    if num_samples is not None and num_samples < len(features):
        chosen = np.random.choice(len(features), num_samples)
        features, captions = features[chosen], captions[chosen]
    null, hits, words = model.word_to_idx["<NULL>"], 0, 0
    for i in range(0, len(features), batch_size):
        targets = captions[i:i + batch_size, 1:]
        best = model.scores(features[i:i + batch_size], captions[i:i + batch_size]).argmax(axis=2)
        hits += int(((best == targets) & (targets != null)).sum())
        words += int((targets != null).sum())
    return hits / max(words, 1)
