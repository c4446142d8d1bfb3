"""Wrong backwards of the layers in strangers.py: mistakes that people make in layers which are not ours."""
from scripts.course.mutants import Mutant

GRU_CARRY = "dh = dh * (1 - z) + dz @ Uz.T + dr @ Ur.T + drh * r"
GRU_ADD = "grads[k] += part"
SCORES = "ds = p * (dp - (dp * p).sum(-1, keepdims=True))"
LAYER_DX = "dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)"

STRANGE = [
    Mutant("batch_norm", "path through the variance dropped", "dvar * 2 * centred / N + ", "", "path",
           words="the variance is dropped"),
    Mutant("batch_norm", "path through the mean dropped", " + dmu / N", "", "path", words="the mean is dropped"),
    Mutant("batch_norm", "sums for means over the batch", "dvar * 2 * centred / N + dmu / N",
           "dvar * 2 * centred + dmu", "path", words="a sum where a mean belongs"),
    Mutant("batch_norm", "half of the variance's gradient", "dvar * 2 * centred", "dvar * centred", "path",
           words="variance is half"),
    Mutant("batch_norm", "dgamma from x - mean", "dgamma = np.sum(dout * xhat", "dgamma = np.sum(dout * centred",
           "parameter", words="takes x - mean"),

    Mutant("layer_norm", "scale outside the sums", LAYER_DX, f"dnorm = dout\n    {LAYER_DX} * 1\n    dx = scale * dx",
           "parameter", words="scale stands outside the sums"),
    Mutant("layer_norm", "scale left out", "dnorm = dout * scale", "dnorm = dout", "parameter",
           words="factor scale is missing"),
    Mutant("layer_norm", "path through the mean dropped", " - dnorm.mean(-1, keepdims=True)", "", "path",
           words="the mean is dropped"),
    Mutant("layer_norm", "dscale a mean over two axes", "(dout * norm).sum((0, 1))", "(dout * norm).mean((0, 1))",
           "factor", words="1/10, the length of axis N times axis T, a mean where a sum belongs"),

    Mutant("conv", "reshape for the transpose", "dflat = dout.transpose(0, 2, 3, 1).reshape(-1, F)",
           "dflat = dout.reshape(-1, F)", "transpose", words="reshaped where its axes belong transposed"),
    Mutant("conv", "windows assigned", "k] += cols[:, i, j]", "k] = cols[:, i, j]", "assigned",
           words="assigned instead of accumulated"),
    Mutant("conv", "db a mean over three axes", "db = dout.sum(axis=(0, 2, 3))", "db = dout.mean(axis=(0, 2, 3))",
           "factor", words="a mean where a sum belongs"),
    Mutant("conv", "padding cut at one side", "return x[:, :, pad:pad + H, pad:pad + W]", "return x[:, :, :H, :W]",
           "padding", words="cut off at one side"),

    Mutant("max_pool", "every entry of the window", "mask = x[window] == out", "mask = 1 + 0 * out", "maximum",
           words="every entry of a window"),
    Mutant("max_pool", "windows assigned", "dx[window] += mask", "dx[window] = mask", "assigned",
           words="assigned instead of accumulated"),
    Mutant("max_pool", "upstream ignored", "mask * dout[:, :, i, j, None, None]", "mask", "upstream",
           words="upstream gradient is ignored"),

    Mutant("gru_net", "derivative of gate z missing", "(c - h) * z * (1 - z)", "(c - h)", "derivative", words="gate z"),
    Mutant("gru_net", "recurrence dropped", GRU_CARRY, f"{GRU_CARRY} if t == 0 else 0 * h", "recurrence",
           words="later steps"),
    Mutant("gru_net", "direct path forgotten", GRU_CARRY, "dh = dz @ Uz.T + dr @ Ur.T + drh * r", "hidden state",
           words="direct path"),
    Mutant("gru_net", "gradients assigned", GRU_ADD, "grads[k][...] = part", "one step", words="assigned"),
    Mutant("gru_net", "reset gate forgotten", "drh * r\n", "drh\n", "hidden state", words="factor r"),

    Mutant("multi_head", "softmax's diagonal alone", SCORES, "ds = p * (1 - p) * dp", "softmax", words="diagonal"),
    Mutant("multi_head", "1 / sqrt(d) missing", "ds = ds * d ** -0.5", "pass", "factor", words=r"sqrt\(4\)"),
    Mutant("multi_head", "heads merged by a reshape", "dmerged.reshape(N, T, heads, d).transpose(0, 2, 1, 3)",
           "dmerged.reshape(N, heads, T, d)", "transpose", words="reshaped where the axes belong transposed"),
    Mutant("multi_head", "values forgotten in dx", "dk @ Wk.T + dv @ Wv.T", "dk @ Wk.T", "path", words="values"),

    Mutant("lookup", "assigned", "dtable[i] += d[k]", "dtable[i] = d[k]", "assigned", words="assigned"),
    Mutant("lookup", "averaged over the batch", "dtable * np.sqrt", "dtable / len(ids) * np.sqrt", "factor",
           words="a mean where a sum belongs"),
    Mutant("lookup", "sqrt(W) forgotten", "dtable * np.sqrt(shape[1]).astype(dout.dtype)", "dtable", "factor",
           words=r"sqrt\(4\)"),

    Mutant("cross_entropy", "not divided by N", "d / n * dloss", "d * dloss", "factor", words="a sum where a mean"),
    Mutant("cross_entropy", "one-hot forgotten", "d[np.arange(n), labels] -= 1", "pass", "softmax", words="one-hot"),
    Mutant("cross_entropy", "upstream ignored", "d / n * dloss", "d / n", "upstream", words="upstream gradient is ign"),
    Mutant("cross_entropy", "twice", "d / n * dloss", "2 * d / n * dloss", "factor", words="2 times"),
]
