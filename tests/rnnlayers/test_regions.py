"""Layers over pictures that differ in their number of regions, against each picture alone with its own regions."""
import types
from pathlib import Path

import numpy as np
import pytest

from gradcheck.table import axes_of, inputs_of, pair_in
from rnnlayers import additive_attention, attention, doubly_stochastic_penalty
from rnnlayers.regions import real_regions, without_padding

DOT, ATTENTION, ADDITIVE, BAHDANAU = TITLES = [f"{name}, ragged regions" for name in (
    "dot_product_attention", "attention", "additive_attention", "bahdanau")]
MODULES = dict(zip(TITLES, (attention, attention, additive_attention, additive_attention)))
SOFTMAX = "softmax(mask_padding(scores, real, -np.inf))"
MUTANTS = [                         # pair, what is wrong, a piece of its module, what stands there instead
    (DOT, "no mask", SOFTMAX, "softmax(scores)"), (DOT, "a score of 0", SOFTMAX, SOFTMAX.replace("-np.inf", "0")),
    (DOT, "a mask after the softmax", SOFTMAX, "mask_padding(softmax(scores), real, 0)"),
    (DOT, "padding stays", "without_padding(flat.swapaxes(1, 2), real).swapaxes(1, 2)", "flat"),
    (ATTENTION, "padding in the mean", "flat.mean(axis=2, where=real[:, None])", "flat.mean(axis=2)"),
    (ATTENTION, "the mean's gradient over L", "(dprev_h + dprev_c) / counts", "(dprev_h + dprev_c) / real.shape[1]"),
    (ATTENTION, "the mean's gradient at padding", "mask_padding(dmean[:, :, None], real[:, None], 0)",
     "(0 * real[:, None] + dmean[:, :, None])"),
    (ATTENTION, "regions not passed on", "forward(h, A, regions)", "forward(h, A)"),
    (ADDITIVE, "no mask", "mask_padding(s @ v, real, -np.inf)", "s @ v"),
    (ADDITIVE, "a mask after the softmax", "softmax(mask_padding(s @ v, real, -np.inf))",
     "mask_padding(softmax(s @ v), real, 0)"),
    (ADDITIVE, "padding stays", "without_padding(np.asarray(array), real)", "array"),
    (BAHDANAU, "regions not passed on", "forward(h, A, keys, Wq, v, Wbeta, bbeta, regions)",
     "forward(h, A, keys, Wq, v, Wbeta, bbeta)"),
]


def run(module, title, inputs, douts=None):
    """Outputs, their upstream gradients, and the inputs' gradients by name."""
    forward, backward = pair_in(module, title.partition(", ")[0])
    *outs, cache = forward(*inputs.values())
    rng = np.random.default_rng(1)
    douts = [rng.standard_normal(out.shape) for out in outs] if douts is None else douts
    return outs, douts, dict(zip(inputs, backward(*douts, cache)))


def problems(module, title, rng):
    """What is wrong with how a pair treats padding: a list of words."""
    inputs, at = inputs_of(title, rng), 2 if MODULES[title] is attention else 1
    L, regions = inputs["A"].shape[at], inputs["regions"]
    results, wrong = [], []
    for garbage in (0, 5, np.nan):
        for key in {"A", "keys"} & set(inputs):
            inputs[key].swapaxes(1, at)[np.arange(L) >= regions[:, None]] = garbage
        outs, douts, grads = run(module, title, inputs)
        results.append([*outs, *grads.values()])
    wrong += ["garbage" for other in results[1:] for a, b in zip(results[0], other) if not np.array_equal(a, b)]
    sums = dict.fromkeys(grads, 0)
    for n, count in enumerate(regions):
        def own(x, axis, n=n, count=count):
            """Picture n's part of x without padding; the axis of x's regions is None where it has none."""
            return x[n:n + 1] if axis is None else x[n:n + 1].take(range(count), axis)
        of_inputs = {key: at if key in ("A", "keys") else None for key, axes in axes_of(title).items()
                     if axes[0] == "N" and key != "regions"}
        of_outs = [-1 if out.shape[-1] == L else None for out in outs]          # weights end in L
        alone = {key: own(inputs[key], of_inputs[key]) if key in of_inputs else inputs[key] for key in grads}
        own_outs, _, own_grads = run(module, title, alone, list(map(own, douts, of_outs)))
        wrong += ["an output" for a, axis, b in zip(outs, of_outs, own_outs) if not np.allclose(own(a, axis), b)]
        wrong += ["weights at padding" for a, axis in zip(outs, of_outs) if axis and a[n, ..., count:].any()]
        for key, grad in own_grads.items():
            if key not in of_inputs:
                sums[key] = sums[key] + grad
            elif not np.allclose(own(grads[key], of_inputs[key]), grad, rtol=1e-9, atol=1e-12):
                wrong.append(f"d{key}")
            elif of_inputs[key] and grads[key][n:n + 1].take(range(count, L), at).any():
                wrong.append(f"d{key} at padding")
    shared = set(grads) - set(of_inputs)
    return wrong + [f"d{key}" for key in shared if not np.allclose(sums[key], grads[key], rtol=1e-9)]


@pytest.mark.parametrize("title", TITLES)
def test_padding_has_no_share(title, rng):
    assert problems(MODULES[title], title, rng) == []


@pytest.mark.parametrize("title, name, old, new", MUTANTS, ids=[f"{m[0].partition(',')[0]}: {m[1]}" for m in MUTANTS])
def test_likely_mistakes_are_found(title, name, old, new, rng):
    source, wrong = Path(MODULES[title].__file__).read_text(encoding="utf-8"), types.ModuleType(name)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), name, "exec"), wrong.__dict__)
    assert problems(wrong, title, rng)


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_regions_are_as_none_said(title, dtype, rng):
    inputs = inputs_of(title, rng, dtype)
    plain = {key: x for key, x in inputs.items() if key != "regions"}
    L = inputs["A"].shape[2 if MODULES[title] is attention else 1]
    results = [run(MODULES[title], title, x) for x in ({**plain, "regions": np.full(2, L)}, plain)]
    for a, b in zip([*results[0][0], *results[0][2].values()], [*results[1][0], *results[1][2].values()], strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_penalty_counts_no_padding(rng):
    weights, mask, regions = rng.random((2, 5, 7)), np.ones((2, 5), bool), np.array([3, 6])
    weights[0, :, 3:] = np.nan
    penalty, dweights = doubly_stochastic_penalty(weights, mask, regions)
    parts = [doubly_stochastic_penalty(weights[n:n + 1, :, :count], mask[:1]) for n, count in enumerate(regions)]
    assert penalty == pytest.approx(np.mean([part for part, _ in parts]), rel=1e-13)
    for n, (count, (_, dpart)) in enumerate(zip(regions, parts)):
        np.testing.assert_allclose(dweights[n, :, :count], dpart[0] / 2, rtol=1e-13)
        assert not dweights[n, :, count:].any()


def test_padding_that_is_zero_is_not_copied(rng):
    A, real = rng.standard_normal((2, 4, 3)), real_regions("f", np.array([4, 2], np.uint8), 2, 4)
    cleared = without_padding(A, real)
    assert cleared is not A and without_padding(cleared, real) is cleared and not cleared[1, 2:].any()


@pytest.mark.parametrize("regions, message", [
    ([1, 0], "f: regions[1] is 0, expected a number of regions from 1 to L = 4"), ([5, 1], "f: regions[0] is 5"),
    ([1.0, 2.0], "f: regions is float64 (2,), expected integers (N,) = (2,)"), ([1, 2, 3], "f: regions is int64 (3,)")])
def test_numbers_of_regions_that_cannot_be(regions, message):
    with pytest.raises(ValueError) as error:
        real_regions("f", np.array(regions), 2, 4)
    assert str(error.value).startswith(message)
