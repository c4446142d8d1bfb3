"""The numbers that the course publishes for its captioning transformer, edition of 2025/26.

Its weights, inputs and outputs are in course_transformer of the data folder. torch's Linear keeps weights as (out, in).
"""
import os
from pathlib import Path

import numpy as np
import pytest

from models import CaptioningTransformer
from rnnlayers import (
    attention_weights,
    decoder_layer_forward,
    encoder_layer_forward,
    multihead_attention_forward,
    positional_encoding,
)

HEADS = 2
ATTENTIONS, NORMS = {"self": "self_attn", "cross": "cross_attn"}, {"self": "n1", "cross": "n2", "ffn": "n3"}
LETTERS = {"q": "query", "k": "key", "v": "value", "o": "proj"}


@pytest.fixture(scope="module")
def numbers():
    """Function: part, such as "decoder" -> its arrays in float64 by name."""
    root = Path(__file__).parents[2]
    path = root / os.environ.get("RNNLAYERS_DATA", "../shared/data") / "course_transformer" / "fixtures.npz"
    if not path.is_file():
        pytest.skip("the course's numbers are not here: set RNNLAYERS_DATA to the folder that holds course_transformer")
    with np.load(path) as file:
        found = dict(file)
    return lambda part: {name.removeprefix(f"{part}/"): array.astype(np.float64) if array.dtype.kind == "f" else array
                         for name, array in found.items() if name.startswith(f"{part}/")}


def attention(given, prefix=""):
    """Parameters of an attention by our names."""
    weights = {f"W{letter}": given[f"{prefix}{name}.weight"].T for letter, name in LETTERS.items()}
    return weights | {f"b{letter}": given[f"{prefix}{name}.bias"] for letter, name in LETTERS.items()}


def layer(given, parts, prefix=""):
    """Parameters of a decoder or encoder layer by our names."""
    found = {f"{part}.{name}": w for part in parts
             for name, w in attention(given, f"{prefix}{ATTENTIONS[part]}.").items()}
    for k in "12":
        found |= {f"ffn.W{k}": given[f"{prefix}ffn.fc{k}.weight"].T, f"ffn.b{k}": given[f"{prefix}ffn.fc{k}.bias"]}
    norms = NORMS if "cross" in parts else {"self": "n1", "ffn": "n2"}
    return found | {f"norm_{part}.{ours}": given[f"{prefix}{name}.{theirs}"] for part, name in norms.items()
                    for ours, theirs in (("gamma", "weight"), ("beta", "bias"))}


def close(found, expected, printed, digits=1e-6):
    """The whole output to 1e-6, and its first entries as the notebook prints them."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.ravel(found)[:len(printed)], printed, rtol=0, atol=digits)


@pytest.mark.parametrize("out, printed", [
    ("self_out", (-.1030, .2090, .7481, -.4116)), ("masked_out", (-.1209, .1806, .8056)),
    ("cross_out", (-.1965, .0702, .5227))])
def test_attention(out, printed, numbers):
    given = numbers("mha")
    key = given["other" if out == "cross_out" else "data"]
    mask = given["mask"] if out == "masked_out" else None
    found, cache = multihead_attention_forward(given["data"], key, key, **attention(given), num_heads=HEADS,
                                               attn_mask=mask)
    close(found, given[out], printed, 6e-5)
    weights = attention_weights(cache)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-12)
    assert mask is None or not weights[..., ~mask].any()


def test_decoder_layer(numbers):
    given = numbers("decoder")
    found, _ = decoder_layer_forward(given["tgt"], given["memory"], layer(given, ("self", "cross")), HEADS,
                                     given["mask"])
    close(found, given["out"], (.27005595, -.21056601, .63376445))


def test_encoder_layer(numbers):
    given = numbers("encoder")
    found, _ = encoder_layer_forward(given["x"], layer(given, ("self",)), HEADS, given["mask"])
    close(found, given["out"], (-.48887438, -.16470742, .7249629))


def test_captioner(numbers):
    given = numbers("captioner")
    W, D = given["embedding.weight"].shape[1], given["features"].shape[1]
    model = CaptioningTransformer({"<NULL>": 0, "cat": 1, "dog": 2}, D, W, HEADS, 2, 30, dtype=np.float64,
                                  backend="textbook")
    params = {"W_embed": given["embedding.weight"], "W_proj": given["visual_projection.weight"].T,
              "b_proj": given["visual_projection.bias"], "W_vocab": given["output.weight"].T,
              "b_vocab": given["output.bias"]}
    for k in range(2):
        params |= {f"layer{k}.{name}": w for name, w in layer(given, ("self", "cross"), f"layers.{k}.").items()}
    assert {name: w.shape for name, w in params.items()} == {name: w.shape for name, w in model.params.items()}
    model.params = params
    captions = np.hstack([given["captions"], np.zeros((4, 1), int)])            # of which the last word is not fed
    close(model.scores(given["features"], captions), given["scores"], (.62165695, -.6203744, -1.116114))


def test_positions():
    """The notebook adds positions to torch.randn(1, 2, 6) of seed 231, which begins as here, and prints the sum."""
    found = np.array([-1.1106, 1.4121e-3, 1.5280, -1.0778]) + positional_encoding(2, 6)[0, :4]
    np.testing.assert_allclose(found, [-1.1106, 1.0014, 1.5280, -.0778], rtol=0, atol=6e-5)
