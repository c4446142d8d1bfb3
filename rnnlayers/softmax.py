"""Softmax, and the softmax loss of a sequence of words."""
import numpy as np

from rnnlayers.shapes import Array, check_ids, check_shapes


def softmax(x: Array) -> Array:
    """Softmax over the last axis, exp(x) / sum of exp(x), without overflow. x (..., L) -> the same shape and dtype."""
    # BEGIN SOLUTION 4.1
    e = np.exp(x - x.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
    # END SOLUTION 4.1


def softmax_backward(dout: Array, out: Array) -> Array:
    """Gradient of softmax: dout and out (..., L), what softmax returned -> dx (..., L)."""
    # BEGIN SOLUTION 4.1
    return out * (dout - (dout * out).sum(axis=-1, keepdims=True))
    # END SOLUTION 4.1


def temporal_softmax_loss(x: Array, y: Array, mask: Array, verbose: bool = False) -> tuple[np.floating, Array]:
    """Cross entropy of the next word, summed over time and averaged over the batch.

    loss = -1/N sum over n, t of mask[n, t] log softmax(x[n, t])[y[n, t]], by the log-sum-exp of the scores.
    x (N, T, V) scores, y integer (N, T) word ids, mask bool (N, T): which targets count -> loss, dx (N, T, V).
    Ids under a False mask are ignored. Raises ValueError on shapes, on ids outside 0..V-1, and on a mask with values
    other than zeros and ones.
    """
    y, mask = np.asarray(y), _boolean("temporal_softmax_loss", mask)
    check_shapes("temporal_softmax_loss", x=(x, "N T V"), y=(y, "N T"), mask=(mask, "N T"))
    N, T, V = x.shape
    y = np.where(mask, y, 0)
    check_ids("temporal_softmax_loss", "y", y, V)
    # BEGIN SOLUTION 1.3: finds loss, and dx as (N T, V) or (N, T, V); y is 0 where mask is False
    rows, columns = np.arange(N * T), y.reshape(N * T)
    z = (x - x.real.max(axis=2, keepdims=True)).reshape(N * T, V)     # the largest score is 0: no exp overflows
    e = np.exp(z)
    total = e.sum(axis=1)
    counts = mask.reshape(N * T)
    loss = np.where(counts, np.log(total) - z[rows, columns], 0).sum() / N
    dx = e / total[:, None]
    dx[rows, columns] -= 1                                             # d loss / d x = softmax - one hot
    dx = np.where(counts[:, None], dx, 0) / N
    # END SOLUTION 1.3
    if verbose:
        print("dx_flat: ", dx.shape)
    return loss, dx.reshape(N, T, V)


def transformer_temporal_softmax_loss(x: Array, y: Array, mask: Array) -> tuple[np.floating, Array]:
    """temporal_softmax_loss as the course's transformer has it: the mean over all N T words, those masked too.

    loss = -1/(N T) sum over n, t of mask[n, t] log softmax(x[n, t])[y[n, t]]

    x (N, T, V) scores, y integer (N, T), mask bool (N, T): which targets count -> loss, dx (N, T, V).
    Raises ValueError as temporal_softmax_loss does, and on T = 0.
    """
    if np.ndim(x) == 3 and x.shape[1] < 1:
        raise ValueError(f"transformer_temporal_softmax_loss: x is {x.shape}, expected (N, T, V) with T >= 1")
    # BEGIN SOLUTION 6.6
    loss, dx = temporal_softmax_loss(x, y, mask)
    T = x.shape[1]
    return loss / T, dx / T
    # END SOLUTION 6.6


def label_smoothing_penalty(x: Array, y: Array, mask: Array) -> tuple[np.floating, Array]:
    """How far the scores of the targets are above the mean score: a penalty on overconfidence.

    penalty = 1/N sum over n, t of mask[n, t] (x[n, t, y[n, t]] - mean over v of x[n, t, v])

    temporal_softmax_loss + eps penalty is the cross entropy with the target (1 - eps) one hot + eps/V, as the
    log-sum-exp of the scores is the same for all words. x (N, T, V) scores, y integer (N, T) word ids, mask bool (N, T)
    -> penalty, dx (N, T, V). Raises ValueError as temporal_softmax_loss does.
    Source: Szegedy et al. (2016), "Rethinking the Inception architecture", section 7.
    """
    y, mask = np.asarray(y), _boolean("label_smoothing_penalty", mask)
    check_shapes("label_smoothing_penalty", x=(x, "N T V"), y=(y, "N T"), mask=(mask, "N T"))
    N, T, V = x.shape
    y = np.where(mask, y, 0)
    check_ids("label_smoothing_penalty", "y", y, V)
    # BEGIN SOLUTION 5.5
    n, t = np.indices((N, T))
    penalty = np.where(mask, x[n, t, y] - x.mean(axis=2), 0).sum() / N
    dx = np.full_like(x, -1 / (N * V))                                 # the mean over v
    dx[n, t, y] += np.asarray(1 / N, x.dtype)                          # the target's own score
    return penalty, np.where(mask[:, :, None], dx, 0)
    # END SOLUTION 5.5


def _boolean(function: str, mask: Array) -> Array:
    mask = np.asarray(mask)
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError(f"{function}: mask has values other than 0 and 1, expected a bool array (N, T)")
    return mask.astype(bool)
