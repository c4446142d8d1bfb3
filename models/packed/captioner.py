"""Loss, gradients and single steps of a captioner on packed rows, as models.captioning_rnn has them on padded ones."""
from typing import Any, NamedTuple

import numpy as np

from models.cells import Image, State
from models.cells.cell import Params
from models.dropout import Dropout
from models.images import feature_masks, image_of
from models.packed.attention import Attention
from models.packed.bahdanau import Bahdanau
from models.packed.cell import PackedCell, Words, check_params, check_state, packed_mask
from models.packed.recurrent import Recurrent
from models.packed.transformer import Transformer
from models.packed.vocabulary import stochastic_penalty, vocabulary_likelihood, vocabulary_loss
from rnnlayers.engine.kernels import scatter_add
from rnnlayers.engine.packing import Packed, pack
from rnnlayers.engine.recurrent import LOOPS
from rnnlayers.shapes import check_ids
from rnnlayers.workspace import Allocator, allocate

PACKED: dict[str, type[PackedCell]] = {**dict.fromkeys(LOOPS, Recurrent), "attention": Attention, "bahdanau": Bahdanau,
                                       "transformer": Transformer}


class Batch(NamedTuple):
    """A batch of captions in packed order, with its dropout masks."""
    image: Image
    packed: Packed
    words: Words
    distinct: np.ndarray            # (D,) ids of the words that are fed
    row_of: np.ndarray              # (M,) which of them each word is
    keep_x: np.ndarray | None       # (M, W): mask of 0 and 1 / (1 - share) of word vectors


def objective(model: Any, features: Any, captions: np.ndarray, rng: np.random.Generator | None, workspace: Allocator
              ) -> tuple[Any, float, Params]:
    """CaptioningRNN.objective: loss, the regularisers' share of it, gradients in the workspace's arrays."""
    p, cell, (N, T) = model.weights(), _cell(model), captions.shape
    batch = _batch(model, cell, features, captions, rng, workspace)
    inside = Dropout(rng, model.dropout, model.input_dropout)
    h, attention, cache = cell.forward(p, batch.image, batch.words, batch.packed, workspace, inside)
    share = 0.0 if cell.cell.drops_inside else model.dropout
    keep_h = packed_mask((N, T - 1, h.shape[1]), rng, share, h.dtype, "keep h", batch.packed, workspace)
    penalty, dattention = stochastic_penalty(attention, batch.image, batch.packed, N, model.penalty, workspace)
    loss, smoothing, dh, grads = vocabulary_loss(p, h, batch.packed, N, keep_h, model.smoothing, workspace)
    dvectors, cell_grads = cell.backward(p, dh, dattention, cache, batch.words, batch.packed, workspace)
    grads = {**grads, **cell_grads, "W_embed": _embedding_gradient(p, dvectors, batch, workspace)}
    regularisers = penalty + smoothing
    return h.dtype.type(loss + regularisers), regularisers, model.parameter_grads(grads)


def negative_log_likelihood(model: Any, features: Any, captions: np.ndarray) -> float:
    """Total -log p of all words that are not <NULL>, in nats."""
    cell = _cell(model)
    batch = _batch(model, cell, features, captions, None, allocate)
    h, _, _ = cell.forward(model.weights(), batch.image, batch.words, batch.packed, allocate)
    return vocabulary_likelihood(model.weights(), h, batch.packed, allocate)


def initial_state(model: Any, image: Image) -> State:
    """CaptioningRNN.initial_state, of an Image."""
    cell = _cell(model)
    check_params(cell, model.weights(), image)
    return cell.initial_state(model.weights(), image)


def step(model: Any, words: np.ndarray, state: State) -> tuple[np.ndarray, State]:
    """CaptioningRNN.step."""
    cell, p = _cell(model), model.weights()
    check_state(cell, p, state)
    if words.shape != (len(state),):
        raise ValueError(f"CaptioningRNN: words is {words.shape}, expected ({len(state)},), one for each caption")
    check_ids("CaptioningRNN", "words", words, len(p["W_embed"]))
    distinct, row_of = np.unique(words, return_inverse=True)
    state = cell.step(p, Words(p["W_embed"][distinct], row_of, True), state)
    scores = state.output @ p["W_vocab"]
    scores += p["b_vocab"]
    return scores, state


def greedy_alone(model: Any, image: Image, length: int) -> np.ndarray | None:
    """CaptioningRNN.sample of one picture by a single compiled loop -> ids (T,); None where single steps are faster."""
    cell = _cell(model)
    check_params(cell, model.weights(), image)
    check_ids("CaptioningRNN", "<START>", np.array([model._start]), len(model.weights()["W_embed"]))
    return cell.greedy(model.weights(), image, model._start, -1 if model._end is None else model._end, length)


def _cell(model: Any) -> PackedCell:
    name = model.cell.name
    if name not in PACKED:
        raise ValueError(f"cell_type {name!r} has no counterpart on packed rows, expected backend='textbook'")
    return PACKED[name](model.cell)


def _batch(model: Any, cell: PackedCell, features: Any, captions: np.ndarray, rng: np.random.Generator | None,
           workspace: Allocator) -> Batch:
    """Pack captions, features and masks. Random numbers are drawn in the same order as in the textbook."""
    image = image_of(model, features, len(captions))
    check_params(cell, model.weights(), image)
    check_ids("CaptioningRNN", "captions", captions, len(model.weights()["W_embed"]))
    packed = pack(captions[:, :-1], captions[:, 1:], model._null)
    keep_vector, keep_grid = feature_masks(model, image, rng)
    image = Image(_packed_features(image.vector, keep_vector, "vector", packed, workspace),
                  _packed_features(image.grid, keep_grid, "grid", packed, workspace),
                  None if image.counts is None else image.counts[packed.order])
    W_embed, share = model.params["W_embed"], 0.0 if cell.cell.drops_inside else model.input_dropout
    keep_x = packed_mask((*captions[:, 1:].shape, W_embed.shape[1]), rng, share, W_embed.dtype, "keep x", packed,
                         workspace)
    distinct, row_of = np.unique(packed.words, return_inverse=True)
    words = Words(W_embed[distinct], row_of, True)
    if keep_x is not None:
        vectors = np.multiply(W_embed[packed.words], keep_x, out=workspace("x", keep_x.shape, W_embed.dtype))
        words = Words(vectors, np.arange(len(row_of)), False)
    return Batch(image, packed, words, distinct, row_of, keep_x)


def _packed_features(part: np.ndarray | None, keep: Any, name: str, packed: Packed, workspace: Allocator) -> Any:
    """Features in the packed order, times their dropout mask."""
    if part is not None:
        part = np.take(part, packed.order, 0, workspace(name, part.shape, part.dtype), "clip")
        if np.ndim(keep):
            part *= keep[packed.order]
    return part


def _embedding_gradient(p: Params, dvectors: np.ndarray, batch: Batch, workspace: Allocator) -> np.ndarray:
    """Gradient of W_embed (V, W) from that of the word vectors fed (U, W)."""
    if batch.keep_x is not None:
        kept_rows = np.multiply(dvectors, batch.keep_x, out=workspace("dx kept", batch.keep_x.shape, dvectors.dtype))
        dvectors = workspace("dx of words", (len(batch.distinct), kept_rows.shape[1]), kept_rows.dtype)
        scatter_add(kept_rows, batch.row_of, dvectors)
    dW_embed = workspace("dW_embed", p["W_embed"].shape, dvectors.dtype)
    dW_embed[:] = 0
    dW_embed[batch.distinct] = dvectors
    return dW_embed
