"""Captioning models, the solver that trains them, and their checkpoints."""
from models.captioning_rnn import CaptioningRNN
from models.solver import CaptioningSolver
