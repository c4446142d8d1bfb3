"""No keepdims but None axes, a one-hot of the targets, sums over all axes at once; the loss in float64."""
import numpy as np

TASKS = ["1.3"]


def temporal_softmax_loss(x, y, mask, verbose=False):
    N, T, V = x.shape
    shifted = x - np.amax(x, axis=-1)[:, :, None]
    logp = shifted - np.log(np.exp(shifted).sum(-1))[:, :, None]
    target = np.zeros((N, T, V))
    target[np.arange(N)[:, None], np.arange(T)[None, :], y] = 1
    target = target * mask[..., None]
    loss = -(target * logp).sum() / N
    dx = (np.exp(logp) * mask[..., None] - target) / N
    return loss, dx
