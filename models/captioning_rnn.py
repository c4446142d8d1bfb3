"""An image captioner: the image starts a recurrent network, which then predicts each word from those before it."""
import numpy as np

from rnnlayers import (
    affine_backward,
    affine_forward,
    lstm_backward,
    lstm_forward,
    lstm_step_forward,
    rnn_backward,
    rnn_forward,
    rnn_step_forward,
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)
from rnnlayers.shapes import check_shapes

GATES = {"rnn": 1, "lstm": 4}                     # blocks of H columns in Wx, Wh and b
FORWARD = {"rnn": rnn_forward, "lstm": lstm_forward}
BACKWARD = {"rnn": rnn_backward, "lstm": lstm_backward}


class CaptioningRNN:
    """Captions from feature vectors.

    h0 = features W_proj + b_proj;  x = W_embed[captions];  h = rnn or lstm (x, h0);  scores = h W_vocab + b_vocab

    `params` holds W_embed (V, W), W_proj (D, H), b_proj (H,), Wx (W, mH), Wh (H, mH), b (mH,), W_vocab (H, V) and
    b_vocab (V,), where m is 1 for an rnn and 4 for an lstm. They are read afresh at every call.
    Source: Vinyals, Toshev, Bengio and Erhan (2015), "Show and tell: a neural image caption generator".
    """

    def __init__(self, word_to_idx, input_dim=512, wordvec_dim=128, hidden_dim=128, cell_type="rnn", dtype=np.float32,
                 *, forget_bias=0.0, dropout=0.0, feature_stats=None, seed=None):
        """A model with random parameters.

        word_to_idx: word -> id, with <NULL>, and with <START> and <END> for sampling. cell_type: 'rnn' or 'lstm'.
        forget_bias: added to b at the forget gates of an lstm. dropout: share of the entries of word vectors and of h
        that a training step drops. feature_stats: None, or the (mean, std), each (D,), that standardise features.
        seed: int or Generator; None draws from NumPy's global state.
        Raises ValueError on an unknown cell_type, a vocabulary without <NULL>, or a dropout outside [0, 1).
        """
        if cell_type not in FORWARD:
            raise ValueError(f"cell_type is {cell_type!r}, expected one of {', '.join(FORWARD)}")
        if "<NULL>" not in word_to_idx:
            raise ValueError("word_to_idx has no '<NULL>', expected an id for the padding of captions")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}, expected a share in [0, 1)")
        self.cell_type, self.dtype, self.dropout, self.feature_stats = cell_type, dtype, dropout, feature_stats
        self.word_to_idx = word_to_idx
        self.idx_to_word = {i: word for word, i in word_to_idx.items()}
        self._null, self._start, self._end = (word_to_idx.get(w) for w in ("<NULL>", "<START>", "<END>"))
        randn = np.random.randn if seed is None else _standard_normal(np.random.default_rng(seed))
        self.params = self._initial(randn, len(word_to_idx), input_dim, wordvec_dim, hidden_dim)
        if cell_type == "lstm":
            self.params["b"][hidden_dim:2 * hidden_dim] += forget_bias

    def _initial(self, randn, V, D, W, H):
        m = GATES[self.cell_type]
        params = {
            "W_embed": randn(V, W) / 100,
            "W_proj": randn(D, H) / np.sqrt(D), "b_proj": np.zeros(H),
            "Wx": randn(W, m * H) / np.sqrt(W), "Wh": randn(H, m * H) / np.sqrt(H), "b": np.zeros(m * H),
            "W_vocab": randn(H, V) / np.sqrt(H), "b_vocab": np.zeros(V),
        }
        return {name: value.astype(self.dtype) for name, value in params.items()}

    def loss(self, features, captions, rng=None):
        """Training loss and its gradients: sum over words, mean over captions of -log p(word | words before, image).

        features (N, D), captions integer (N, T) with <NULL> as padding; rng: Generator for dropout, None for none
        -> loss, grads with the keys, shapes and dtypes of params. Raises ValueError on shapes or ids that do not fit.
        """
        captions = self._check(features, captions)
        words, targets = captions[:, :-1], captions[:, 1:]
        scores, cache = self._forward(features, words, rng)
        loss, dscores = temporal_softmax_loss(scores, targets, targets != self._null)
        return loss, self._backward(dscores, cache)

    def scores(self, features, captions):
        """Scores of the next word after each word of a caption, without dropout.

        features (N, D), captions integer (N, T) -> scores (N, T-1, V), to be compared with captions[:, 1:].
        """
        captions = self._check(features, captions)
        return self._forward(features, captions[:, :-1], None)[0]

    def negative_log_likelihood(self, features, captions):
        """Total -log p of all words that are not <NULL>, and how many these are, without dropout.

        features (N, D), captions integer (N, T) -> nll (float, in nats), words (int).
        """
        captions = np.asarray(captions)
        targets = captions[:, 1:]
        loss, _ = temporal_softmax_loss(self.scores(features, captions), targets, targets != self._null)
        return float(loss) * len(captions), int((targets != self._null).sum())

    def sample(self, features, max_length=30):
        """Greedy captions: the most likely word at each step, until <END>.

        features (N, D) -> captions int32 (N, max_length): the first column is the first word, not <START>; behind
        <END> all is <NULL>. Raises ValueError where the vocabulary has no <START>.
        """
        if self._start is None:
            raise ValueError("sample: word_to_idx has no '<START>', expected an id to start captions with")
        p = self.params
        h, _ = self._project(features)
        c = np.zeros_like(h)
        captions = np.full((len(h), max_length), self._null, np.int32)
        word, running = np.full(len(h), self._start), np.ones(len(h), bool)
        for t in range(max_length):
            x, _ = word_embedding_forward(word, p["W_embed"])
            h, c = self._step(x, h, c)
            word = (h @ p["W_vocab"] + p["b_vocab"]).argmax(axis=1)
            captions[running, t] = word[running]
            running &= word != self._end
            if not running.any():
                break
        return captions

    def _step(self, x, h, c):
        weights = [self.params[name] for name in ("Wx", "Wh", "b")]
        if self.cell_type == "rnn":
            return rnn_step_forward(x, h, *weights)[0], c
        return lstm_step_forward(x, h, c, *weights)[:2]

    def _forward(self, features, words, rng):
        p = self.params
        h0, cache_proj = self._project(features)
        x, cache_embed = word_embedding_forward(words, p["W_embed"])
        x, keep_x = self._drop(x, rng)
        h, cache_cell = FORWARD[self.cell_type](x, h0, p["Wx"], p["Wh"], p["b"])
        h, keep_h = self._drop(h, rng)
        scores, cache_vocab = temporal_affine_forward(h, p["W_vocab"], p["b_vocab"])
        return scores, (cache_proj, cache_embed, keep_x, cache_cell, keep_h, cache_vocab)

    def _backward(self, dscores, cache):
        cache_proj, cache_embed, keep_x, cache_cell, keep_h, cache_vocab = cache
        grads = {}
        dh, grads["W_vocab"], grads["b_vocab"] = temporal_affine_backward(dscores, cache_vocab)
        dx, dh0, grads["Wx"], grads["Wh"], grads["b"] = BACKWARD[self.cell_type](dh * keep_h, cache_cell)
        grads["W_embed"] = word_embedding_backward(dx * keep_x, cache_embed)
        _, grads["W_proj"], grads["b_proj"] = affine_backward(dh0, cache_proj)
        return grads

    def _project(self, features):
        features = np.asarray(features)
        check_shapes("CaptioningRNN", W_proj=(self.params["W_proj"], "D H"), features=(features, "N D"))
        if self.feature_stats is not None:
            mean, std = self.feature_stats
            features = (features - mean) / std
        W = self.params["W_proj"]
        return affine_forward(features.astype(W.dtype, copy=False), W, self.params["b_proj"])

    def _drop(self, x, rng):
        """Inverted dropout: x times a mask of 0 and 1 / (1 - dropout), and the mask, which backward needs again."""
        if rng is None or self.dropout == 0:
            return x, 1
        keep = (rng.random(x.shape, dtype=np.float32) >= self.dropout) / np.asarray(1 - self.dropout, x.dtype)
        return x * keep, keep

    def _check(self, features, captions):
        captions = np.asarray(captions)
        check_shapes("CaptioningRNN", features=(features, "N D"), captions=(captions, "N T"))
        if captions.shape[1] < 2:
            raise ValueError(f"CaptioningRNN: captions is {captions.shape}, expected (N, T) with T >= 2")
        return captions


def _standard_normal(rng):
    return lambda *shape: rng.standard_normal(shape)
