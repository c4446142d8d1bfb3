"""Random parameters of a captioner."""
from typing import Any

from models.cells.cell import Params, letter_sizes
from rnnlayers.workspace import aligned


def initial_params(model: Any, rng: Any, W: int, H: int, forget_bias: float) -> Params:
    """Parameters of the shapes that captioner_shapes has, drawn as the model's cell says.

    rng: a Generator, or numpy.random; W, H: sizes of word vectors and of the hidden state; forget_bias: initial bias of
    the forget gates. Raises ValueError where W_vocab is to be the transpose of W_embed and their sizes differ.
    """
    cell, V = model.cell, len(model.word_to_idx)
    sizes = letter_sizes(cell, V, model.input_dim, model.pooled_dim, W, H)
    params = {"W_embed": cell.draw_words(rng, V, W, model.tie), **cell.draw(rng, sizes)}
    params["W_vocab"], params["b_vocab"] = cell.draw_scores(rng, sizes[cell.output], V)
    if model.tie and params.pop("W_vocab").shape != (W, V):
        raise ValueError(f"tie is True with wordvec_dim {W} and hidden_dim {H}, expected the same size: the word "
                         "vectors are the output weights too")
    if cell.forget_gate:
        f = cell.gates.index(cell.forget_gate) * H
        for name in params:
            if name.rpartition(".")[2] == "b":              # of every layer
                params[name][f:f + H] += forget_bias
    return {name: aligned(value.astype(model.dtype)) for name, value in params.items()}
