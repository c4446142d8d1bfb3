"""From hidden states to scores, loss and regularisers, on packed rows and only for real targets."""
import numpy as np

from models.cells.cell import Image, Params
from rnnlayers.engine.kernels import softmax_loss
from rnnlayers.engine.packing import Packed
from rnnlayers.regions import real_regions
from rnnlayers.workspace import Allocator

CHUNK = 256                         # rows scored at a time where no gradient is needed


def vocabulary_loss(p: Params, h: np.ndarray, packed: Packed, N: int, keep_h: np.ndarray | None, smoothing: float,
                    workspace: Allocator) -> tuple[float, float, np.ndarray, Params]:
    """Scores, softmax, loss and their gradients in one buffer.

    h (M, H); keep_h (M, H): dropout mask or None -> the course's loss of N captions, `smoothing` times
    rnnlayers.softmax.label_smoothing_penalty, dh (M, H), gradients of W_vocab and b_vocab.
    """
    if keep_h is not None:
        h = np.multiply(h, keep_h, out=workspace("h dropped", h.shape, h.dtype))
    every = isinstance(packed.scored, slice)
    scored, targets = h if every else h[packed.scored], packed.targets[packed.scored]
    z = np.matmul(scored, p["W_vocab"], out=workspace("scores", (len(scored), len(p["b_vocab"])), h.dtype))
    grads = {name: workspace(f"d{name}", p[name].shape, h.dtype) for name in ("W_vocab", "b_vocab")}
    smooth = _smoothing(z, p["b_vocab"], targets) * smoothing / N if smoothing else 0.0
    loss = softmax_loss(z, p["b_vocab"], targets, N, grads["b_vocab"])
    if smoothing:
        _smooth(z, grads["b_vocab"], targets, smoothing / N)
    np.matmul(scored.T, z, out=grads["W_vocab"])
    dh = workspace("dh", h.shape, h.dtype)
    if every:
        np.matmul(z, p["W_vocab"].T, out=dh)
    else:
        dh[:] = 0
        dh[packed.scored] = z @ p["W_vocab"].T
    if keep_h is not None:
        dh *= keep_h
    return loss, smooth, dh, grads


def vocabulary_likelihood(p: Params, h: np.ndarray, packed: Packed, workspace: Allocator) -> float:
    """Total -log p of the scored targets, in nats."""
    h, targets, total, unused = h[packed.scored], packed.targets[packed.scored], 0.0, np.empty_like(p["b_vocab"])
    for start in range(0, len(h), CHUNK):
        part = h[start:start + CHUNK]
        z = np.matmul(part, p["W_vocab"], out=workspace("chunk", (len(part), len(p["b_vocab"])), h.dtype))
        total += softmax_loss(z, p["b_vocab"], targets[start:start + CHUNK], 1, unused)
    return float(total)


def stochastic_penalty(attention: np.ndarray | None, image: Image, packed: Packed, N: int, weight: float,
                       workspace: Allocator) -> tuple[float, np.ndarray | None]:
    """`weight` times rnnlayers.additive_attention.doubly_stochastic_penalty, and its gradient.

    attention (M, L), or None for a cell that does not attend; image: in packed order -> penalty, dattention (M, L) or
    None.
    """
    if attention is None:
        return 0.0, None
    dattention = workspace("dattention", attention.shape, attention.dtype)
    dattention[:] = 0
    if not weight:
        return 0.0, dattention
    used = np.zeros((len(attention), 1), attention.dtype)
    used[packed.scored] = 1
    rest = np.ones((N, attention.shape[1]), attention.dtype)        # one minus each region's attention; 0 at padding
    rest[~real_regions("penalty", image.counts, *rest.shape)] = 0
    for s, e in packed.steps:
        rest[:e - s] -= used[s:e] * attention[s:e]
    for s, e in packed.steps:
        dattention[s:e] = used[s:e] * rest[:e - s] * (-2 * weight / N)
    return float(weight * (rest**2).sum() / N), dattention


def _smoothing(z: np.ndarray, b: np.ndarray, targets: np.ndarray) -> float:
    """rnnlayers.softmax.label_smoothing_penalty times N, from scores z (M, V) without their bias b (V,)."""
    chosen = z[np.arange(len(z)), targets] + b[targets]
    return float(chosen.sum(dtype=np.float64) - z.mean(axis=1).sum(dtype=np.float64) - len(z) * b.mean())


def _smooth(z: np.ndarray, db: np.ndarray, targets: np.ndarray, weight: float) -> None:
    """Add the gradient of weight times _smoothing to z (M, V) and to that of the bias (V,)."""
    share = z.dtype.type(weight / len(db))
    z -= share
    z[np.arange(len(z)), targets] += z.dtype.type(weight)
    db += weight * np.bincount(targets, minlength=len(db)) - len(z) * share
