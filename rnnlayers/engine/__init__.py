"""The engine: the mathematics of rnnlayers/*.py on packed rows, with NumPy's BLAS for products and Numba for the rest.

What each step does, and what it gained, is told in docs/performance.md. The textbook is its oracle (tests/engine).
"""
from rnnlayers.engine.captioner import loss_and_gradients, negative_log_likelihood
from rnnlayers.engine.packing import Packed, pack
from rnnlayers.engine.workspace import Workspace, fresh
