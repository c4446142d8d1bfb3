"""The captioner's loss in the methods that the tree prepares, with the cell's forward and backward and a dict cache."""
import numpy as np

TASKS = ["2.3"]


class CaptioningRNN:
    def _forward(self, features, words, rng):
        image = self.image(features, len(words))
        x, embed = word_embedding_forward(words, self.params["W_embed"])
        x, keep_x = drop(x, rng, self.input_dropout)
        h, attention, cell = self.cell.forward(self.params, image, x)
        h, keep_h = drop(h, rng, self.dropout)
        scores, vocab = temporal_affine_forward(h, self.params["W_vocab"], self.params["b_vocab"])
        return scores, attention, dict(embed=embed, keep_x=keep_x, cell=cell, keep_h=keep_h, vocab=vocab)

    def _backward(self, dscores, dattention, cache):
        dh, dW_vocab, db_vocab = temporal_affine_backward(dscores, cache["vocab"])
        dx, grads = self.cell.backward(dh * cache["keep_h"], dattention, cache["cell"])
        grads = dict(grads)
        grads["W_vocab"] = dW_vocab
        grads["b_vocab"] = db_vocab
        grads["W_embed"] = word_embedding_backward(dx * cache["keep_x"], cache["embed"])
        return grads
