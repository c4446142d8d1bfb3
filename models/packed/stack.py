"""What stacks of layers on packed rows share: models.cells.stack."""
import numpy as np

from models.cells.attending import LAYER, AttendingLSTM
from models.cells.cell import Params, take
from models.cells.stack import Arrays, States, grads_of_layer, of_layer
from models.dropout import Dropout
from models.packed.cell import packed_mask
from models.packed.projection import project, rows
from rnnlayers.engine.packing import Packed
from rnnlayers.engine.recurrent import Loop
from rnnlayers.engine.upper import Above
from rnnlayers.workspace import Allocator, allocate, within


def carried_letters(num_layers: int, states: int) -> tuple[str, ...]:
    """Shapes in letters of what a State carries: models.cells.stack.carried_of."""
    return ("N H",) * (states - 1 if num_layers == 1 else num_layers * states)


def layer_place(workspace: Allocator, k: int) -> Allocator:
    """Where layer k keeps its arrays."""
    return within(workspace, f"layer{k}.") if k else workspace


def mask_between(k: int, width: int, dtype: np.dtype, dropout: Dropout, packed: Packed, workspace: Allocator
                 ) -> np.ndarray | None:
    """The dropout mask of layer k's input, (M, width); None where nothing drops."""
    return packed_mask((*packed.shape, width), dropout.rng, dropout.share, dtype, f"keep of layer {k}", packed,
                       workspace)


def dropped(y: np.ndarray, keep: np.ndarray | None, workspace: Allocator) -> np.ndarray:
    """y times its mask."""
    return y if keep is None else np.multiply(y, keep, out=workspace("u", y.shape, y.dtype))


def step_above(loop: Loop, p: Params, first: Arrays, states: States, residual: bool) -> tuple[np.ndarray, States]:
    """One word through the layers above layer 0.

    first: the states of layer 0 after the word; states: those of each layer before it -> output (n, H) of the last
    layer, the states of each layer after the word.
    """
    y, after = first[0], [first]
    for k in range(1, len(states)):
        layer, words = of_layer(p, k, ("Wx", "b", *loop.weights)), rows(y)
        new = loop.step(project(layer, words, allocate), words.row_of, states[k], take(layer, loop.weights))
        y = new[0] + y if residual else new[0]
        after.append(new)
    return y, after


def lstms_above(cell: AttendingLSTM, p: Params, dropout: Dropout, packed: Packed, workspace: Allocator) -> Above:
    """What a loop that attends needs of the layers above layer 0."""
    (H, _), dtype, layers = p["Wh"].shape, p["Wh"].dtype, range(1, cell.num_layers)
    weights = [take(of_layer(p, k, LAYER), LAYER) for k in layers]
    keeps = [mask_between(k, H, dtype, dropout, packed, workspace) for k in layers]
    return Above([(Wx, Wh, b) for Wx, Wh, b in weights], keeps, cell.residual)


def grads_above(dlayers: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Params:
    """Gradients of the layers above layer 0 by their names in the cell."""
    return {name: dw for k, dlayer in enumerate(dlayers, 1)
            for name, dw in grads_of_layer(k, dict(zip(LAYER, dlayer))).items()}
