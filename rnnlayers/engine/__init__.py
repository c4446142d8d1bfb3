"""The engine: the mathematics of rnnlayers/*.py on packed rows, BLAS for the products and Numba for the rest.

What each technique gains is told in docs/performance.md. The textbook is the engine's oracle.
"""
from rnnlayers.engine.captioner import greedy_alone, loss_and_gradients, negative_log_likelihood, start, step
from rnnlayers.engine.cells import check_params, check_state
from rnnlayers.engine.packing import Packed, pack
from rnnlayers.engine.updates import update
