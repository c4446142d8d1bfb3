"""Log-sum-exp of one word's scores at a time, in two loops that skip what is masked."""
import numpy as np

TASKS = ["1.3"]


def _log_probs(scores):
    shifted = scores - np.max(scores)
    return shifted - np.log(np.sum(np.exp(shifted)))


def temporal_softmax_loss(x, y, mask, verbose=False):
    N, T, V = x.shape
    loss = 0.0
    dx = np.zeros_like(x)
    for n in range(N):
        for t in range(T):
            if not mask[n, t]:
                continue
            logp = _log_probs(x[n, t])
            loss = loss - logp[y[n, t]] / N
            dx[n, t] = np.exp(logp) / N
            dx[n, t, y[n, t]] -= 1.0 / N
    return loss, dx
