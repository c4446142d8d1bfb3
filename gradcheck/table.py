"""The project's pairs: the inputs of each, and how it is called. Imports none of them."""
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.shapes import SIZES, axes_names, draw_inputs, parse_shapes

LSTM = "Wx=D,4H:ifog Wh=H,4H:ifog b=4H:ifog"
GRU = "Wx=D,3H:rzn Wh=H,3H:rzn b=3H:rzn bn=H"
# Attention has 6 columns in 2 heads, whole layers 4 in 2. A dict of parameters is written out: self_Wq for "self.Wq".
ATTENTION = "Wq=6,6 bq=6 Wk=6,6 bk=6 Wv=6,6 bv=6 Wo=6,6 bo=6"
MULTIHEAD = f"query=N,T,6 key=N,M,6 value=N,M,6 {ATTENTION} num_heads=(2)"


def _prefixed(prefix: str, shapes: str) -> str:
    return " ".join(f"{prefix}_{shape}" for shape in shapes.split())


FEED_FORWARD = "W1=4,H b1=H W2=H,4 b2=4"
SELF, CROSS, FFN = (f"{_prefixed(name, shapes)} {_prefixed(f'norm_{name}', 'gamma=4 beta=4')}" for name, shapes in (
    ("self", ATTENTION.replace("6", "4")), ("cross", ATTENTION.replace("6", "4")), ("ffn", FEED_FORWARD)))
PARAMS = {                          # pair that takes a dict -> its place, what is in it
    "decoder_layer": (2, f"{SELF} {CROSS} {FFN}"),
    "encoder_layer": (1, f"{SELF} {FFN}"),
}
DECODER = f"x=N,T,4 memory=N,M,4 {PARAMS['decoder_layer'][1]} num_heads=(2) attn_mask=T,T<bool"
SHAPES = {                          # pair, and the special case if any -> forward's arguments
    "affine": "x=N,D,W w=DW,M b=M",
    "temporal_affine": "x=N,T,D w=D,M b=M",
    "word_embedding": "x=N,T<V W=V,D",
    "word_embedding, one word repeated": "x=N,T<1 W=V,D",
    "temporal_softmax_loss": "x=N,T,V y=N,T<V mask=N,T<bool",
    "temporal_softmax_loss, a padded row": "x=N,T,V y=N,T<V mask=N,T<bool",
    "temporal_softmax_loss, all masked": "x=N,T,V y=N,T<V mask=N,T<bool",
    "label_smoothing_penalty": "x=N,T,V y=N,T<V mask=N,T<bool",
    "label_smoothing_penalty, a padded row": "x=N,T,V y=N,T<V mask=N,T<bool",
    "rnn_step": "x=N,D prev_h=N,H Wx=D,H Wh=H,H b=H",
    "rnn": "x=N,T,D h0=N,H Wx=D,H Wh=H,H b=H",
    "lstm_step": f"x=N,D prev_h=N,H prev_c=N,H {LSTM}",
    "lstm_step, with attention": f"x=N,D prev_h=N,H prev_c=N,H {LSTM} attn=N,H Wattn=H,4H:ifog",
    "lstm": f"x=N,T,D h0=N,H {LSTM}",
    "lstm, with a first cell state": f"x=N,T,D h0=N,H {LSTM} c0=N,H",
    "gru_step": f"x=N,D prev_h=N,H {GRU}",
    "gru": f"x=N,T,D h0=N,H {GRU}",
    "dot_product_attention": "prev_h=N,H A=N,H,2,4",
    "dot_product_attention, ragged regions": "prev_h=N,H A=N,H,L regions=N<L",
    "attention": "x=N,T,D A=N,H,2,4 Wx=D,4H:ifog Wh=H,4H:ifog Wattn=H,4H:ifog b=4H:ifog",
    "attention, ragged regions": "x=N,2,D A=N,W,5 Wx=D,4W:ifog Wh=W,4W:ifog Wattn=W,4W:ifog b=4W:ifog regions=N<5",
    "additive_attention": "prev_h=N,H A=N,L,E keys=N,L,K Wq=H,K v=K Wbeta=H,E bbeta=E",
    "bahdanau": "x=N,T,D h0=N,H c0=N,H A=N,L,E Wx=D,4H:ifog Wh=H,4H:ifog Wattn=E,4H:ifog b=4H:ifog Wa=E,K ba=K Wq=H,K "
                "v=K Wbeta=H,E bbeta=E",
    "additive_attention, ragged regions": "prev_h=N,W A=N,5,D keys=N,5,H Wq=W,H v=H Wbeta=W,D bbeta=D regions=N<5",
    "bahdanau, ragged regions": "x=N,2,D h0=N,W c0=N,W A=N,5,D Wx=D,4W:ifog Wh=W,4W:ifog Wattn=D,4W:ifog b=4W:ifog "
                                "Wa=D,H ba=H Wq=W,H v=H Wbeta=W,D bbeta=D regions=N<5",
    "initial_state": "features=N,P Wh0=P,H bh0=H Wc0=P,H bc0=H",
    "doubly_stochastic_penalty": "weights=N,T,L mask=N,T<bool",
    "doubly_stochastic_penalty, a padded row": "weights=N,T,L mask=N,T<bool",
    "doubly_stochastic_penalty, ragged regions": "weights=N,T,L mask=N,T<bool regions=N<L",
    "layernorm": "x=N,T,D gamma=D beta=D",
    "multihead_attention": MULTIHEAD,
    "multihead_attention, masked": f"{MULTIHEAD} attn_mask=N,T,M<bool",
    "multihead_attention, a blocked row": f"{MULTIHEAD} attn_mask=N,T,M<bool",
    "gelu": "x=N,T,D",
    "feed_forward": f"x=N,T,4 {FEED_FORWARD}",
    "decoder_layer": DECODER,
    "decoder_layer, pre-norm": f"{DECODER} memory_mask=(None) norm=('pre')",
    "encoder_layer": f"x=N,T,4 {PARAMS['encoder_layer'][1]} num_heads=(2) attn_mask=T,T<bool",
    "transformer_temporal_softmax_loss": "x=N,T,V y=N,T<V mask=N,T<bool",
}


def pair_in(module: ModuleType, name: str) -> tuple[Callable, Callable]:
    """Forward and backward of a pair; a loss, which returns its gradient as well, is made a pair."""
    if name == "dot_product_attention":         # its backward takes dweights after the cache
        return module.dot_product_attention_forward, lambda dattn, dweights, cache: (
            module.dot_product_attention_backward(dattn, cache, dweights))
    if name in PARAMS:                          # its parameters and their gradients are dicts
        forward, backward = getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")
        return (lambda *values: forward(*arguments_of(name, values)),
                lambda *args: gradients_of(name, backward(*args)))
    if not hasattr(module, f"{name}_forward"):
        return getattr(module, name), lambda dloss, gradient: dloss * gradient
    return getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")


def arguments_of(name: str, values: Iterable) -> list:
    """The arguments of a pair's forward from the values in its line of SHAPES."""
    values = list(values)
    if name not in PARAMS:
        return values
    place, keys = PARAMS[name][0], _keys(name)
    return [*values[:place], dict(zip(keys, values[place:])), *values[place + len(keys):]]


def gradients_of(name: str, grads: Any) -> Any:
    """What a pair's backward returns, with a dict of gradients written out."""
    return grads if name not in PARAMS else (*grads[:-1], *(grads[-1][key] for key in _keys(name)))


def decoder_shapes() -> dict[str, list[str]]:
    """The parameters of decoder_layer, name -> axes as in SHAPES."""
    shapes = [shape.partition("=")[2].split(",") for shape in PARAMS["decoder_layer"][1].split()]
    return dict(zip(_keys("decoder_layer"), shapes))


def _keys(name: str) -> list[str]:
    """self.Wq, where SHAPES has self_Wq=6,6."""
    return [".".join(shape.partition("=")[0].rsplit("_", 1)) for shape in PARAMS[name][1].split()]


def inputs_of(title: str, rng: np.random.Generator, dtype: str = "float64", scale: float = 1.0,
              sizes: Mapping[str, int] = SIZES) -> dict[str, Any]:
    """Random inputs for a line of SHAPES; scale multiplies weights, and the scores of a loss."""
    shapes = parse_shapes(SHAPES[title], sizes)
    scaled = {name: scale for name in shapes if name[0] in "Wwb" or "loss" in title}
    inputs = draw_inputs(shapes, np.dtype(dtype), rng, scaled)
    if title.endswith("a padded row"):
        inputs["mask"][:] = True
        inputs["mask"][0, 2:] = False
    if title.endswith("all masked"):
        inputs["mask"][:] = False
    if "attn_mask" in inputs:
        mask = inputs["attn_mask"]
        inputs["attn_mask"] = np.tri(len(mask), dtype=bool) if mask.ndim == 2 else mask
        inputs["attn_mask"][..., 0] = True                          # every query sees a key
    if title.endswith("a blocked row"):
        inputs["attn_mask"][0, 1] = False
    if title.endswith("ragged regions"):
        inputs["regions"] = np.maximum(inputs["regions"], 2)        # one region has weight 1 whatever its score
    return inputs


def axes_of(title: str) -> dict[str, tuple[str, ...]]:
    """Names of the axes of each input in a line of SHAPES."""
    return axes_names(parse_shapes(SHAPES[title]))
