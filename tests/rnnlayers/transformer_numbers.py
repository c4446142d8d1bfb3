"""What torch's modules compute for a transformer's layers in float64: `python -m tests.rnnlayers.transformer_numbers`
writes the numbers into data/transformer.npz, with which the tests compare where torch is not installed.
"""
from pathlib import Path

import numpy as np

from rnnlayers.transformer import ATTENTION

STORED = Path(__file__).with_name("data") / "transformer.npz"
N, S, T, E, F, HEADS = 2, 4, 3, 6, 5, 3
CAUSAL = np.tri(S, dtype=bool)
SEEN = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]], bool)     # (S, T), with a key in each row
DECODERS = [("post", "gelu"), ("pre", "gelu"), ("post", "relu")]
ENCODERS = [("post", "relu"), ("pre", "gelu")]


def parameters(rng, parts):
    """Random parameters of a layer with these attentions, by their names in rnnlayers, of size near one."""
    shapes = {f"{part}.{name}": (E,) if name[0] == "b" else (E, E) for part in parts for name in ATTENTION}
    shapes |= {"ffn.W1": (E, F), "ffn.b1": (F,), "ffn.W2": (F, E), "ffn.b2": (E,)}
    shapes |= {f"norm_{part}.{name}": (E,) for part in (*parts, "ffn") for name in ("gamma", "beta")}
    return {name: rng.standard_normal(shape) / np.sqrt(shape[0]) for name, shape in shapes.items()}


def inputs():
    """Random inputs and upstream gradients, the same on every machine."""
    rng = np.random.default_rng(22)
    return {"x": rng.standard_normal((N, S, E)), "memory": rng.standard_normal((N, T, E)),
            "dout": rng.standard_normal((N, S, E)), "decoder": parameters(rng, ("self", "cross")),
            "encoder": parameters(rng, ("self",)), "many": 3 * rng.standard_normal(50)}


def numbers():
    """Name -> array, by torch: outputs, and the gradients of sum(out * dout) that belong to the layer's inputs."""
    given = inputs()
    found = {"gelu": _run(_function("gelu"), given["many"])}
    found["layernorm"] = _run(_layernorm(given["decoder"]), given["x"], given["dout"])
    for title, mask in (("attention", None), ("attention, masked", SEEN)):
        found[title] = _run(_attention(given["decoder"], "cross", mask), given["x"], given["dout"], given["memory"])
    for norm, activation in DECODERS:
        found[f"decoder, {norm}, {activation}"] = _run(_decoder(given["decoder"], norm, activation), given["x"],
                                                       given["dout"], given["memory"])
    for norm, activation in ENCODERS:
        found[f"encoder, {norm}, {activation}"] = _run(_encoder(given["encoder"], norm, activation), given["x"],
                                                       given["dout"])
    return {f"{title}: {key}": array for title, arrays in found.items() for key, array in arrays.items()}


def _run(function, x, dout=None, *more):
    import torch
    tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, *more)]
    out = function(*tensors)
    out.backward(torch.ones_like(out) if dout is None else torch.tensor(dout))
    return {"out": out.detach().numpy(), **{f"d{k}": tensor.grad.numpy() for k, tensor in enumerate(tensors)}}


def _function(name):
    import torch
    return getattr(torch.nn.functional, name)


def _set(module, values):
    import torch
    own = dict(module.named_parameters())
    assert set(own) == set(values)
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(torch.tensor(value))
    return module.eval()


def _of_attention(params, part, prefix=""):
    """torch keeps q, k and v in one matrix, and each Linear as (out, in)."""
    weights, biases = ([params[f"{part}.{letter}{x}"] for x in "qkv"] for letter in "Wb")
    return {f"{prefix}in_proj_weight": np.hstack(weights).T, f"{prefix}in_proj_bias": np.hstack(biases),
            f"{prefix}out_proj.weight": params[f"{part}.Wo"].T, f"{prefix}out_proj.bias": params[f"{part}.bo"]}


def _of_layer(params, parts):
    values = {"linear1.weight": params["ffn.W1"].T, "linear1.bias": params["ffn.b1"],
              "linear2.weight": params["ffn.W2"].T, "linear2.bias": params["ffn.b2"]}
    for k, (part, prefix) in enumerate(parts.items(), start=1):
        values |= {f"norm{k}.weight": params[f"norm_{part}.gamma"], f"norm{k}.bias": params[f"norm_{part}.beta"]}
        values |= _of_attention(params, part, prefix) if prefix else {}
    return values


def _layernorm(params):
    import torch
    return _set(torch.nn.LayerNorm(E, dtype=torch.float64),
                {"weight": params["norm_self.gamma"], "bias": params["norm_self.beta"]})


def _attention(params, part, seen):
    import torch
    module = _set(torch.nn.MultiheadAttention(E, HEADS, batch_first=True, dtype=torch.float64),
                  _of_attention(params, part))
    blocked = None if seen is None else torch.tensor(~seen)
    return lambda x, memory: module(x, memory, memory, attn_mask=blocked, need_weights=False)[0]


def _decoder(params, norm, activation):
    import torch
    module = torch.nn.TransformerDecoderLayer(E, HEADS, F, 0, activation, batch_first=True, norm_first=norm == "pre",
                                              dtype=torch.float64)
    _set(module, _of_layer(params, {"self": "self_attn.", "cross": "multihead_attn.", "ffn": ""}))
    return lambda x, memory: module(x, memory, tgt_mask=torch.tensor(~CAUSAL), memory_mask=torch.tensor(~SEEN))


def _encoder(params, norm, activation):
    import torch
    module = torch.nn.TransformerEncoderLayer(E, HEADS, F, 0, activation, batch_first=True, norm_first=norm == "pre",
                                              dtype=torch.float64)
    _set(module, _of_layer(params, {"self": "self_attn.", "ffn": ""}))
    return lambda x: module(x, src_mask=torch.tensor(~CAUSAL))


if __name__ == "__main__":
    STORED.parent.mkdir(exist_ok=True)
    np.savez_compressed(STORED, **numbers())
