"""A transformer's decoder as a captioner's cell: words attend to the words before them and to the picture."""
from typing import Any, NamedTuple

import numpy as np

from models.cells.cell import ANY, VECTOR, About, Cell, Image, Params, State, axis_sizes, take
from models.dropout import NO_DROPOUT, Dropout, drop
from rnnlayers import (
    affine_backward,
    affine_forward,
    attention_weights,
    decoder_layer_backward,
    decoder_layer_forward,
    feed_forward_forward,
    layernorm_backward,
    layernorm_forward,
    positional_encoding,
    temporal_affine_backward,
    temporal_affine_forward,
)
from rnnlayers.multihead_attention import attend
from rnnlayers.regions import real_regions
from rnnlayers.transformer import ATTENTION, FEED_FORWARD, sublayer_forward

PROJECTION, POOLED, FINAL = ("W_proj", "b_proj"), ("W_pool", "b_pool"), ("norm.gamma", "norm.beta")
SCALE = 0.02                        # standard deviation of the weights drawn, as in the course
LAYER = {
    **{f"{name}.{weight}": "W" if weight.startswith("b") else "W W" for name in ("self", "cross")
       for weight in ATTENTION},
    "ffn.W1": "W F", "ffn.b1": "F", "ffn.W2": "F W", "ffn.b2": "W",
    **{f"norm_{name}.{weight}": "W" for name in ("self", "cross", "ffn") for weight in ("gamma", "beta")},
}


class Memory(NamedTuple):
    """What the words attend to in the pictures."""
    rows: np.ndarray                # (N, R, W): the pooled features if there are any, then the regions
    seen: np.ndarray                # bool (N, R), False at padding
    regions: tuple                  # the cache of the regions' projection
    pooled: tuple | None            # of the pooled features' projection


class Transformer(Cell):
    """A decoder of num_layers layers. Its memory is the picture's projected regions, or its one projected vector.

    x = word vectors + positional encoding;  x = decoder_layer_k(x, memory) for each layer k;  h = x, with W columns

    With norm="pre" a last layer norm follows. Pooled features beside a grid are one more row of the memory, the first.
    The attention it reports is the mean over the heads of the last layer's attention to the regions.
    Source: Vaswani et al. (2017), "Attention is all you need"; Transformer_Captioning of CS231n, assignment 3 (2025).
    """
    name, place, features, attends, output = "transformer", 60, ANY, True, "W"
    drops_inside = drawn_small = True
    about = About(
        memory="A transformer has no state that is handed from word to word: each word attends to all words before it, "
               "so the gradient reaches every one of them in one step. How much of it arrives is a matter of how much "
               "the later words attend to a word, not of how many words lie in between. In a plain RNN every step "
               "multiplies the gradient by the same matrix.",
        path="comes to it through the attention of the words after it",
        forgetting="words attend too little to those before them: too little training",
        fading="later words hardly attend to earlier ones", remedy="train longer; --norm pre; a smaller --lr",
        nearest=1)
    options = ("pooled_dim", "pooled_stats", "num_layers", "num_heads", "dim_feedforward", "max_length", "norm",
               "activation", "region_positions", "one_region", "init")
    defaults = {"num_layers": 2}
    pooled_dim: int | None
    num_layers: int
    num_heads: int
    dim_feedforward: int
    max_length: int
    norm: str
    activation: str
    region_positions: int | None
    one_region: bool
    init: str

    def __init__(self, **options: Any):
        super().__init__(**options)
        if self.one_region and self.pooled_dim:
            raise ValueError(f"one_region with pooled_dim {self.pooled_dim}, expected one of the two: pooled features "
                             "go with a grid of regions")
        if self.one_region:
            self.features, self.attends = VECTOR, False     # of this one, not of its class

    def sizes(self) -> dict[str, int]:
        return {"F": self.dim_feedforward, "R": self.region_positions or 1}

    def shapes(self) -> dict[str, str]:
        pooled = {"W_pool": "P W", "b_pool": "W"} if self.pooled_dim else {}
        places = {"W_regions": "R W"} if self.region_positions else {}
        layers = {f"layer{k}.{name}": letters for k in range(self.num_layers) for name, letters in LAYER.items()}
        final = dict.fromkeys(FINAL, "W") if self.norm == "pre" else {}
        return {"W_proj": "D W", "b_proj": "W", **pooled, **places, **layers, **final}

    def draw(self, rng: Any, sizes: dict[str, int]) -> Params:
        """Zeros for biases and beta, ones for gamma; normal with standard deviation 0.02, or variance 1 / fan-in."""
        W, heads = sizes["W"], self.num_heads
        if W < 1 or not isinstance(heads, (int, np.integer)) or W % heads or W % 2:
            raise ValueError(f"wordvec_dim (--wordvec) is {W} with num_heads (--heads) {heads!r}, expected an even "
                             "multiple of it: heads are blocks of its columns, positions sines and cosines in pairs")
        if self.init == "fan_in":
            drawn = super().draw(rng, sizes)
            return {name: np.ones(W) if name.endswith("gamma") else value for name, value in drawn.items()}
        return {name: _draw(name.rpartition(".")[2], axis_sizes(letters, sizes), rng)
                for name, letters in self.shapes().items()}

    def draw_words(self, rng: Any, V: int, W: int, tied: bool) -> np.ndarray:
        if self.init == "normal":
            return SCALE * rng.standard_normal((V, W))
        # The mean square of the positions is 1/2. Tied words are weights of scores as well, of W inputs.
        return rng.standard_normal((V, W)) / np.sqrt(W if tied else 2)

    def draw_scores(self, rng: Any, H: int, V: int) -> tuple[np.ndarray, np.ndarray]:
        """As torch's Linear draws them, uniform within 1 / sqrt(H)."""
        return rng.uniform(-H**-0.5, H**-0.5, (H, V)), rng.uniform(-H**-0.5, H**-0.5, V)

    def check_length(self, words: int) -> None:
        if words > self.max_length:
            raise ValueError(f"captions feed {words} words, expected at most max_length = {self.max_length} of them, "
                             "the model's own greatest length")

    @property
    def usual_length(self) -> int:
        return min(super().usual_length, self.max_length)

    def initial_state(self, p: Params, image: Image) -> State:
        """carried: keys and values of each layer's words; memory: which rows are seen, then the picture's of each.

        attention: zeros before the first word; None, here and later, for a picture that is one vector.
        """
        rows, seen, *_ = self._memory(p, image)
        projected = [temporal_affine_forward(rows, *take(p, (f"layer{k}.cross.W{x}", f"layer{k}.cross.b{x}")))[0]
                     for k in range(self.num_layers) for x in "kv"]
        nothing = np.zeros((len(rows), 0, rows.shape[2]), rows.dtype)
        attention = None if image.grid is None else np.zeros(image.grid.shape[:2], rows.dtype)
        return State(np.zeros_like(rows[:, 0]), (nothing,) * (2 * self.num_layers), (seen, *projected),
                     attention=attention)

    def step(self, p: Params, x: np.ndarray, state: State) -> State:
        seen, *memory = state.memory
        t = state.carried[0].shape[1]
        self.check_length(t + 1)
        y, carried = (x + _positions(t + 1, x)[t])[:, None], []
        for k in range(self.num_layers):
            y, words, weights = self._step_layer(p, k, y, state.carried[2 * k:2 * k + 2], memory[2 * k:2 * k + 2], seen)
            carried += words
        y, _ = self._final(p, y)
        attention = None if state.attention is None else self.of_regions(weights)[:, 0]
        return State(y[:, 0], tuple(carried), state.memory, attention=attention)

    def _step_layer(self, p: Params, k: int, y: np.ndarray, words: tuple, picture: list, seen: np.ndarray
                    ) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """One decoder layer for one word y (n, 1, W) -> y, the keys and values of the words, the weights of heads."""
        layer = self.layer(p, k)
        found: dict[str, Any] = {}

        def look_back(y: np.ndarray) -> tuple[np.ndarray, None]:
            key, value = (temporal_affine_forward(y, layer[f"self.W{x}"], layer[f"self.b{x}"])[0] for x in "kv")
            found["words"] = [np.concatenate(pair, axis=1) for pair in zip(words, (key, value))]
            return self._attend(layer, "self", y, found["words"], None)[0], None

        def look(y: np.ndarray) -> tuple[np.ndarray, None]:
            out, found["weights"] = self._attend(layer, "cross", y, picture, seen[:, None, None])
            return out, None

        def feed(y: np.ndarray) -> tuple[np.ndarray, Any]:
            weights: dict[str, Any] = {name: layer[f"ffn.{name}"] for name in FEED_FORWARD}
            return feed_forward_forward(y, **weights, activation=self.activation)
        for name, inside in (("self", look_back), ("cross", look), ("ffn", feed)):
            y, _ = sublayer_forward(y, inside, layer, name, self.norm, {})
        return y, found["words"], found["weights"]

    def _attend(self, layer: Params, name: str, y: np.ndarray, keys_and_values: Any, seen: np.ndarray | None
                ) -> tuple[np.ndarray, np.ndarray]:
        q, _ = temporal_affine_forward(y, layer[f"{name}.Wq"], layer[f"{name}.bq"])
        k, v = keys_and_values
        out, cache, _ = attend(q, k, v, layer[f"{name}.Wo"], layer[f"{name}.bo"], self.num_heads, seen)
        return out, cache.weights

    def forward(self, p: Params, image: Image, x: np.ndarray, dropout: Dropout = NO_DROPOUT
                ) -> tuple[np.ndarray, np.ndarray | None, Any]:
        N, T, _ = x.shape
        self.check_length(T)
        memory, caches = self._memory(p, image), []
        # BEGIN SOLUTION 6.7: finds y, what the last layer makes; keep_x; weights, the last layer's attention to the
        # memory; caches. Uses drop(), _positions(), self.layer(p, k), self._masks() and memory.rows, memory.seen
        y, keep_x = drop(x + _positions(T, x), dropout.rng, dropout.input_share)
        causal, seen = np.tri(T, dtype=bool), np.repeat(memory.seen[:, None], T, axis=1)
        for k in range(self.num_layers):
            keep = self._masks(dropout, y, memory.rows)
            y, cache = decoder_layer_forward(y, memory.rows, self.layer(p, k), self.num_heads, causal, seen, self.norm,
                                             self.activation, keep)
            caches.append(cache)
        weights = attention_weights(caches[-1].cross_attention.inside)
        # END SOLUTION 6.7
        y, final = self._final(p, y)
        attention = None if image.grid is None else self.of_regions(weights)
        return y, attention, (memory, keep_x, caches, final)

    def backward(self, dh: np.ndarray, dattention: np.ndarray | None, cache: Any) -> tuple[np.ndarray, Params]:
        memory, keep_x, caches, final = cache
        grads: Params = {}
        if final is not None:
            dh, *dfinal = layernorm_backward(dh, final)
            grads.update(zip(FINAL, dfinal))
        # BEGIN SOLUTION 6.7: finds dx, dmemory, and in grads those of each layer, such as "layer0.self.Wq"
        dmemory = np.zeros_like(memory.rows)
        for k in reversed(range(self.num_layers)):
            dh, dmemory_k, dlayer = decoder_layer_backward(dh, caches[k])
            dmemory = dmemory + dmemory_k                   # all layers attend to the same memory
            grads.update({f"layer{k}.{name}": dw for name, dw in dlayer.items()})
        dx = dh * keep_x
        # END SOLUTION 6.7
        return dx, {**grads, **self._memory_backward(dmemory, memory)}

    def heads(self, cache: Any) -> np.ndarray | None:
        """Those of the last layer over the regions, (N, num_heads, T, L)."""
        if not self.attends:
            return None
        return attention_weights(cache[2][-1].cross_attention.inside)[..., 1 if self.pooled_dim else 0:]

    def gradient_norms(self, dh: np.ndarray, cache: Any) -> Params:
        """Norms of the gradient with respect to each word's vector, all that a word acts through -> {"x": (N, T)}."""
        dx, _ = self.backward(dh, None, cache)
        return {"x": np.linalg.norm(dx, axis=2)}

    def of_regions(self, weights: np.ndarray) -> np.ndarray:
        """Mean over the heads of weights (N, num_heads, ..., R), without the pooled features' -> (N, ..., L)."""
        return weights[..., 1 if self.pooled_dim else 0:].mean(axis=1)

    def _final(self, p: Params, y: np.ndarray) -> tuple[np.ndarray, Any]:
        """The layer norm after the last layer, with norm="pre" -> y, its cache; else y, None."""
        return layernorm_forward(y, p["norm.gamma"], p["norm.beta"]) if self.norm == "pre" else (y, None)

    def _memory(self, p: Params, image: Image) -> Memory:
        regions = image.vector[:, None] if image.grid is None else image.grid
        rows, cache = temporal_affine_forward(regions, *take(p, PROJECTION))
        seen, pooled = real_regions("transformer", image.counts, *rows.shape[:2]), None
        if self.region_positions:
            rows = rows + self.places(p, rows.shape[1])
        if self.pooled_dim:
            row, pooled = affine_forward(image.vector, *take(p, POOLED))
            rows, seen = np.concatenate([row[:, None], rows], axis=1), np.insert(seen, 0, True, axis=1)
        return Memory(rows, seen, cache, pooled)

    def _memory_backward(self, dmemory: np.ndarray, memory: Memory) -> Params:
        grads: Params = {}
        if memory.pooled is not None:
            grads.update(zip(POOLED, affine_backward(dmemory[:, 0], memory.pooled)[1:]))
            dmemory = dmemory[:, 1:]
        grads.update(zip(PROJECTION, temporal_affine_backward(dmemory, memory.regions)[1:]))
        if self.region_positions:
            grads["W_regions"] = np.zeros((self.region_positions, dmemory.shape[2]), dmemory.dtype)
            grads["W_regions"][:dmemory.shape[1]] = dmemory.sum(axis=0)
        return grads

    def places(self, p: Params, L: int) -> np.ndarray:
        """What is added to L regions, (L, W). Raises ValueError where there are more than region_positions."""
        if len(p["W_regions"]) < L:
            raise ValueError(f"features have {L} regions, expected at most region_positions = {len(p['W_regions'])}")
        return p["W_regions"][:L]

    def layer(self, p: Params, k: int) -> Params:
        """The parameters of layer k, or their gradients, by their names in rnnlayers.decoder_layer_forward."""
        return {name: p[f"layer{k}.{name}"] for name in LAYER}

    def _masks(self, dropout: Dropout, y: np.ndarray, memory: np.ndarray) -> Params:
        """The dropout masks of a layer, drawn in this order."""
        (N, T, W), R, heads = y.shape, memory.shape[1], self.num_heads
        shapes = {"self.weights": (N, heads, T, T), "self": (N, T, W), "cross.weights": (N, heads, T, R),
                  "cross": (N, T, W), "ffn.hidden": (N, T, self.dim_feedforward), "ffn": (N, T, W)}
        masks = {name: dropout.mask(shape, y.dtype) for name, shape in shapes.items()}
        return {name: mask for name, mask in masks.items() if mask is not None}


def _positions(T: int, x: np.ndarray) -> np.ndarray:
    """The positional encoding of T words in the type of x."""
    return positional_encoding(T, x.shape[-1]).astype(x.dtype)


def _draw(kind: str, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    if kind == "gamma":
        return np.ones(shape)
    return np.zeros(shape) if kind.startswith("b") else SCALE * rng.standard_normal(shape)      # biases and beta
