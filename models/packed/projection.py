"""The projection of a layer's input by Wx, before its time loop, and its gradients after it."""
import numpy as np

from models.cells.cell import Params
from models.packed.cell import Words, column_sums
from rnnlayers.engine.kernels import scatter_add
from rnnlayers.engine.products import times_transposed
from rnnlayers.workspace import Allocator


def project(p: Params, words: Words, workspace: Allocator) -> np.ndarray:
    """x Wx + b, once for each distinct input (U, G)."""
    x = np.matmul(words.vectors, p["Wx"], out=workspace("x Wx", (len(words.vectors), len(p["b"])), p["Wx"].dtype))
    x += p["b"]
    return x


def project_backward(p: Params, da: np.ndarray, words: Words, workspace: Allocator) -> tuple[np.ndarray, Params]:
    """Gradients of project from da (M, G), one row for each word -> dvectors (U, W), dWx and db."""
    if words.repeated:                                      # rows that share a vector share its gradient
        total = workspace("da of words", (len(words.vectors), da.shape[1]), da.dtype)
        scatter_add(da, words.row_of, total)
        da = total
    dvectors = times_transposed(da, p["Wx"], workspace("dx", (words.vectors.size,), da.dtype))
    dWx = np.matmul(words.vectors.T, da, out=workspace("dWx", p["Wx"].shape, da.dtype))
    return dvectors, {"Wx": dWx, "b": column_sums(da)}


def rows(u: np.ndarray) -> Words:
    """The input of a layer above the first, (M, H): no rows are the same."""
    return Words(u, np.arange(len(u)), False)
