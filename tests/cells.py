"""The registered cells by kind, and features that each takes: a new cell is tested by being registered."""
import numpy as np

from gradcheck.shapes import SIZES
from models import CaptioningRNN
from models.cells import CELLS, VECTOR, cell_name
from models.cells.recurrent import Recurrent

FEW = {**SIZES, "T": 3, "D": 4, "H": 5, "L": 6, "E": 7, "K": 8, "DW": 16}     # for slow checks of whole loops
NAMES = list(CELLS)
SMALL = {"transformer": 40}          # by how much to multiply the weights that a cell draws small
TAKE_A_VECTOR = [name for name, cls in CELLS.items() if cls.features == VECTOR]
ATTEND = [name for name, cls in CELLS.items() if cls.attends]
RECURRENT = [name for name, cls in CELLS.items() if issubclass(cls, Recurrent)]


def takes(name, option):
    """Whether a cell has an option that only some cells have."""
    return option in CELLS[name].options


def few_units(name):
    """Options that keep the tests of a cell fast."""
    return {"dim_feedforward": 9, "num_heads": 2} if takes(cell_name(name), "num_heads") else {}


def features_for(name, n, rng, D=5, L=3):
    """Random features of n images, (n, D) or (n, L, D), as the cell takes them."""
    return rng.standard_normal((n, D) if CELLS[name].features == VECTOR else (n, L, D))


def carries(name):
    """Whether a state of the cell carries more than h from word to word, such as an LSTM's c."""
    model = CaptioningRNN({"<NULL>": 0, "<START>": 1}, 3, 4, 4, name, seed=0, backend="textbook")
    return len(model.initial_state(features_for(name, 1, np.random.default_rng(0), D=3)).carried) > 0
