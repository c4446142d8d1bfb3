"""The project's pairs: the inputs of each, and how it is called. Imports none of them."""
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.shapes import SIZES, axes_names, draw_inputs, parse_shapes

LSTM = "Wx=D,4H:ifog Wh=H,4H:ifog b=4H:ifog"
GRU = "Wx=D,3H:rzn Wh=H,3H:rzn b=3H:rzn bn=H"
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
}


def pair_in(module: ModuleType, name: str) -> tuple[Callable, Callable]:
    """Forward and backward of a pair; a loss, which returns its gradient as well, is made a pair."""
    if name == "dot_product_attention":         # its backward takes dweights after the cache
        return module.dot_product_attention_forward, lambda dattn, dweights, cache: (
            module.dot_product_attention_backward(dattn, cache, dweights))
    if not hasattr(module, f"{name}_forward"):
        return getattr(module, name), lambda dloss, gradient: dloss * gradient
    return getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")


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
    if title.endswith("ragged regions"):
        inputs["regions"] = np.maximum(inputs["regions"], 2)        # one region has weight 1 whatever its score
    return inputs


def axes_of(title: str) -> dict[str, tuple[str, ...]]:
    """Names of the axes of each input in a line of SHAPES."""
    return axes_names(parse_shapes(SHAPES[title]))
