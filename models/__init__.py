"""Captioning models, the solver that trains them, and their checkpoints."""
from models.captioning_rnn import CaptioningRNN
from models.captioning_transformer import CaptioningSolverTransformer, CaptioningTransformer
from models.solver import CaptioningSolver
