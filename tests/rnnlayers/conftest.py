"""Captioners of both backends that have the same parameters, and a way to compare what they say."""
import numpy as np
import pytest

from models import CaptioningRNN, cells
from models.cells import CELLS, VECTOR
from rnnlayers.engine.recurrent import LOOPS
from tests.cells import few_units, takes

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"]
D, W, H, L, P = 5, 4, 7, 6, 8
STEP_BY_STEP = "step by step"       # without the compiled loop that so small a batch would go through
RAGGED = "ragged regions"           # pictures that differ in how many regions they have; NaN behind them


def has_compiled_loop(name):
    """Whether the engine's loop asks how small a batch is, and then takes all steps in one compiled loop."""
    return name in LOOPS and "_few" in LOOPS[name].forward.__code__.co_names


def variants():
    """Title -> cell, options: the registered variants, and what their cells' own options and loops add."""
    found = {}
    for title, name, options in cells.VARIANTS:
        found[title] = name, options
        if has_compiled_loop(name):
            found[f"{title}, {STEP_BY_STEP}"] = name, options
        penalty = {"penalty": 0.5} if takes(name, "penalty") else {}
        if penalty:
            found[f"{title}, penalty"] = name, {**options, **penalty}
        if takes(name, "pooled_dim"):
            found[f"{title}, {'penalty, ' if penalty else ''}pooled"] = name, {**options, **penalty, "pooled_dim": P}
        if CELLS[name].attends:
            found[f"{title}, {RAGGED}"] = name, {**options, **penalty}
    return found


VARIANTS = variants()


@pytest.fixture(params=VARIANTS)
def variant(request, monkeypatch):
    if STEP_BY_STEP in request.param:
        monkeypatch.setattr("rnnlayers.engine.recurrent.FEW_BYTES", 0)
    return request.param


@pytest.fixture
def captioner():
    """Function: variant, backend, dtype -> a CaptioningRNN whose parameters, biases too, are normal times scale."""
    def make(variant, backend="engine", dtype=np.float64, scale=1, words=WORDS, **options):
        cell, more = VARIANTS[variant]
        model = CaptioningRNN({word: i for i, word in enumerate(words)}, D, W, H, cell, dtype, backend=backend, seed=1,
                              **{**few_units(cell), **more, **options})
        rng = np.random.default_rng(4)
        for name, w in model.params.items():
            model.params[name] = (scale * rng.standard_normal(w.shape)).astype(dtype)
        return model
    return make


@pytest.fixture
def pictures():
    """Function: variant, N -> features for N pictures, float32."""
    def make(variant, N, seed=5):
        rng = np.random.default_rng(seed)
        grid = rng.standard_normal((N, L, D)).astype(np.float32)
        name, options = VARIANTS[variant]
        if RAGGED in variant:
            regions = rng.integers(1, L + 1, N)
            grid[np.arange(L) >= regions[:, None]] = np.nan
            return grid, None, regions
        if "pooled_dim" in options:
            return grid, rng.standard_normal((N, P)).astype(np.float32)
        return grid[:, 0] if CELLS[name].features == VECTOR else grid
    return make


@pytest.fixture
def ragged():
    """Function: N, T -> captions (N, T) of ids 1, words, and 0 behind the last one."""
    def make(N, T, seed=0):
        rng = np.random.default_rng(seed)
        captions = rng.integers(3, len(WORDS), (N, T))
        captions[:, 0] = 1
        for row, length in zip(captions, rng.integers(2, T + 1, N)):
            row[length:] = 0
        return captions
    return make


@pytest.fixture
def tolerance():
    """dtype -> how far the engine may be from the textbook in float64, in shares of the largest entry."""
    return {np.float64: 1e-10, np.float32: 1e-5}


@pytest.fixture
def close():
    """Function: found is expected up to tolerance times the largest entry, or times `largest`; shapes are the same."""
    def check(found, expected, tolerance, largest=None):
        found, expected = np.asarray(found), np.asarray(expected)
        assert found.shape == expected.shape
        largest = np.abs(expected).max(initial=0) if largest is None else largest
        error = np.abs(found.astype(np.float64) - expected).max(initial=0)
        assert error <= tolerance * largest, f"error {error:.2e}, largest {largest:.2e}"
    return check


@pytest.fixture
def same_loss(close):
    """Function: two results of loss agree up to tolerance times the largest entry of all gradients."""
    def check(found, expected, tolerance):
        (loss, grads), (loss2, grads2) = found, expected
        close(loss, loss2, tolerance)
        assert list(grads) == list(grads2)
        largest = max(np.abs(g).max() for g in grads2.values())
        for name in grads:
            close(grads[name], grads2[name], tolerance, largest)
    return check
