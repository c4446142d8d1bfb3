"""How a backend is chosen, when Numba is imported, and that compiling changes no bit."""
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.registry import CPUDispatcher as Dispatcher

from models import CaptioningRNN
from rnnlayers.engine import kernels

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_argument_wins_over_the_environment(captioner, monkeypatch):
    for name in ("textbook", "engine"):
        monkeypatch.setenv("RNNLAYERS_BACKEND", name)
        assert captioner("rnn", None).backend == name
        assert captioner("rnn", "engine").backend == "engine" and captioner("rnn", "textbook").backend == "textbook"
    monkeypatch.delenv("RNNLAYERS_BACKEND")
    assert captioner("rnn", None).backend == "engine"


def test_a_backend_that_is_none(captioner, monkeypatch):
    with pytest.raises(ValueError, match="backend is 'nonsense', expected 'engine' or 'textbook'"):
        captioner("rnn", "nonsense")
    monkeypatch.setenv("RNNLAYERS_BACKEND", "nonsense")
    with pytest.raises(ValueError, match="RNNLAYERS_BACKEND"):
        captioner("rnn", None)


def test_a_captioner_is_on_the_engine_by_default(monkeypatch):
    monkeypatch.delenv("RNNLAYERS_BACKEND", raising=False)
    assert CaptioningRNN({"<NULL>": 0, "<START>": 1}, 3, 3, 3).backend == "engine"


@pytest.mark.parametrize("backend", [None, "textbook"])
def test_numba_is_imported_by_the_engines_first_call(backend):
    code = f"""
import sys
import numpy as np
import rnnlayers, models
model = models.CaptioningRNN({{"<NULL>": 0, "<START>": 1}}, 3, 3, 3, backend={backend!r})
if model.backend == "textbook":
    model.loss(np.zeros((1, 3)), np.ones((1, 3), int))
print(model.backend, "numba" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "RNNLAYERS_BACKEND"}
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.stdout.split() == [backend or "engine", "False"], result.stderr


def test_kernels_call_no_compiled_function_that_is_not_inlined():
    """Such a function would be other code in the process that compiles than in one that takes it from the cache."""
    parts = [function for function in vars(kernels).values() if isinstance(function, Dispatcher)]
    assert numba.config.DISABLE_JIT or len(parts) > 5
    assert all(part.targetoptions.get("forceinline") for part in parts)


def test_the_process_that_compiles_computes_the_same_bits(tmp_path):
    """Kernels taken from Numba's cache are the code that the first process ran."""
    code = """
import numpy as np
from models import CaptioningRNN
rng = np.random.default_rng(0)
words = {"<NULL>": 0, "<START>": 1, **{str(i): i for i in range(2, 70)}}
model = CaptioningRNN(words, 20, 9, 24, "gru", seed=1, backend="engine")
loss, grads = model.loss(rng.standard_normal((40, 20), np.float32), rng.integers(1, 70, (40, 5)))
print([hash(g.tobytes()) for g in grads.values()])
"""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}
    first, second = (subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
                     for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout and first.stdout.count("[") == 1
