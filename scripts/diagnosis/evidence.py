"""What scripts.diagnose looks at: a run's captions, likelihoods, features and gradients on some images.

Everything is computed once, without dropout, on the same images, and only when a symptom asks for it.
"""
from functools import cached_property

import numpy as np

from data.features import PairReader
from models.batches import trim
from models.likelihood import split_loss
from models.through_time import gradient_of_one_word
from rnnlayers import word_embedding_forward
from rnnlayers.lengths import sequence_lengths
from scripts.evaluation.captions import caption_split
from scripts.runs.training import overfit_choice

LONGEST = 30                        # bound on words, as scripts.evaluate has it
FORWARD = 32                        # captions whose hidden states and gradients are kept at a time
BATCHES = 4                         # of these, for gradients


class Evidence:
    """A run on up to `images` images of a split, drawn by rng: a Generator. Raises ValueError for a missing split.

    decoding: options of models.decoding.beam_search.
    """

    def __init__(self, checkpoint, dataset, split, images, decoding, rng):
        self.checkpoint, self.model, self.dataset, self.split, self.decoding = (
            checkpoint, checkpoint.model, dataset, split, decoding)
        rows, _ = dataset.images(split)
        self.vocabulary, self.reader = dataset.vocabulary, dataset.features[split]
        self.rows = np.sort(rng.choice(rows, min(images, len(rows)), replace=False))
        self.order = rng.permutation(len(self.rows))
        captions, image_rows = dataset.captions_of(split)
        chosen = np.isin(image_rows, self.rows)
        self.targets, self.target_rows = captions[chosen], image_rows[chosen]
        self.train_targets, self.train_rows = self._train_sample(rng)

    def _train_sample(self, rng):
        """As many captions of training images; for a run with --overfit, captions that it learnt."""
        captions, rows = self.dataset.captions_of("train")
        settings = self.checkpoint.run.get("settings", {})
        if settings.get("overfit"):
            learnt = overfit_choice(rows, settings["overfit"], settings["seed"])
            captions, rows = captions[learnt], rows[learnt]
        chosen = np.sort(rng.permutation(len(captions))[:len(self.targets)])
        return captions[chosen], rows[chosen]

    # --- captions -------------------------------------------------------------------------------------------------

    @cached_property
    def hypotheses(self):
        """The best caption of each image, in which <UNK> may be chosen: a Hypothesis for each of `rows`.

        The bound on words is our own, so that captions which a released model cuts are not called unfinished.
        """
        length = max(LONGEST, self.dataset.captions["train"].shape[1])
        beams = caption_split(self.model, self.dataset, self.split, self.rows, allow_unknown=True,
                              **{**self.decoding, "max_length": length})
        return [beam[0] for beam in beams]

    @cached_property
    def shown(self):
        """The captions that other commands show, without <UNK> -> list of str."""
        beams = caption_split(self.model, self.dataset, self.split, self.rows, **self.decoding)
        return [self.vocabulary.text(beam[0].ids) for beam in beams]

    @cached_property
    def captions(self):
        """The words of these captions -> list of lists of str."""
        return [self.vocabulary.decode(hypothesis.ids).split() for hypothesis in self.hypotheses]

    @cached_property
    def references(self):
        """What people wrote, as the model learns it, cut and with <UNK> -> for each image a list of lists of str."""
        by_row = {row: [] for row in self.rows}
        for ids, row in zip(self.targets, self.target_rows):
            by_row[row].append(self.vocabulary.decode(ids).split())
        return [by_row[row] for row in self.rows]

    @cached_property
    def cut(self):
        """Share of the training captions that were cut, and so have no <END>."""
        return float((self.dataset.captions["train"] != self.vocabulary.end).all(axis=1).mean())

    # --- likelihood -----------------------------------------------------------------------------------------------

    def _loss(self, captions, rows, reader):
        data = {"x_captions": captions, "x_image_idxs": rows, "x_features": reader}
        return split_loss(self.model, data, "x")

    @cached_property
    def loss(self):
        """Loss of the images' captions, in nats per word."""
        return self._loss(self.targets, self.target_rows, self.reader)

    @cached_property
    def shuffled_loss(self):
        """The same with wrong images: a derangement, so that no caption keeps its own image."""
        ordered = self.rows[self.order]
        other = dict(zip(ordered, np.roll(ordered, 1)))
        return self._loss(self.targets, np.array([other[row] for row in self.target_rows]), self.reader)

    @cached_property
    def train_loss(self):
        """Loss of as many training captions, in nats per word."""
        return self._loss(self.train_targets, self.train_rows, self.dataset.features["train"])

    @cached_property
    def forced(self):
        """One caption an image with the true words before each: -> the likeliest words, and the peak of each word.

        Each image's first caption is fed: list of lists of str; float (V,), the largest p of each word at any place.
        """
        first = np.unique(self.target_rows, return_index=True)[1]
        words, peak = [], np.zeros(len(self.vocabulary))
        for batch in np.array_split(first, -(-len(first) // FORWARD)):
            ids = trim(self.targets[batch], self.vocabulary.null)
            scores = self.model.scores(self.reader[self.target_rows[batch]], ids)
            scores[:, :, [self.vocabulary.null, self.vocabulary.start]] = -np.inf
            there = ids[:, 1:] != self.vocabulary.null
            p = np.exp(scores[there] - scores[there].max(axis=1, keepdims=True))
            peak = np.maximum(peak, (p / p.sum(axis=1, keepdims=True)).max(axis=0))
            ended = (ids == self.vocabulary.end).any(axis=1)                     # where <END> comes no word is counted
            for row, length in zip(scores.argmax(axis=2), there.sum(axis=1) - ended):
                words.append([self.vocabulary.idx_to_word[i] for i in row[:length]])
        return words, peak

    # --- features and weights -------------------------------------------------------------------------------------

    @cached_property
    def feature_parts(self):
        """(name, reader, width expected, (mean, std) of training) of the features: one, or grid and pooled ones."""
        model, reader = self.model, self.reader
        if not isinstance(reader, PairReader):
            return [("features", reader, model.input_dim, model.feature_stats)]
        return [("grid", reader.grid, model.input_dim, model.feature_stats),
                ("pooled features", reader.pooled, model.pooled_dim, model.pooled_stats)]

    @cached_property
    def gradients(self):
        """Gradients of the training loss, batch by batch -> list of dicts as `loss` gives them."""
        return [self.model.loss(self.dataset.features["train"][rows], captions)[1]
                for captions, rows in self._batches()]

    @cached_property
    def memory(self):
        """A pass through the textbook cell, and the gradient of the last word alone -> flow, saturated.

        flow: float (T,), the mean norm of the gradient with respect to the word fed k steps before the last one;
        saturated: the share of units that the cell calls saturated, None where it calls none so.
        """
        norms, saturated = [], []
        for captions, rows in self._batches():
            targets = sequence_lengths(captions, self.vocabulary.null) - 1
            dx, units = self._last_word(captions, rows, targets)
            norm = np.linalg.norm(dx.astype(np.float64), axis=2)
            norms += [norm[i, t::-1] for i, t in enumerate(targets - 1)]
            if units is not None:
                saturated.append(units[np.arange(units.shape[1]) < targets[:, None]].ravel())
        longest = max(map(len, norms))
        flow = [np.mean([n[k] for n in norms if len(n) > k]) for k in range(longest)]
        return np.array(flow), float(np.mean(np.concatenate(saturated))) if saturated else None

    def _last_word(self, captions, rows, targets):
        """Gradient of -log p of each caption's last word with respect to all words fed, and Cell.saturated."""
        model = self.model
        x, _ = word_embedding_forward(captions[:, :-1], model.params["W_embed"])
        h, attention, cache = model.cell.forward(model.params, model.image(self.dataset.features["train"][rows]), x)
        dh = gradient_of_one_word(model, h, captions, targets)
        dx, _ = model.cell.backward(dh, None if attention is None else np.zeros_like(attention), cache)
        return dx, model.cell.saturated(cache)

    def _batches(self):
        for i in range(0, min(len(self.train_targets), BATCHES * FORWARD), FORWARD):
            captions = self.train_targets[i:i + FORWARD]
            yield trim(captions, self.vocabulary.null), self.train_rows[i:i + FORWARD]
