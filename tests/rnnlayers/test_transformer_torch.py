"""The transformer's layers against torch's modules in float64, or against what these gave where torch is absent."""
import numpy as np
import pytest

from rnnlayers import (
    decoder_layer_backward,
    decoder_layer_forward,
    encoder_layer_backward,
    encoder_layer_forward,
    gelu_backward,
    gelu_forward,
    layernorm_backward,
    layernorm_forward,
    multihead_attention_backward,
    multihead_attention_forward,
)
from rnnlayers.transformer import ATTENTION
from tests.rnnlayers import transformer_numbers
from tests.rnnlayers.transformer_numbers import CAUSAL, DECODERS, ENCODERS, HEADS, SEEN, STORED

STORED_NUMBERS = dict(np.load(STORED))
GIVEN = transformer_numbers.inputs()
X, MEMORY, DOUT = (GIVEN[name] for name in ("x", "memory", "dout"))


@pytest.fixture(scope="module", params=["stored", "torch"])
def numbers(request):
    if request.param == "stored":
        return STORED_NUMBERS
    pytest.importorskip("torch", reason="torch is not installed (the extra bench): its stored numbers are used")
    return transformer_numbers.numbers()


def compare(numbers, title, out, *grads):
    for name, found in (("out", out), *((f"d{k}", grad) for k, grad in enumerate(grads))):
        np.testing.assert_allclose(found, numbers[f"{title}: {name}"], rtol=0, atol=1e-12, err_msg=f"{title}: {name}")


def test_gelu(numbers):
    out, cache = gelu_forward(GIVEN["many"])
    compare(numbers, "gelu", out, gelu_backward(np.ones_like(out), cache))


def test_layernorm(numbers):
    out, cache = layernorm_forward(X, *(GIVEN["decoder"][f"norm_self.{name}"] for name in ("gamma", "beta")))
    compare(numbers, "layernorm", out, layernorm_backward(DOUT, cache)[0])


@pytest.mark.parametrize("title, mask", [("attention", None), ("attention, masked", SEEN)])
def test_attention(title, mask, numbers):
    weights = [GIVEN["decoder"][f"cross.{name}"] for name in ATTENTION]
    out, cache = multihead_attention_forward(X, MEMORY, MEMORY, *weights, num_heads=HEADS, attn_mask=mask)
    dquery, dkey, dvalue, *_ = multihead_attention_backward(DOUT, cache)
    compare(numbers, title, out, dquery, dkey + dvalue)


@pytest.mark.parametrize("norm, activation", DECODERS)
def test_decoder_layer(norm, activation, numbers):
    out, cache = decoder_layer_forward(X, MEMORY, GIVEN["decoder"], HEADS, CAUSAL, SEEN, norm, activation)
    dx, dmemory, _ = decoder_layer_backward(DOUT, cache)
    compare(numbers, f"decoder, {norm}, {activation}", out, dx, dmemory)


@pytest.mark.parametrize("norm, activation", ENCODERS)
def test_encoder_layer(norm, activation, numbers):
    out, cache = encoder_layer_forward(X, GIVEN["encoder"], HEADS, CAUSAL, norm, activation)
    compare(numbers, f"encoder, {norm}, {activation}", out, encoder_layer_backward(DOUT, cache)[0])
