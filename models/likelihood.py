"""How likely a model finds the captions of a split."""
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
