"""The engine: the mathematics of rnnlayers/*.py on packed rows, with BLAS for the products and Numba for the rest.

docs/performance.md shows what each technique gains. Tests hold the engine to the textbook layers.
"""
from rnnlayers.engine.packing import Packed, pack
from rnnlayers.engine.updates import update_in_place
