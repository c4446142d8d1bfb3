"""What a packed cell is: a cell of models/cells on packed rows. Helpers that packed cells share.

Words come as `Words`, so that a word that occurs often is projected once. Images are in packed order.
"""
from typing import Any, NamedTuple

import numpy as np

from models.cells import Cell, Image, State
from models.cells.cell import Params, captioner_shapes
from models.dropout import NO_DROPOUT, Dropout, keep_scale, kept
from rnnlayers.engine.packing import Packed
from rnnlayers.shapes import check_shapes
from rnnlayers.workspace import Allocator


class Words(NamedTuple):
    """The words that are fed: one vector for each distinct word, or for each row if dropout makes rows differ."""
    vectors: np.ndarray             # (U, W)
    row_of: np.ndarray              # (M,) which row of vectors each word has
    repeated: bool                  # whether rows share vectors


class PackedCell:
    """The contract of a packed cell. `cell` is the textbook cell with the same parameters and first states."""
    carried: tuple[str, ...] = ()               # shapes of State.carried in letters
    memory: tuple[str, ...] = ()                # shapes of State.memory
    vector: str = "N D"                         # shape of an image's vector

    def __init__(self, cell: Cell):
        self.cell = cell

    def initial_state(self, p: Params, image: Image) -> State:
        """The state before the first word."""
        raise NotImplementedError

    def step(self, p: Params, words: Words, state: State) -> State:
        """Feed one word to each caption."""
        raise NotImplementedError

    def forward(self, p: Params, image: Image, words: Words, packed: Packed, workspace: Allocator,
                dropout: Dropout = NO_DROPOUT) -> tuple[np.ndarray, np.ndarray | None, Any]:
        """Whole captions -> h (M, H), attention (M, L) or None, cache."""
        raise NotImplementedError

    def backward(self, p: Params, dh: np.ndarray, dattention: np.ndarray | None, cache: Any, words: Words,
                 packed: Packed, workspace: Allocator) -> tuple[np.ndarray, Params]:
        """Gradients of forward: dh (M, H), overwritten, dattention (M, L) -> dvectors (U, W), {parameter: gradient}."""
        raise NotImplementedError

    def greedy(self, p: Params, image: Image, start: int, end: int, length: int) -> np.ndarray | None:
        """Greedy caption of one picture by a single compiled loop -> ids (T,); None where single steps are faster."""
        return None


def check_params(packed_cell: PackedCell, p: Params, image: Image) -> None:
    """Raises ValueError unless parameters and features fit: compiled loops would read past the end of an array."""
    pairs = zip(("features", "grid"), image, (packed_cell.vector, "N L D"))
    pictures = {name: (part, letters) for name, part, letters in pairs if part is not None}
    check_shapes("CaptioningRNN", **_with_letters(packed_cell, p), **pictures)


def check_state(packed_cell: PackedCell, p: Params, state: Any) -> None:
    """Raises ValueError unless a state fits the parameters as they are now, for the same reason."""
    expected = len(packed_cell.carried), len(packed_cell.memory)
    is_state = isinstance(state, State) and np.ndim(state.output) == 2
    if not is_state or (len(state.carried), len(state.memory)) != expected:
        raise ValueError(f"CaptioningRNN: state is {type(state).__name__}, expected what initial_state, step or select "
                         "of this model returned")
    parts = {f"state.{name}[{k}]": pair for name in ("carried", "memory")
             for k, pair in enumerate(zip(getattr(state, name), getattr(packed_cell, name)))}
    arrays = {**_with_letters(packed_cell, p), "state.output": (state.output, f"N {packed_cell.cell.output}"),
              **parts}
    check_shapes("CaptioningRNN", **arrays)


def _with_letters(packed_cell: PackedCell, p: Params) -> dict[str, tuple[np.ndarray, str]]:
    """Name -> (parameter, its shape in letters)."""
    return {name: (p[name], letters) for name, letters in captioner_shapes(packed_cell.cell).items()}


def region_counts(image: Image) -> np.ndarray:
    """The number of regions of each image, int64 (N,)."""
    N, L, _ = image.regions.shape
    return np.full(N, L) if image.counts is None else image.counts


def affine(x: np.ndarray, W: np.ndarray, b: np.ndarray, name: str, workspace: Allocator) -> np.ndarray:
    """x W + b over the last axis of x, in the workspace under `name`."""
    out = workspace(name, (*x.shape[:-1], W.shape[1]), W.dtype)
    np.matmul(_rows(x), W, out=_rows(out))
    out += b
    return out


def affine_grads(x: np.ndarray, dout: np.ndarray, W: str, b: str, workspace: Allocator) -> Params:
    """Gradients of affine's parameters, which are named W and b."""
    x, dout = _rows(x), _rows(dout)
    dW = np.matmul(x.T, dout, out=workspace(f"d{W}", (x.shape[1], dout.shape[1]), dout.dtype))
    return {W: dW, b: column_sums(dout)}


def packed_mask(shape: tuple[int, ...], rng: np.random.Generator | None, share: float, dtype: np.dtype, name: str,
                packed: Packed, workspace: Allocator) -> np.ndarray | None:
    """A dropout mask drawn for padded rows (N, T, W), as packed rows of 0 and 1 / (1 - share); None: nothing drops."""
    keep = kept(shape, rng, share)
    if keep is None:
        return None
    rows = workspace(name, (len(packed.words), shape[2]), dtype)
    return np.multiply(keep[packed.caption, packed.time], keep_scale(share), out=rows)


def column_sums(rows: np.ndarray) -> np.ndarray:
    """Sum over the rows, as a product that BLAS does with all its threads."""
    return np.ones(len(rows), rows.dtype) @ rows


def _rows(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])
