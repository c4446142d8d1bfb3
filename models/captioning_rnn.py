"""An image captioner: a network that predicts each word from the picture and the words before it."""
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from models.backend import choose_backend
from models.cells import CELLS, Image, State, cell_name
from models.cells.cell import Params
from models.dropout import Dropout, drop
from models.images import feature_masks, grid_of, image_of, mask_of
from models.initial_params import initial_params
from models.objective import LossAndGrads, Objective
from models.options import attribute, model_options
from models.reprs import model_repr
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
from rnnlayers.workspace import Allocator, allocate


class CaptioningRNN:
    """Captions from image features.

    x = W_embed[captions];  h = cell(x, features);  scores = h W_vocab + b_vocab

    The cells are in models/cells. 'rnn', 'lstm' and 'gru' take one vector per picture, (N, D), which initialises the
    state; 'attention' (or 'attn') and 'bahdanau' attend to a grid of regions at every step, 'transformer' to a grid or
    one vector. Grids are (N, L, D), (N, D, height, width), or a pair of such a grid and pooled features (N, P). With
    pooled_dim these initialise the state of 'bahdanau' and are one more region of 'transformer', else they are ignored.
    A triple (grid, pooled or None, regions) has each picture's number of regions, integer (N,); the rest is padding.

    `params` holds W_embed (V, W), the cell's parameters, W_vocab (H, V) unless tie=True makes it W_embed.T, and b_vocab
    (V,). `cell.shapes()` has the cell's: for a recurrent one W_proj (D, H), b_proj (H,), Wx (W, mH), Wh (H, mH) and b
    (mH,) with m = 1 for rnn, else the number of gates. They are read afresh at every call. H = W for 'transformer'.
    Source: Vinyals et al. (2015), "Show and tell"; Xu et al. (2015), "Show, attend and tell".
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...        # options are attributes, models/options.py

    def __init__(self, word_to_idx: dict[str, int], input_dim: int = 512, wordvec_dim: int = 128, hidden_dim: int = 128,
                 cell_type: str = "rnn", dtype: DTypeLike = np.float32, **options: Any):
        """A model with random parameters.

        word_to_idx: word -> id, with <NULL>, and with <START> and <END> for sampling. cell_type: a name in
        models.cells.CELLS. Keywords, with neutral defaults:

        dropout=0.0: dropout rate of the cell's outputs, or of a transformer's inner outputs
        input_dropout=None: dropout rate of the word vectors; if not given, as the outputs
        feature_dropout=0.0: dropout rate of the image vector that initialises the state
        grid_dropout=0.0: dropout rate of the features attended to; drops a feature in all regions of an image
        feature_stats=None: (mean, std), each (D,), that standardise features
        pooled_stats=None: (mean, std), each (P,), that standardise pooled features
        feature_clip=None: bound of standardised features, in standard deviations
        pooled_dim=None: width P of pooled features beside the grid, which initialise the state or join the memory
        smoothing=0.0: label smoothing: share of the target's probability spread over all words
        forget_bias=0.0: initial bias of the forget gates, in cells that have them
        seed=None: random seed or Generator; None draws from NumPy's global state
        start='h': states of an LSTM that the image initialises: h, or both h and c (through tanh)
        penalty=0.0: weight of the doubly stochastic regulariser: attend to each region about once (bahdanau)
        num_layers=1 (transformer: 2): layers, one on top of the other
        num_heads=4: heads of the transformer's attention
        dim_feedforward=2048: width of the transformer's feed-forward layers
        max_length=50: most words that the transformer is fed in a caption
        norm='post': where the transformer normalises: post, after each residual sum, or pre, before each sublayer
        activation='gelu': activation of the transformer's feed-forward layers: gelu, or relu (the course's to 2024)
        init='normal': how the transformer's weights are drawn: normal, with the course's deviation 0.02, or fan_in,
            with variance 1 / rows and words as large as the positions, which learns faster
        tie=False: whether the word vectors are the output weights too, which takes as many hidden units as wordvec_dim
        residual=False: whether a layer above the first adds its input to its output
        region_positions=None: learned vectors for the places of so many regions in the transformer's memory
        one_region=False: whether features are one vector per picture: the transformer's memory then has one region, and
            it does not attend
        backend=None: 'engine' or 'textbook'; None: $RNNLAYERS_BACKEND, else the engine if it is installed

        Raises TypeError on an unknown option, ValueError on an unknown cell_type or backend, a vocabulary without
        <NULL>, values out of bounds or of options that the cell does not have.
        """
        name = cell_name(cell_type)
        if "<NULL>" not in word_to_idx:
            raise ValueError("word_to_idx has no '<NULL>', expected an id for the padding of captions")
        options = model_options({**CELLS[name].defaults, **options}, name,
                                {name: cell.options for name, cell in CELLS.items()})
        seed, backend, forget_bias = (options.pop(name) for name in ("seed", "backend", "forget_bias"))
        for option, value in options.items():
            setattr(self, attribute(option), value)
        self.cell = CELLS[name](**options)
        self.cell_type, self.dtype = name, dtype
        self.word_to_idx = word_to_idx
        self.idx_to_word = {i: word for word, i in word_to_idx.items()}
        self._null, self._start, self._end = (word_to_idx.get(w) for w in ("<NULL>", "<START>", "<END>"))
        self.backend = choose_backend(backend)
        self.input_dim, self.attends = input_dim, self.cell.attends
        rng = np.random if seed is None else np.random.default_rng(seed)
        self.params = initial_params(self, rng, wordvec_dim, hidden_dim, forget_bias)

    __repr__ = model_repr

    def weights(self) -> Params:
        """The parameters, and W_vocab as the transpose of W_embed where the two are tied."""
        return {**self.params, "W_vocab": self.params["W_embed"].T} if self.tie else self.params

    def parameter_grads(self, grads: Params) -> Params:
        """Gradients of `params` from those of `weights()`, in the order of params."""
        if self.tie:
            grads["W_embed"] += grads["W_vocab"].T
        return {name: grads[name] for name in self.params}

    def loss(self, features: Any, captions: np.ndarray, rng: np.random.Generator | None = None
             ) -> tuple[float | np.floating, Params]:
        """Training loss and its gradients: sum over words, mean over captions of -log p(word | words before, image).

        features as above, captions integer (N, T) with <NULL> as padding; rng: Generator for dropout, None for none
        -> loss, grads with the keys, shapes and dtypes of params. Raises ValueError on shapes or ids that do not fit.
        """
        return LossAndGrads(self.objective(features, captions, rng))

    def objective(self, features: Any, captions: np.ndarray, rng: np.random.Generator | None = None, *,
                  workspace: Allocator = allocate) -> Objective:
        """The loss and gradients of `loss`, and the regularisers' share of the loss.

        workspace: where the engine gets its arrays. With a Workspace the next call overwrites them, gradients too.
        """
        captions = self._check(captions)
        if self._engine():
            return Objective(*_packed().objective(self, features, captions, rng, workspace))
        # BEGIN SOLUTION 2.3: finds targets, counts, scores, attention, cache, loss and dscores
        words, targets = captions[:, :-1], captions[:, 1:]
        counts = targets != self._null
        scores, attention, cache = self._forward(features, words, rng)
        loss, dscores = temporal_softmax_loss(scores, targets, counts)
        # END SOLUTION 2.3
        regularisers, dattention = 0.0, None if attention is None else np.zeros_like(attention)
        if self.smoothing:
            penalty, dpenalty = label_smoothing_penalty(scores, targets, counts)
            regularisers, dscores = self.smoothing * penalty, dscores + self.smoothing * dpenalty
        if self.penalty and attention is not None:
            penalty, dattention = doubly_stochastic_penalty(attention, counts, *mask_of(features))
            regularisers, dattention = regularisers + self.penalty * penalty, self.penalty * dattention
        grads = self.parameter_grads(self._backward(dscores, dattention, cache))
        return Objective(loss + regularisers, regularisers, grads)

    def scores(self, features: Any, captions: np.ndarray) -> np.ndarray:
        """Scores of the next word after each word of a caption, without dropout.

        features, captions integer (N, T) -> scores (N, T-1, V), to be compared with captions[:, 1:].
        """
        return self._forward(features, self._check(captions)[:, :-1], None)[0]

    def attention(self, features: Any, captions: np.ndarray) -> np.ndarray:
        """Attention weights of each step over given captions -> (N, T-1, L).

        Raises ValueError for a cell that does not attend, such as rnn.
        """
        if not self.attends and not CELLS[self.cell_type].attends:
            raise ValueError(f"attention: cell_type is {self.cell_type!r}, expected one that attends to regions: "
                             f"{' or '.join(repr(name) for name, cell in CELLS.items() if cell.attends)}")
        _, attention, _ = self._forward(features, self._check(captions)[:, :-1], None)
        if attention is None:
            raise ValueError("attention: features are one vector per picture, expected a grid of regions to attend to")
        return attention

    def negative_log_likelihood(self, features: Any, captions: np.ndarray) -> tuple[float, int]:
        """Total -log p of all words that are not <NULL>, and the number of these words, without dropout.

        features, captions integer (N, T) -> nll (float, in nats), words (int).
        """
        captions = self._check(captions)
        targets = captions[:, 1:]
        words = int((targets != self._null).sum())
        if self._engine():
            return _packed().negative_log_likelihood(self, features, captions), words
        loss, _ = temporal_softmax_loss(self.scores(features, captions), targets, targets != self._null)
        return float(loss) * len(captions), words

    def sample(self, features: Any, max_length: int | None = None) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Greedy captions: the most likely word at each step, until <END>.

        features -> captions int32 (N, max_length): the first column is the first word, not <START>; after <END> all are
        <NULL>. max_length None: 30, or the cell's greatest length if less. Cells that attend also return the weights of
        each word, (N, max_length, height, width), zero after <END>. Raises ValueError without a <START>.
        """
        max_length = self.cell.usual_length if max_length is None else max_length
        if not isinstance(max_length, (int, np.integer)) or max_length < 1:
            raise ValueError(f"sample: max_length is {max_length}, expected a whole number of at least 1")
        self.cell.check_length(max_length)
        if self._start is None:
            raise ValueError("sample: word_to_idx has no '<START>', expected an id to start captions with")
        image = self.image(features)
        captions = np.full((len(image.vector), max_length), self._null, np.int32)
        alone = _packed().greedy_alone(self, image, max_length) if self._engine() and len(captions) == 1 else None
        if alone is not None:
            captions[0, :len(alone)] = alone
        attention = self._sample_steps(self._first_state(image), captions) if alone is None else None
        if attention is None:
            return captions
        return captions, attention.reshape(*captions.shape, *grid_of(features, attention.shape[2]))

    def _sample_steps(self, state: State, captions: np.ndarray) -> np.ndarray | None:
        """Fill captions (N, T) step by step -> the attention weights (N, T, L) of a cell that attends, else None."""
        rows, word, attention = np.arange(len(captions)), np.full(len(captions), self._start), None
        for t in range(captions.shape[1]):
            # BEGIN SOLUTION 2.4: finds word, the next of each caption in `rows`, and the new state
            scores, state = self.step(word, state)
            word = scores.argmax(axis=1)
            captions[rows, t] = word
            # END SOLUTION 2.4
            if state.attention is not None:
                if attention is None:
                    attention = np.zeros((*captions.shape, state.attention.shape[1]), state.attention.dtype)
                attention[rows, t] = state.attention
            going = word != self._end
            if not going.any():
                break
            if not going.all():                             # drop captions that emitted <END>
                rows, word, state = rows[going], word[going], state.select(going)
        return attention

    def initial_state(self, features: Any) -> State:
        """The state before the first word. Its `select(rows)` is the state of some of the images.

        It may hold copies of parameters: do not change the parameters between this call and the last step.
        """
        return self._first_state(self.image(features))

    start = initial_state                                   # the name that version 0.1 had

    def _first_state(self, image: Image) -> State:
        return _packed().initial_state(self, image) if self._engine() else self.cell.initial_state(self.params, image)

    def step(self, words: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Feed one word to each caption: words integer (n,) -> scores (n, V) of the next word, state."""
        words, p = np.asarray(words), self.weights()
        if self._engine():
            return _packed().step(self, words, state)
        # BEGIN SOLUTION 2.4
        x, _ = word_embedding_forward(words, p["W_embed"])
        state = self.cell.step(p, x, state)
        return state.output @ p["W_vocab"] + p["b_vocab"], state
        # END SOLUTION 2.4

    def _engine(self) -> bool:
        """Whether the engine can compute with the parameters as they are now."""
        dtypes = {w.dtype for w in self.params.values()}
        return self.backend == "engine" and dtypes in ({np.dtype(np.float32)}, {np.dtype(np.float64)})

    def _forward(self, features: Any, words: np.ndarray, rng: np.random.Generator | None
                 ) -> tuple[np.ndarray, np.ndarray | None, tuple]:
        p = self.weights()
        image = self.image(features, len(words))
        keep_vector, keep_grid = feature_masks(self, image, rng)
        image = Image(image.vector * keep_vector, None if image.grid is None else image.grid * keep_grid, image.counts)
        inside = Dropout(rng, self.dropout, self.input_dropout)
        rng = None if self.cell.drops_inside else rng
        # BEGIN SOLUTION 2.3: with drop(), which drops nothing where rng is None, on x and on the h that goes to scores;
        # `inside` is the last argument of self.cell.forward
        x, cache_embed = word_embedding_forward(words, p["W_embed"])
        x, keep_x = drop(x, rng, self.input_dropout)
        h, attention, cache_cell = self.cell.forward(p, image, x, inside)
        h, keep_h = drop(h, rng, self.dropout)
        scores, cache_vocab = temporal_affine_forward(h, p["W_vocab"], p["b_vocab"])
        return scores, attention, (cache_embed, keep_x, cache_cell, keep_h, cache_vocab)
        # END SOLUTION 2.3

    def _backward(self, dscores: np.ndarray, dattention: np.ndarray | None, cache: tuple) -> Params:
        # BEGIN SOLUTION 2.3
        cache_embed, keep_x, cache_cell, keep_h, cache_vocab = cache
        grads = {}
        dh, grads["W_vocab"], grads["b_vocab"] = temporal_affine_backward(dscores, cache_vocab)
        dx, cell_grads = self.cell.backward(dh * keep_h, dattention, cache_cell)
        grads["W_embed"] = word_embedding_backward(dx * keep_x, cache_embed)
        grads.update(cell_grads)
        return {name: grads[name] for name in self.weights()}
        # END SOLUTION 2.3

    def image(self, features: Any, N: int | None = None) -> Image:
        """Features as the cell takes them: checked (N rows, if N is given), standardised, in the parameters' dtype."""
        return image_of(self, features, N)

    def _check(self, captions: np.ndarray) -> np.ndarray:
        captions = np.asarray(captions)
        check_shapes("CaptioningRNN", captions=(captions, "N T"))
        if captions.shape[0] < 1 or captions.shape[1] < 2:
            raise ValueError(f"CaptioningRNN: captions is {captions.shape}, expected (N, T) with T >= 2 and N >= 1")
        return captions


def _packed() -> ModuleType:
    """models.packed, imported at the first call: it imports Numba."""
    from models import packed
    return packed
