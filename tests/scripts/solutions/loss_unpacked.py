"""The captioner's loss the course's way: loss() in one piece, parameters unpacked, layers called by name."""
import numpy as np

from rnnlayers import affine_backward, affine_forward, lstm_backward, lstm_forward, rnn_backward, rnn_forward

TASKS = ["2.3"]


class CaptioningRNN:
    def loss(self, features, captions, rng=None):
        captions_in = captions[:, :-1]
        captions_out = captions[:, 1:]
        mask = (captions_out != self._null)
        W_proj, b_proj = self.params['W_proj'], self.params['b_proj']
        W_embed = self.params['W_embed']
        Wx, Wh, b = self.params['Wx'], self.params['Wh'], self.params['b']
        W_vocab, b_vocab = self.params['W_vocab'], self.params['b_vocab']
        grads = {}

        h0, cache_h0 = affine_forward(features, W_proj, b_proj)
        x, cache_x = word_embedding_forward(captions_in, W_embed)
        x, keep_x = drop(x, rng, self.input_dropout)
        if self.cell_type == 'rnn':
            h, cache_h = rnn_forward(x, h0, Wx, Wh, b)
        else:
            h, cache_h = lstm_forward(x, h0, Wx, Wh, b)
        h, keep_h = drop(h, rng, self.dropout)
        scores, cache_scores = temporal_affine_forward(h, W_vocab, b_vocab)
        loss, dscores = temporal_softmax_loss(scores, captions_out, mask, verbose=False)

        dh, grads['W_vocab'], grads['b_vocab'] = temporal_affine_backward(dscores, cache_scores)
        dh = dh * keep_h
        if self.cell_type == 'rnn':
            dx, dh0, grads['Wx'], grads['Wh'], grads['b'] = rnn_backward(dh, cache_h)
        else:
            dx, dh0, grads['Wx'], grads['Wh'], grads['b'] = lstm_backward(dh, cache_h)
        grads['W_embed'] = word_embedding_backward(dx * keep_x, cache_x)
        _, grads['W_proj'], grads['b_proj'] = affine_backward(dh0, cache_h0)
        return loss, grads
