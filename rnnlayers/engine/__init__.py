"""The engine: the mathematics of rnnlayers/*.py on packed rows, with BLAS for the products and Numba for the rest.

docs/performance.md shows what each technique gains. Tests hold the engine to the textbook layers.
"""
from rnnlayers.engine.captioner import greedy_alone, loss_and_gradients, negative_log_likelihood, start, step
from rnnlayers.engine.cells import check_params, check_state
from rnnlayers.engine.packing import Packed, pack
from rnnlayers.engine.updates import update
