"""How likely a model finds the captions of a split, and how often its most likely word is right."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.batches import sorted_batches, trim
from models.read_ahead import on_disk, read_ahead
from rnnlayers.lengths import sequence_lengths


def split_loss(model: Any, data: Mapping[str, Any], split: str, batch_size: int = 100) -> float:
    """Mean -log p per word of a split, in nats: the total over all captions divided by their number of words.

    model: has word_to_idx and negative_log_likelihood(features, captions) -> (sum of -log p, words);
    data: a dict with {split}_captions, {split}_image_idxs and {split}_features.
    """
    captions, rows = data[f"{split}_captions"], data[f"{split}_image_idxs"]
    null, total, words = model.word_to_idx["<NULL>"], 0.0, 0
    batches = sorted_batches(sequence_lengths(captions, null), batch_size)
    features, wanted = data[f"{split}_features"], [rows[batch] for batch in batches]
    read = read_ahead(features, wanted) if on_disk(features, rows) else (features[r] for r in wanted)
    for batch, batch_features in zip(batches, read):
        loss, count = model.negative_log_likelihood(batch_features, trim(captions[batch], null))
        total, words = total + loss, words + count
    return total / words


def accuracy(model: Any, features: np.ndarray, captions: np.ndarray, num_samples: int | None = None,
             batch_size: int = 100) -> float:
    """Share of words that the model finds most likely after the words before them.

    features (N, D), captions integer (N, T), num_samples: how many captions to draw at random -> float in [0, 1].
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
