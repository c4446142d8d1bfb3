"""How likely a model finds the captions of a split."""
from typing import Any

from models.batches import sorted_batches, trim
from models.read_ahead import on_disk, read_ahead
from rnnlayers.lengths import sequence_lengths


def split_loss(model: Any, data: dict[str, Any], split: str, batch_size: int = 100) -> float:
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
