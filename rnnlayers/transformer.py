"""The layers of a transformer: positions, the feed-forward layer, and decoder and encoder layers built of them."""
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnlayers.activations import gelu_backward, gelu_forward, relu_backward, relu_forward
from rnnlayers.affine import temporal_affine_backward, temporal_affine_forward
from rnnlayers.layernorm import layernorm_backward, layernorm_forward
from rnnlayers.multihead_attention import (
    MultiheadCache,
    check_keep,
    multihead_attention_backward,
    multihead_attention_forward,
)
from rnnlayers.shapes import Array, check_like, check_shapes

ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "gelu": (gelu_forward, gelu_backward), "relu": (relu_forward, relu_backward)}
NORMS = ("post", "pre")
ATTENTION = ("Wq", "bq", "Wk", "bk", "Wv", "bv", "Wo", "bo")
FEED_FORWARD = ("W1", "b1", "W2", "b2")
Params = dict[str, Array]


def positional_encoding(T: int, W: int) -> Array:
    """Sines and cosines that tell positions apart: pe[t, 2k] = sin(t / 10000^(2k / W)), pe[t, 2k + 1] = cos of it.

    T positions from 0, W an even width -> float64 (T, W). Raises ValueError on an odd W and a negative T.
    Source: Vaswani et al. (2017), "Attention is all you need", section 3.5.
    """
    if T < 0:
        raise ValueError(f"positional_encoding: T is {T}, expected a number of positions")
    if W < 2 or W % 2:
        raise ValueError(f"positional_encoding: W is {W}, expected an even width: sines and cosines come in pairs")
    # BEGIN SOLUTION 6.3
    angles = np.arange(T)[:, None] * 10000.0 ** (-np.arange(0, W, 2) / W)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(T, W)
    # END SOLUTION 6.3


class FeedForwardCache(NamedTuple):
    first: tuple            # the cache of the first affine layer
    active: Any             # of the activation
    second: tuple           # of the second affine layer
    activation: str
    keep: Array | None      # dropout mask of the hidden units


def feed_forward_forward(x: Array, W1: Array, b1: Array, W2: Array, b2: Array, activation: str = "gelu",
                         keep: Array | None = None) -> tuple[Array, FeedForwardCache]:
    """Two affine layers at each position, out = act(x W1 + b1) W2 + b2.

    x (N, T, E), W1 (E, F), b1 (F,), W2 (F, E), b2 (E,), activation "gelu" or "relu", keep None or a dropout mask
    (N, T, F) that multiplies the hidden units -> out (N, T, E), cache. Raises ValueError on shapes that do not fit.
    Source: Vaswani et al. (2017), section 3.3.
    """
    check_shapes("feed_forward_forward", x=(x, "N T E"), W1=(W1, "E F"), b1=(b1, "F"), W2=(W2, "F E"), b2=(b2, "E"))
    _check_choice("feed_forward_forward", "activation", activation, ACTIVATIONS)
    check_keep("feed_forward_forward", keep, (*x.shape[:2], len(b1)))
    # BEGIN SOLUTION 6.4: ACTIVATIONS[activation] is the pair of the activation
    hidden, first = temporal_affine_forward(x, W1, b1)
    hidden, active = ACTIVATIONS[activation][0](hidden)
    out, second = temporal_affine_forward(_dropped(hidden, keep), W2, b2)
    return out, FeedForwardCache(first, active, second, activation, keep)
    # END SOLUTION 6.4


def feed_forward_backward(dout: Array, cache: FeedForwardCache) -> tuple[Array, ...]:
    """Gradients of feed_forward_forward: dout (N, T, E) -> dx, dW1, db1, dW2, db2. Raises ValueError on its shape."""
    # BEGIN SOLUTION 6.4
    check_like("feed_forward_backward", dout=(dout, np.shape(cache.first[0])))
    dhidden, *second = temporal_affine_backward(dout, cache.second)
    dhidden = ACTIVATIONS[cache.activation][1](_dropped(dhidden, cache.keep), cache.active)
    return *temporal_affine_backward(dhidden, cache.first), *second             # dx, dW1, db1, and dW2, db2
    # END SOLUTION 6.4


class SublayerCache(NamedTuple):
    inside: Any             # the cache of what the sublayer computes
    normal: tuple           # of the layer norm
    keep: Array | None      # dropout mask of its output
    norm: str


class DecoderLayerCache(NamedTuple):
    self_attention: SublayerCache
    cross_attention: SublayerCache
    feed_forward: SublayerCache


class EncoderLayerCache(NamedTuple):
    self_attention: SublayerCache
    feed_forward: SublayerCache


def decoder_layer_forward(x: Array, memory: Array, params: Mapping[str, Array], num_heads: int,
                          attn_mask: Array | None = None, memory_mask: Array | None = None, norm: str = "post",
                          activation: str = "gelu", keep: Mapping[str, Array] | None = None
                          ) -> tuple[Array, DecoderLayerCache]:
    """A decoder layer: words attend to words, then to the memory, then pass a feed-forward layer.

    norm="post":  y = norm_self(x + self(x));  z = norm_cross(y + cross(y, memory));  out = norm_ffn(z + ffn(z))
    norm="pre":   y = x + self(norm_self(x));  z = y + cross(norm_cross(y), memory);  out = z + ffn(norm_ffn(z))

    x (N, S, E), memory (N, T, E), params: "self.Wq" ... "self.bo" and "cross.Wq" ... as in multihead_attention_forward,
    "ffn.W1" (E, F), "ffn.b1", "ffn.W2", "ffn.b2", and "norm_self.gamma", "norm_self.beta", "norm_cross...",
    "norm_ffn..."; attn_mask None or (S, S) or (N, S, S), memory_mask None or (S, T) or (N, S, T), of 0 (blocked) and 1;
    activation "gelu" or "relu"; keep None or dropout masks, by name: of the weights "self.weights" and "cross.weights"
    (N, num_heads, S, ...), of the hidden units "ffn.hidden" (N, S, F), of the sublayers' outputs "self", "cross" and
    "ffn" (N, S, E) -> out (N, S, E), cache. Raises ValueError on what does not fit.
    Source: Vaswani et al. (2017), section 3.1; Xiong et al. (2020), "On layer normalization", for norm="pre".
    """
    check_shapes("decoder_layer_forward", x=(x, "N S E"), memory=(memory, "N T E"))
    _check_choice("decoder_layer_forward", "norm", norm, NORMS)
    keep = _masks("decoder_layer_forward", keep, x, ("self", "cross", "ffn"))
    # BEGIN SOLUTION 6.5: _take(params, "self", ATTENTION) are the weights by name, keep.get("self.weights") their mask

    def look(y: Array) -> tuple[Array, MultiheadCache]:
        return multihead_attention_forward(y, memory, memory, **_take(params, "cross", ATTENTION), num_heads=num_heads,
                                           attn_mask=memory_mask, keep=keep.get("cross.weights"))
    y, of_self = sublayer_forward(x, _attend(params, num_heads, attn_mask, keep), params, "self", norm, keep)
    y, of_cross = sublayer_forward(y, look, params, "cross", norm, keep)
    out, of_ffn = sublayer_forward(y, _feed_forward(params, activation, keep), params, "ffn", norm, keep)
    return out, DecoderLayerCache(of_self, of_cross, of_ffn)
    # END SOLUTION 6.5


def decoder_layer_backward(dout: Array, cache: DecoderLayerCache) -> tuple[Array, Array, Params]:
    """Gradients of decoder_layer_forward: dout (N, S, E) -> dx (N, S, E), dmemory (N, T, E), grads with params' keys.

    Raises ValueError if the shape of dout is not that of out.
    """
    # BEGIN SOLUTION 6.5
    check_like("decoder_layer_backward", dout=(dout, np.shape(cache.self_attention.inside.output[0])))
    grads: Params = {}
    dy = sublayer_backward(dout, cache.feed_forward, "ffn", grads, _feed_forward_backward)[0]
    dy, dmemory = sublayer_backward(dy, cache.cross_attention, "cross", grads, _look_backward)
    dx = sublayer_backward(dy, cache.self_attention, "self", grads, _attend_backward)[0]
    return dx, dmemory, grads
    # END SOLUTION 6.5


def encoder_layer_forward(x: Array, params: Mapping[str, Array], num_heads: int, attn_mask: Array | None = None,
                          norm: str = "post", activation: str = "gelu", keep: Mapping[str, Array] | None = None
                          ) -> tuple[Array, EncoderLayerCache]:
    """An encoder layer: a decoder layer without the attention to a memory.

    norm="post":  y = norm_self(x + self(x));  out = norm_ffn(y + ffn(y))
    norm="pre":   y = x + self(norm_self(x));  out = y + ffn(norm_ffn(y))

    x (N, S, E), params, attn_mask, activation and keep as in decoder_layer_forward, without what begins with "cross" or
    "norm_cross" -> out (N, S, E), cache. Raises ValueError on what does not fit.
    Source: Vaswani et al. (2017), section 3.1.
    """
    check_shapes("encoder_layer_forward", x=(x, "N S E"))
    _check_choice("encoder_layer_forward", "norm", norm, NORMS)
    keep = _masks("encoder_layer_forward", keep, x, ("self", "ffn"))
    # BEGIN SOLUTION 6.5
    y, of_self = sublayer_forward(x, _attend(params, num_heads, attn_mask, keep), params, "self", norm, keep)
    out, of_ffn = sublayer_forward(y, _feed_forward(params, activation, keep), params, "ffn", norm, keep)
    return out, EncoderLayerCache(of_self, of_ffn)
    # END SOLUTION 6.5


def encoder_layer_backward(dout: Array, cache: EncoderLayerCache) -> tuple[Array, Params]:
    """Gradients of encoder_layer_forward: dout (N, S, E) -> dx (N, S, E), grads with the keys of params.

    Raises ValueError if the shape of dout is not that of out.
    """
    # BEGIN SOLUTION 6.5
    check_like("encoder_layer_backward", dout=(dout, np.shape(cache.self_attention.inside.output[0])))
    grads: Params = {}
    dy = sublayer_backward(dout, cache.feed_forward, "ffn", grads, _feed_forward_backward)[0]
    dx = sublayer_backward(dy, cache.self_attention, "self", grads, _attend_backward)[0]
    return dx, grads
    # END SOLUTION 6.5


def sublayer_forward(x: Array, inside: Callable, params: Mapping[str, Array], name: str, norm: str,
                     keep: Mapping[str, Array]) -> tuple[Array, SublayerCache]:
    """A residual sublayer: norm(x + inside(x)), or x + inside(norm(x)) with norm="pre".

    inside(y) -> its output, its cache; params: has "norm_NAME.gamma" and "norm_NAME.beta"; keep: has the dropout mask
    of what `inside` returns, as "NAME", if there is one -> out, cache. A captioner that writes a caption word by word
    calls it too.
    """
    # BEGIN SOLUTION 6.5
    scale = _take(params, f"norm_{name}", ("gamma", "beta"))
    if norm == "pre":
        y, normal = layernorm_forward(x, **scale)
        y, cache = inside(y)
        out = x + _dropped(y, keep.get(name))
    else:
        y, cache = inside(x)
        out, normal = layernorm_forward(x + _dropped(y, keep.get(name)), **scale)
    return out, SublayerCache(cache, normal, keep.get(name), norm)
    # END SOLUTION 6.5


def sublayer_backward(dout: Array, cache: SublayerCache, name: str, grads: Params, inside: Callable
                      ) -> tuple[Array, Any]:
    """Gradient of the sublayer's x, and of what else `inside` takes; those of its parameters are put into grads.

    inside(dout, cache) -> dx, the gradient of what else it takes, {parameter: gradient}.
    """
    # BEGIN SOLUTION 6.5
    normal = f"norm_{name}.gamma", f"norm_{name}.beta"
    if cache.norm == "pre":
        dy, other, dparams = inside(_dropped(dout, cache.keep), cache.inside)
        dy, *dnormal = layernorm_backward(dy, cache.normal)
        dx = dout + dy                                      # out = x + f(norm(x))
    else:
        dsum, *dnormal = layernorm_backward(dout, cache.normal)
        dy, other, dparams = inside(_dropped(dsum, cache.keep), cache.inside)
        dx = dsum + dy                                      # out = norm(x + f(x))
    grads.update({f"{name}.{key}": dparam for key, dparam in dparams.items()}, **dict(zip(normal, dnormal)))
    return dx, other
    # END SOLUTION 6.5


def _attend(params: Mapping[str, Array], num_heads: int, attn_mask: Array | None, keep: Mapping[str, Array]
            ) -> Callable:
    """Self-attention as sublayer_forward's `inside`."""
    # BEGIN SOLUTION 6.5
    return lambda y: multihead_attention_forward(y, y, y, **_take(params, "self", ATTENTION), num_heads=num_heads,
                                                 attn_mask=attn_mask, keep=keep.get("self.weights"))
    # END SOLUTION 6.5


def _attend_backward(dout: Array, cache: MultiheadCache) -> tuple[Array, None, Params]:
    # BEGIN SOLUTION 6.5
    dquery, dkey, dvalue, *dweights = multihead_attention_backward(dout, cache)
    return dquery + dkey + dvalue, None, dict(zip(ATTENTION, dweights))         # all three are y
    # END SOLUTION 6.5


def _look_backward(dout: Array, cache: MultiheadCache) -> tuple[Array, Array, Params]:
    # BEGIN SOLUTION 6.5
    dquery, dkey, dvalue, *dweights = multihead_attention_backward(dout, cache)
    return dquery, dkey + dvalue, dict(zip(ATTENTION, dweights))                # keys and values are the memory
    # END SOLUTION 6.5


def _feed_forward(params: Mapping[str, Array], activation: str, keep: Mapping[str, Array]) -> Callable:
    weights = _take(params, "ffn", FEED_FORWARD)
    return lambda y: feed_forward_forward(y, **weights, activation=activation, keep=keep.get("ffn.hidden"))


def _feed_forward_backward(dout: Array, cache: FeedForwardCache) -> tuple[Array, None, Params]:
    # BEGIN SOLUTION 6.5
    dy, *dweights = feed_forward_backward(dout, cache)
    return dy, None, dict(zip(FEED_FORWARD, dweights))
    # END SOLUTION 6.5


def _take(params: Mapping[str, Array], prefix: str, names: tuple[str, ...]) -> dict[str, Any]:
    missing = [f"{prefix}.{name}" for name in names if f"{prefix}.{name}" not in params]
    if missing:
        raise ValueError(f"params has no {', '.join(missing)}")
    return {name: params[f"{prefix}.{name}"] for name in names}


def _masks(function: str, keep: Mapping[str, Array] | None, x: Array, sublayers: tuple[str, ...]
           ) -> Mapping[str, Array]:
    """keep, or no masks. ValueError on a name that no mask has, and on an output's mask that would be broadcast."""
    names = (*sublayers, *(f"{name}.{'hidden' if name == 'ffn' else 'weights'}" for name in sublayers))
    for name in keep or {}:
        if name not in names:
            raise ValueError(f"{function}: keep has {name!r}, expected masks named {', '.join(names)}")
    for name in sublayers:
        check_keep(f"{function}: {name}", (keep or {}).get(name), np.shape(x))
    return keep or {}


def _dropped(x: Array, keep: Array | None) -> Array:
    return x if keep is None else x * keep


def _check_choice(function: str, name: str, value: Any, choices: Any) -> None:
    if value not in choices:
        raise ValueError(f"{function}: {name} is {value!r}, expected one of {', '.join(choices)}")
