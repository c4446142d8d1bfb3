"""An image captioner: a recurrent network that predicts each word from the picture and the words before it."""
import importlib.util
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from models import on_engine
from models.cells import ALIASES, CELL_TYPES, CELLS, Image
from models.dropout import drop
from models.options import attribute, did_you_mean, model_options
from rnnlayers import (
    doubly_stochastic_penalty,
    label_smoothing_penalty,
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)
from rnnlayers.shapes import check_shapes
from rnnlayers.workspace import aligned, fresh

CELL_OPTIONS = {"rnn": (), "lstm": ("start",), "attention": (), "bahdanau": ("pooled_dim", "pooled_stats", "penalty")}


class CaptioningRNN:
    """Captions from image features.

    x = W_embed[captions];  h = cell(x, features);  scores = h W_vocab + b_vocab

    cell_type 'rnn' and 'lstm' take one vector a picture, (N, D), as h0 = features W_proj + b_proj; 'attention' (or
    'attn') and 'bahdanau' look at a grid of regions at every step (models/cells.py). Their features are (N, L, D),
    (N, D, height, width), or a pair (grid, pooled) with pooled (N, P), which starts 'bahdanau' in place of the mean.

    `params` holds W_embed (V, W), the cell's parameters, W_vocab (H, V) and b_vocab (V,); for rnn and lstm W_proj
    (D, H), b_proj (H,), Wx (W, mH), Wh (H, mH) and b (mH,) with m = 1 or 4. They are read afresh at every call.
    Source: Vinyals et al. (2015), "Show and tell"; Xu et al. (2015), "Show, attend and tell".
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...        # options are attributes, models/options.py

    def __init__(self, word_to_idx: dict[str, int], input_dim: int = 512, wordvec_dim: int = 128, hidden_dim: int = 128,
                 cell_type: str = "rnn", dtype: type = np.float32, **options):
        """A model with random parameters.

        word_to_idx: word -> id, with <NULL>, and with <START> and <END> for sampling. cell_type: 'rnn', 'lstm',
        'attention' or 'bahdanau'. Keywords, with neutral defaults:

        dropout=0.0: dropout rate of the cell's outputs
        input_dropout=None: dropout rate of the word vectors; if not given, as the outputs
        feature_dropout=0.0: dropout rate of the image vector that initialises the state
        grid_dropout=0.0: dropout rate of the features attended to; drops a feature in all regions of an image
        feature_stats=None: (mean, std), each (D,), that standardise features
        pooled_stats=None: (mean, std), each (P,), that standardise pooled features
        feature_clip=None: bound of standardised features, in standard deviations
        pooled_dim=None: width P of pooled features beside the grid, which then initialise the state
        smoothing=0.0: label smoothing: share of the target's probability spread over all words
        forget_bias=0.0: initial bias of the forget gates, in cells that have them
        seed=None: random seed or Generator; None draws from NumPy's global state
        start='h': states of an LSTM that the image initialises: h, or both h and c (through tanh)
        penalty=0.0: weight of the doubly stochastic regulariser: attend to each region about once (bahdanau)
        backend=None: 'engine' or 'textbook'; None: $RNNLAYERS_BACKEND, else the engine if it is installed

        Raises TypeError on an unknown option, ValueError on an unknown cell_type or backend, a vocabulary without
        <NULL>, values out of bounds or of options that the cell does not have.
        """
        cell_type = ALIASES.get(cell_type, cell_type)
        if cell_type not in CELL_TYPES:
            raise ValueError(f"cell_type is {cell_type!r}, expected one of {', '.join(CELL_TYPES)}"
                             f"{did_you_mean(cell_type, CELL_TYPES)}")
        if "<NULL>" not in word_to_idx:
            raise ValueError("word_to_idx has no '<NULL>', expected an id for the padding of captions")
        options = model_options(options, cell_type, CELL_OPTIONS)
        seed, backend, forget_bias = (options.pop(name) for name in ("seed", "backend", "forget_bias"))
        for name, value in options.items():
            setattr(self, attribute(name), value)
        self.cell_type, self.dtype = cell_type, dtype
        self.kind = cell_type if self.start_from == "h" else f"{cell_type} {self.start_from}"       # its name in CELLS
        self.cell = CELLS[self.kind]
        self.word_to_idx = word_to_idx
        self.idx_to_word = {i: word for word, i in word_to_idx.items()}
        self._null, self._start, self._end = (word_to_idx.get(w) for w in ("<NULL>", "<START>", "<END>"))
        self.backend, self.memory = choose_backend(backend), fresh
        self.last_penalty = 0.0                 # the part of the latest loss that is no likelihood
        self.input_dim, self.attends = input_dim, cell_type in ("attention", "bahdanau")
        randn = np.random.randn if seed is None else _standard_normal(np.random.default_rng(seed))
        self.params = self._initial(randn, len(word_to_idx), input_dim, wordvec_dim, hidden_dim)
        if self.cell.gates == 4:
            self.params["b"][hidden_dim:2 * hidden_dim] += forget_bias

    def _initial(self, randn, V, D, W, H):
        params = {"W_embed": randn(V, W) / 100, **self.cell.initial(randn, D, W, H, self.pooled_dim or D),
                  "W_vocab": randn(H, V) / np.sqrt(H), "b_vocab": np.zeros(V)}
        return {name: aligned(value.astype(self.dtype)) for name, value in params.items()}

    def loss(self, features, captions, rng=None):
        """Training loss and its gradients: sum over words, mean over captions of -log p(word | words before, image).

        features as above, captions integer (N, T) with <NULL> as padding; rng: Generator for dropout, None for none
        -> loss, grads with the keys, shapes and dtypes of params. Raises ValueError on shapes or ids that do not fit.
        """
        captions = self._check(captions)
        if self._engine():
            memory, self.memory = self.memory, fresh        # a workspace serves one call: a second would overwrite it
            loss, self.last_penalty, grads = on_engine.loss(self, features, captions, rng, memory)
            return loss, grads
        # BEGIN SOLUTION 2.3: finds targets, counts, scores, maps, cache, loss and dscores
        words, targets = captions[:, :-1], captions[:, 1:]
        counts = targets != self._null
        scores, maps, cache = self._forward(features, words, rng)
        loss, dscores = temporal_softmax_loss(scores, targets, counts)
        # END SOLUTION 2.3
        self.last_penalty, dmaps = 0.0, None
        if self.smoothing:
            penalty, dpenalty = label_smoothing_penalty(scores, targets, counts)
            self.last_penalty, dscores = self.smoothing * penalty, dscores + self.smoothing * dpenalty
        if maps is not None:
            penalty, dmaps = doubly_stochastic_penalty(maps, counts)
            self.last_penalty, dmaps = self.last_penalty + self.penalty * penalty, self.penalty * dmaps
        return loss + self.last_penalty, self._backward(dscores, dmaps, cache)

    def scores(self, features, captions):
        """Scores of the next word after each word of a caption, without dropout.

        features, captions integer (N, T) -> scores (N, T-1, V), to be compared with captions[:, 1:].
        """
        return self._forward(features, self._check(captions)[:, :-1], None)[0]

    def attention(self, features, captions):
        """Where the network looks before each word of given captions -> (N, T-1, L).

        Raises ValueError for rnn and lstm, which do not look again.
        """
        if not self.attends:
            raise ValueError(f"attention: cell_type is {self.cell_type!r}, expected 'attention' or 'bahdanau'")
        return self._forward(features, self._check(captions)[:, :-1], None)[1]

    def negative_log_likelihood(self, features, captions):
        """Total -log p of all words that are not <NULL>, and how many these are, without dropout.

        features, captions integer (N, T) -> nll (float, in nats), words (int).
        """
        captions = self._check(captions)
        targets = captions[:, 1:]
        words = int((targets != self._null).sum())
        if self._engine():
            return on_engine.negative_log_likelihood(self, features, captions, self.memory), words
        loss, _ = temporal_softmax_loss(self.scores(features, captions), targets, targets != self._null)
        return float(loss) * len(captions), words

    def sample(self, features, max_length=30):
        """Greedy captions: the most likely word at each step, until <END>.

        features -> captions int32 (N, max_length): the first column is the first word, not <START>; behind <END> all
        is <NULL>. Attention models also return where they looked for each word, (N, max_length, height, width): zero
        behind <END>. Raises ValueError where the vocabulary has no <START>.
        """
        if not isinstance(max_length, (int, np.integer)) or max_length < 1:
            raise ValueError(f"sample: max_length is {max_length}, expected a whole number of at least 1")
        if self._start is None:
            raise ValueError("sample: word_to_idx has no '<START>', expected an id to start captions with")
        image = self.image(features)
        captions = np.full((len(image.vector), max_length), self._null, np.int32)
        alone = on_engine.greedy_alone(self, image, max_length) if self._engine() and len(captions) == 1 else None
        if alone is not None:
            captions[0, :len(alone)] = alone
            return captions
        maps = self._sample_steps(self._first_state(image), captions)
        return (captions, maps.reshape(*captions.shape, *_grid(features, maps.shape[2]))) if self.attends else captions

    def _sample_steps(self, state, captions):
        """Fill captions (N, T) step by step -> where attention models looked, (N, T, L), else None."""
        rows, word, maps = np.arange(len(captions)), np.full(len(captions), self._start), None
        for t in range(captions.shape[1]):
            # BEGIN SOLUTION 2.4: finds word, the next of each caption in `rows`, and the new state
            scores, state = self.step(word, state)
            word = scores.argmax(axis=1)
            captions[rows, t] = word
            # END SOLUTION 2.4
            if self.attends:
                maps = np.zeros((*captions.shape, state.map.shape[1]), state.map.dtype) if maps is None else maps
                maps[rows, t] = state.map
            going = word != self._end
            if not going.any():
                break
            if not going.all():                             # who has ended needs no more words
                rows, word, state = rows[going], word[going], state.select(going)
        return maps

    def start(self, features):
        """The state of a network that has seen pictures and no word yet. Its `select(rows)` is that of some of them.

        It holds copies of some parameters: these are not to change before its last step.
        """
        return self._first_state(self.image(features))

    def _first_state(self, image):
        return on_engine.start(self, image) if self._engine() else self.cell.start(self.params, image)

    def step(self, words, state):
        """Feed one word to each caption: words integer (n,) -> scores (n, V) of the next word, state."""
        words, p = np.asarray(words), self.params
        if self._engine():
            return on_engine.step(self, words, state)
        # BEGIN SOLUTION 2.4
        x, _ = word_embedding_forward(words, p["W_embed"])
        state = self.cell.step(p, x, state)
        return state.h @ p["W_vocab"] + p["b_vocab"], state
        # END SOLUTION 2.4

    def _engine(self):
        """Whether the engine can compute with the parameters as they are now."""
        dtypes = {w.dtype for w in self.params.values()}
        return self.backend == "engine" and dtypes in ({np.dtype(np.float32)}, {np.dtype(np.float64)})

    def _forward(self, features, words, rng):
        p = self.params
        image = self.image(features, len(words))
        keep_vector, keep_grid = self.feature_masks(image, rng)
        image = Image(image.vector * keep_vector, None if image.grid is None else image.grid * keep_grid)
        # BEGIN SOLUTION 2.3: with drop(), which drops nothing where rng is None, on x and on the h that goes to scores
        x, cache_embed = word_embedding_forward(words, p["W_embed"])
        x, keep_x = drop(x, rng, self.input_dropout)
        h, maps, cache_cell = self.cell.forward(p, image, x)
        h, keep_h = drop(h, rng, self.dropout)
        scores, cache_vocab = temporal_affine_forward(h, p["W_vocab"], p["b_vocab"])
        return scores, maps, (cache_embed, keep_x, cache_cell, keep_h, cache_vocab)
        # END SOLUTION 2.3

    def _backward(self, dscores, dmaps, cache):
        # BEGIN SOLUTION 2.3
        cache_embed, keep_x, cache_cell, keep_h, cache_vocab = cache
        grads = {}
        dh, grads["W_vocab"], grads["b_vocab"] = temporal_affine_backward(dscores, cache_vocab)
        dx, cell_grads = self.cell.backward(dh * keep_h, dmaps, cache_cell)
        grads["W_embed"] = word_embedding_backward(dx * keep_x, cache_embed)
        grads.update(cell_grads)
        return {name: grads[name] for name in self.params}
        # END SOLUTION 2.3

    def image(self, features, N=None):
        """Features as the cell takes them: checked, to be N if given, standardised, in the parameters' dtype."""
        image = self._image(features)
        if N is not None and len(image.vector) != N:
            raise ValueError(f"CaptioningRNN: features has {len(image.vector)} rows and captions {N}, expected as many")
        return image

    def _image(self, features):
        if not self.attends:
            features = np.asarray(features)
            first = "W_proj" if self.start_from == "h" else "W_init_h"
            check_shapes("CaptioningRNN", **{first: (self.params[first], "D H")}, features=(features, "N D"))
            return Image(self._standard(features, self.feature_stats), None)
        grid, pooled = split_pair(features)
        grid = np.asarray(grid)
        if grid.dtype.kind not in "fiub" or 0 in grid.shape[1:]:
            raise ValueError(f"CaptioningRNN: features is {grid.dtype} {grid.shape}, expected real numbers of at least "
                             "one region")
        if grid.ndim == 4:
            grid = grid.reshape(*grid.shape[:2], -1).transpose(0, 2, 1)
        if grid.ndim != 3 or grid.shape[2] != self.input_dim:
            raise ValueError(f"CaptioningRNN: features is {np.shape(features)}, expected (N, L, D) or (N, D, height, "
                             f"width) with D={self.input_dim}, or a pair of it and pooled features (N, P)")
        grid = self._standard(grid, self.feature_stats)
        if not self.pooled_dim:
            return Image(grid.mean(axis=1), grid)
        if np.shape(pooled) != (len(grid), self.pooled_dim):
            raise ValueError(f"CaptioningRNN: pooled features are {np.shape(pooled)}, expected (N, P) = "
                             f"{(len(grid), self.pooled_dim)} beside the grid")
        return Image(self._standard(np.asarray(pooled), self.pooled_stats), grid)

    def _standard(self, features, stats):
        dtype, ours = self.params["W_vocab"].dtype, None
        if stats is not None:
            mean, std = stats
            wide = np.result_type(features, mean, std, np.float32)
            ours = features = np.subtract(features, mean, dtype=wide)       # grids are large: what is ours is reused
            np.divide(features, std, out=ours)
        if self.feature_clip is not None:
            features = np.clip(features, -self.feature_clip, self.feature_clip, out=ours)
        return features.astype(dtype, copy=False)

    def feature_masks(self, image, rng):
        """Masks of 0 and 1 / (1 - share): of the image's vector (N, D), and of its grid, a feature in all regions at
        once, (N, 1, D); 1 where nothing is dropped."""
        _, keep_vector = drop(image.vector, rng, self.feature_dropout)
        return keep_vector, 1 if image.grid is None else drop(image.grid[:, :1], rng, self.grid_dropout)[1]

    def _check(self, captions):
        captions = np.asarray(captions)
        check_shapes("CaptioningRNN", captions=(captions, "N T"))
        if captions.shape[0] < 1 or captions.shape[1] < 2:
            raise ValueError(f"CaptioningRNN: captions is {captions.shape}, expected (N, T) with T >= 2 and N >= 1")
        return captions


def split_pair(features):
    """Features as (grid, pooled): a pair as it is, a grid alone with None. Two grids of one batch are no pair."""
    is_pair = isinstance(features, (tuple, list)) and len(features) == 2 and np.ndim(features[0]) in (3, 4)
    return features if is_pair else (features, None)


def choose_backend(backend=None):
    """'engine' or 'textbook': the argument, else $RNNLAYERS_BACKEND, else the engine if it and Numba are there.

    Raises ValueError on another name, and where the engine is asked for and missing.
    """
    backend = backend or os.environ.get("RNNLAYERS_BACKEND") or None
    there = importlib.util.find_spec("rnnlayers.engine")            # a course's copy of this project leaves it out
    if backend is None:
        return "engine" if there and importlib.util.find_spec("numba") else "textbook"
    if backend not in ("engine", "textbook"):
        raise ValueError(f"backend is {backend!r}, expected 'engine' or 'textbook' (or $RNNLAYERS_BACKEND)")
    if backend == "engine" and not there:
        raise ValueError("backend is 'engine', but there is no rnnlayers/engine here: expected 'textbook'")
    return backend


def _grid(features, regions):
    """Height and width of the maps over features."""
    grid, _ = split_pair(features)
    return np.shape(grid)[2:] if np.ndim(grid) == 4 else grid_shape(regions)


def grid_shape(regions):
    """Height and width of a grid of so many regions, row by row: a square where there is one, else one row."""
    side = math.isqrt(regions)
    return (side, side) if side * side == regions else (1, regions)


def _standard_normal(rng):
    return lambda *shape: rng.standard_normal(shape)
