"""The captioner on packed rows: the same mathematics as models/cells with the time loops of rnnlayers.engine.

models.captioning_rnn imports it, and with it Numba, at the first call. Tests compare it with the textbook cells.
"""
from models.packed.captioner import greedy_alone, initial_state, negative_log_likelihood, objective, step
