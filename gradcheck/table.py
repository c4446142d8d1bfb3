"""The project's pairs: the inputs of each, and how it is called. Imports none of them."""
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.shapes import SIZES, axes_names, draw_inputs, parse_shapes

LSTM = "Wx=D,4H:ifog Wh=H,4H:ifog b=4H:ifog"
GRU = "Wx=D,3H:rzn Wh=H,3H:rzn b=3H:rzn bn=H"
HEADS = "Wq=W,W bq=W Wk=W,W bk=W Wv=W,W bv=W Wo=W,W bo=W"
HEADS_6 = HEADS.replace("=W", "=6").replace(",W", ",6")
ENCODER = [f"self_{part}" for part in HEADS.split()] + [
    "ffn_W1=W,3", "ffn_b1=3", "ffn_W2=3,W", "ffn_b2=W",
    *(f"norm_{name}_{part}=W" for name in ("self", "ffn") for part in ("gamma", "beta"))]
DECODER = [*ENCODER[:8], *(f"cross_{part}" for part in HEADS.split()), *ENCODER[8:14],
           "norm_cross_gamma=W", "norm_cross_beta=W", *ENCODER[14:]]
ENCODE = f"x=N,T,W {' '.join(ENCODER)} num_heads=(2) attn_mask=T,T<bool"
DECODE = f"x=N,T,W memory=N,3,W {' '.join(DECODER)} num_heads=(2) attn_mask=T,T<bool memory_mask=N,T,3<bool"
KEEP = ["self.weights=N,2,T,T<bool", "self=N,T,W<bool", "ffn.hidden=N,T,3<bool", "ffn=N,T,W<bool",
        "cross.weights=N,2,T,3<bool", "cross=N,T,W<bool"]
DROPOUT = " ".join(f"keep_{mask.replace('.', '_')}" for mask in KEEP)
SHAPES = {                          # pair, and the special case if any -> forward's arguments
    "affine": "x=N,D,W w=DW,M b=M",
    "temporal_affine": "x=N,T,D w=D,M b=M",
    "word_embedding": "x=N,T<V W=V,D",
    "word_embedding, one word repeated": "x=N,T<1 W=V,D",
    "temporal_softmax_loss": "x=N,T,V y=N,T<V mask=N,T<bool",
    "temporal_softmax_loss, a padded row": "x=N,T,V y=N,T<V mask=N,T<bool",
    "temporal_softmax_loss, all masked": "x=N,T,V y=N,T<V mask=N,T<bool",
    "transformer_temporal_softmax_loss": "x=N,T,V y=N,T<V mask=N,T<bool",
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
    "relu": "x=N,T,D",
    "gelu": "x=N,T,D",
    "layernorm": "x=N,T,H gamma=H beta=H",
    "multihead_attention": f"query=N,T,6 key=N,M,6 value=N,M,6 {HEADS_6} num_heads=(2)",
    "multihead_attention, causal": f"query=N,T,W key=N,T,W value=N,T,W {HEADS} num_heads=(2) attn_mask=T,T<bool",
    "multihead_attention, a blocked row": f"query=N,T,W key=N,M,W value=N,M,W {HEADS} num_heads=(2) "
                                          "attn_mask=N,T,M<bool",
    "multihead_attention, with dropout": f"query=N,T,W key=N,M,W value=N,M,W {HEADS} num_heads=(2) "
                                         "attn_mask=(None) keep=N,2,T,M<bool",
    "feed_forward": "x=N,T,W W1=W,M b1=M W2=M,W b2=W",
    "feed_forward, relu": "x=N,T,W W1=W,M b1=M W2=M,W b2=W activation=('relu')",
    "feed_forward, with dropout": "x=N,T,W W1=W,M b1=M W2=M,W b2=W activation=('gelu') keep=N,T,M<bool",
    "decoder_layer": DECODE,
    "decoder_layer, pre norm": f"{DECODE} norm=('pre')",
    "decoder_layer, with dropout": f"{DECODE} norm=('post') activation=('gelu') {DROPOUT}",
    "encoder_layer": ENCODE,
    "encoder_layer, pre norm": f"{ENCODE} norm=('pre')",
    "patch_embedding": "images=N,3,4,6 Wp=12,D bp=D patch_size=(2)",
}


def pair_in(module: ModuleType, name: str) -> tuple[Callable, Callable]:
    """Forward and backward of a pair; a loss, which returns its gradient as well, is made a pair."""
    if name == "dot_product_attention":         # its backward takes dweights after the cache
        return module.dot_product_attention_forward, lambda dattn, dweights, cache: (
            module.dot_product_attention_backward(dattn, cache, dweights))
    if not hasattr(module, f"{name}_forward"):
        return getattr(module, name), lambda dloss, gradient: dloss * gradient
    pair = getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")
    if name == "encoder_layer":
        return with_arrays(*pair, ENCODER, inputs=1, settings=4)
    return with_arrays(*pair, DECODER, inputs=2, settings=5) if name == "decoder_layer" else pair


def with_arrays(forward: Callable, backward: Callable, lines: list[str], inputs: int, settings: int
                ) -> tuple[Callable, Callable]:
    """A layer that takes a dict of parameters and one of dropout masks, as a pair that takes each of their arrays.

    lines: of the parameters, self_Wq=6,6 for "self.Wq". In order: the inputs, the parameters, settings, dropout masks.
    """
    keys = [".".join(line.partition("=")[0].rsplit("_", 1)) for line in lines]
    masks = [mask.partition("=")[0] for mask in KEEP]

    @wraps(forward)
    def flat_forward(*values: Any) -> Any:
        first, rest = values[:inputs], values[inputs + len(keys):]
        keep = [dict(zip(masks, rest[settings:]))] if len(rest) > settings else []
        return forward(*first, dict(zip(keys, values[inputs:])), *rest[:settings], *keep)

    def flat_backward(dout: Any, cache: Any) -> tuple:
        *dinputs, grads = backward(dout, cache)
        return (*dinputs, *(grads[key] for key in keys))
    return flat_forward, flat_backward


def inputs_of(title: str, rng: np.random.Generator, dtype: str = "float64", scale: float = 1.0,
              sizes: Mapping[str, int] = SIZES) -> dict[str, Any]:
    """Random inputs for a line of SHAPES; scale multiplies weights, and the scores of a loss."""
    shapes = parse_shapes(SHAPES[title], sizes)
    if "coder_layer" in title:
        scale = max(scale, 0.5)                 # beside the residual sums smaller sublayers count for nothing
    scaled = {name: scale for name in shapes if name.split("_")[-1][0] in "Wwb" or "loss" in title}
    inputs = draw_inputs(shapes, np.dtype(dtype), rng, scaled)
    if title.endswith("a padded row"):
        inputs["mask"][:] = True
        inputs["mask"][0, 2:] = False
    if title.endswith("all masked"):
        inputs["mask"][:] = False
    mask = inputs.get("attn_mask")
    if isinstance(mask, np.ndarray) and mask.ndim == 2:
        inputs["attn_mask"] = np.tri(*mask.shape, dtype=bool)
    if title.endswith("a blocked row"):
        inputs["attn_mask"][0, 1] = False
    if title.endswith("ragged regions"):
        inputs["regions"] = np.maximum(inputs["regions"], 2)        # one region has weight 1 whatever its score
    return inputs


def axes_of(title: str) -> dict[str, tuple[str, ...]]:
    """Names of the axes of each input in a line of SHAPES."""
    return axes_names(parse_shapes(SHAPES[title]))
