"""Wrong backwards, to test the checker: each is a module of rnnlayers with one piece of its source replaced."""
import importlib
import types
from pathlib import Path
from typing import NamedTuple

import rnnlayers
from gradcheck.suite import pair_of
from scripts.course import strangers


class Mutant(NamedTuple):
    pair: str                       # a line of gradcheck.suite.SHAPES
    name: str
    old: str                        # a line of source, or a part of one, that occurs once in the module
    new: str
    kind: str                       # of the expected diagnosis; "" for none, "contract" for a breach
    module: str = ""                # where `old` stands, for COURSE; that of the pair's forward if empty
    words: str = ""                 # a pattern that the sentence of the diagnosis has to contain


AFFINE_DX, AFFINE = "(dout @ w.T).reshape(np.shape(x))", "_rows(x).T @ dout, dout.sum(axis=0)"
TEMPORAL = "return (flat @ w.T).reshape(x.shape), x.reshape(N * T, D).T @ flat, flat.sum(axis=0)"
LOSS = "dx = np.where(counts[:, None], dx, 0) / N"
STEP = "return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)"
TANH = "da = dnext_h * (1 - next_h**2)"
RNN_LOOP = "dx_t, dprev_h, *dstep = rnn_step_backward(dh[:, t] + dprev_h, cache[t])"
LSTM_DC = "dc = dnext_c + dnext_h * o * (1 - tanh_c**2)"
LSTM_GATES = "di, df, do, dg = dc * g, dc * prev_c, dnext_h * tanh_c, dc * i"
LSTM_DA = "np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])"
LSTM_GRADS = "grads = da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)"
LSTM_LOOP = "lstm_step_backward(dh[:, t] + dprev_h, dprev_c, steps[t])"
GRU_LOOP = "gru_step_backward(dh[:, t] + dprev_h, cache[t])"
GRU_GRADS = "return da @ Wx.T, dprev_h, x.T @ da, prev_h.T @ du, da.sum(axis=0), dm.sum(axis=0)"
GRU_GATES = "da_n * m * r * (1 - r), dz * z * (1 - z), da_n * r"
DOT_DA = "dA = dattn[:, :, None] * weights[:, None] + prev_h[:, :, None] * dscores[:, None]"
DOT_START, DOT_MEAN = "dA = dinputs[0] + mask_padding(", "dmean = (dprev_h + dprev_c) / counts"
SMOOTH = "np.full_like(x, -1 / (N * V))"
PENALTY = "-2 * used * rest[:, None] / N"
STACK, ADD = "np.stack(dx[::-1], axis=1)", "accumulate(dweights, dstep) "

MUTANTS = [
    Mutant("affine", "dw averaged over the batch", AFFINE, "_rows(x).T @ dout / len(dout), dout.sum(axis=0)", "factor"),
    Mutant("affine", "db a mean", AFFINE, "_rows(x).T @ dout, dout.mean(axis=0)", "factor"),
    Mutant("affine", "db of the last row", AFFINE, "_rows(x).T @ dout, dout[-1]", "one step"),
    Mutant("affine", "dw of the last row", AFFINE, "_rows(x)[-1:].T @ dout[-1:], dout.sum(axis=0)", "one step"),
    Mutant("affine", "dx with the wrong sign", AFFINE_DX, "-(dout @ w.T).reshape(np.shape(x))", "sign"),
    Mutant("affine", "dx filled in the wrong order", AFFINE_DX, "(w @ dout.T).reshape(np.shape(x))", "transpose"),
    Mutant("affine", "db zero", AFFINE, "_rows(x).T @ dout, 0 * b", "zero"),
    Mutant("affine", "dx off by 0.1 %", AFFINE_DX, "1.001 * (dout @ w.T).reshape(np.shape(x))", "factor"),
    Mutant("affine", "one entry of dw doubled", AFFINE,
           "_rows(x).T @ dout * (1 + (np.arange(w.size).reshape(w.shape) == 17)), dout.sum(axis=0)", ""),

    Mutant("temporal_affine", "db averaged over time", "flat.sum(axis=0)", "flat.sum(axis=0) / T", "factor"),
    Mutant("temporal_affine", "dw of the last step", "x.reshape(N * T, D).T @ flat", "x[:, -1].T @ dout[:, -1]",
           "one step"),
    Mutant("temporal_affine", "dx of the first step alone", TEMPORAL,
           "dx = (flat @ w.T).reshape(x.shape)\n    dx[:, 1:] = 0\n    return dx, x.reshape(N * T, D).T @ flat, "
           "flat.sum(axis=0)", "one step"),
    Mutant("temporal_affine", "dw with steps and rows mixed up", "x.reshape(N * T, D).T @ flat",
           "x.swapaxes(0, 1).reshape(N * T, D).T @ flat", ""),
    Mutant("temporal_affine", "dx reversed in time", "(flat @ w.T).reshape(x.shape)",
           "(flat @ w.T).reshape(x.shape)[:, ::-1]", "reversed"),
    Mutant("temporal_affine", "dx zero at the last step", TEMPORAL,
           "dx = (flat @ w.T).reshape(x.shape)\n    dx[:, -1] = 0\n    return dx, x.reshape(N * T, D).T @ flat, "
           "flat.sum(axis=0)", "missing"),

    Mutant("word_embedding", "assigned", "np.add.at(dW, x, dout) ", "dW[x] = dout #", "assigned"),
    Mutant("word_embedding", "added once for repeated words", "np.add.at(dW, x, dout) ", "dW[x] += dout #", "assigned"),
    Mutant("word_embedding", "averaged over the batch", "return dW", "return dW / len(x)", "factor"),
    Mutant("word_embedding", "mean over a word's places", "return dW",
           "return dW / np.maximum(1, np.bincount(x.ravel(), minlength=V))[:, None]", ""),
    Mutant("word_embedding", "zero", "np.add.at(dW, x, dout) ", "#", "zero"),
    Mutant("word_embedding", "a frequent word left out", "return dW", "dW[x[0, 0]] = 0\n    return dW", "missing"),
    Mutant("word_embedding", "words of the step before", "np.add.at(dW, x, dout) ",
           "np.add.at(dW, np.roll(x, 1, axis=1), dout) #", ""),

    Mutant("temporal_softmax_loss", "not divided by N", LOSS, "dx = np.where(counts[:, None], dx, 0)", "factor"),
    Mutant("temporal_softmax_loss", "divided by N T", LOSS, "dx = np.where(counts[:, None], dx, 0) / N / T", "factor"),
    Mutant("temporal_softmax_loss", "divided by the number of words", LOSS,
           "dx = np.where(counts[:, None], dx, 0) / max(1, counts.sum())", "factor"),
    Mutant("temporal_softmax_loss, a padded row", "mask left out", LOSS, "dx = dx / N", "padding"),
    Mutant("temporal_softmax_loss, a padded row", "mask inverted", LOSS,
           "dx = np.where(counts[:, None], 0, dx) / N", "padding"),
    Mutant("temporal_softmax_loss", "one hot left out", "dx[rows, columns] -= 1 ", "#", ""),
    Mutant("temporal_softmax_loss", "wrong sign", LOSS, "dx = np.where(counts[:, None], -dx, 0) / N", "sign"),
    Mutant("temporal_softmax_loss", "not normalised", "dx = e / total[:, None]", "dx = e.copy()", ""),

    Mutant("rnn_step", "derivative of tanh missing", TANH, "da = dnext_h", "derivative"),
    Mutant("rnn_step", "1 - h for 1 - h^2", TANH, "da = dnext_h * (1 - next_h)", "derivative"),
    Mutant("rnn_step", "a sigmoid's derivative", TANH, "da = dnext_h * next_h * (1 - next_h)", "derivative"),
    Mutant("rnn_step", "Wh for its transpose", STEP, STEP.replace("da @ Wh.T", "da @ Wh"), "transpose"),
    Mutant("rnn_step", "dWh transposed", STEP, STEP.replace("prev_h.T @ da", "da.T @ prev_h"), "transpose"),
    Mutant("rnn_step", "db a mean", STEP, STEP.replace("da.sum(axis=0)", "da.mean(axis=0)"), "factor"),
    Mutant("rnn_step", "derivative missing in dWx alone", STEP, STEP.replace("x.T @ da", "x.T @ dnext_h"),
           "derivative"),
    Mutant("rnn_step", "dWh from the next state", STEP, STEP.replace("prev_h.T @ da", "next_h.T @ da"),
           "hidden state"),

    Mutant("rnn", "recurrence dropped", RNN_LOOP, RNN_LOOP.replace("dh[:, t] + dprev_h", "dh[:, t]"), "recurrence"),
    Mutant("rnn", "Wh for its transpose", STEP, STEP.replace("da @ Wh.T", "da @ Wh"), "transpose"),
    Mutant("rnn", "weights assigned", ADD, "dweights = dstep #", "one step"),
    Mutant("rnn", "weights of the last step", ADD, "dweights = dweights or dstep #", "one step"),
    Mutant("rnn", "dx in the order of the loop", STACK, "np.stack(dx, axis=1)", "reversed"),
    Mutant("rnn", "dh0 zero", "axis=1), dprev_h, *dweights", "axis=1), 0 * dprev_h, *dweights", "zero"),
    Mutant("rnn", "weights averaged over time", "dprev_h, *dweights", "dprev_h, *(w / len(cache) for w in dweights)",
           "factor"),
    Mutant("rnn", "only the last upstream", "dx, dprev_h, dweights = [], np.zeros_like(cache[0].next_h), [] ",
           "dh = np.where(np.arange(len(cache))[:, None] == len(cache) - 1, dh, 0)\n"
           "    dx, dprev_h, dweights = [], np.zeros_like(cache[0].next_h), [] #", "one step"),
    Mutant("rnn", "dout edited in place", RNN_LOOP,
           "dh[:, t] += dprev_h; dx_t, dprev_h, *dstep = rnn_step_backward(dh[:, t], cache[t])", "contract"),

    Mutant("lstm_step", "dnext_c ignored", LSTM_DC, "dc = dnext_h * o * (1 - tanh_c**2)", "upstream"),
    Mutant("lstm_step", "dc without dnext_h", LSTM_DC, "dc = dnext_c", "upstream"),
    Mutant("lstm_step", "derivative of tanh(c) missing", LSTM_DC, "dc = dnext_c + dnext_h * o", "derivative"),
    Mutant("lstm_step", "derivative of gate o missing", "do * o * (1 - o)", "do", "derivative"),
    Mutant("lstm_step", "a sigmoid's derivative for g", "dg * (1 - g**2)", "dg * g * (1 - g)", "derivative"),
    Mutant("lstm_step", "gates in the order i, f, g, o", "do * o * (1 - o), dg * (1 - g**2)",
           "dg * (1 - g**2), do * o * (1 - o)", "block"),
    Mutant("lstm_step", "dprev_c without f", LSTM_GRADS, LSTM_GRADS.replace("dc * f", "dc"), "cell state"),
    Mutant("lstm_step", "cell state after the step", LSTM_GATES, "di, df, do, dg = dc * g, dc * (f * prev_c + i * g), "
           "dnext_h * tanh_c, dc * i", "cell state"),
    Mutant("lstm_step", "only gate i", LSTM_DA, "np.hstack([di * i * (1 - i), 0 * f, 0 * o, 0 * g])", "block"),
    Mutant("lstm_step", "gate f left out of db", LSTM_GRADS, LSTM_GRADS.replace(
        "da.sum(axis=0)", "np.hstack([da[:, :f.shape[1]], 0 * f, da[:, 2 * f.shape[1]:]]).sum(axis=0)"), "block"),
    Mutant("lstm_step", "gradients of the states exchanged", LSTM_GRADS,
           LSTM_GRADS.replace("da @ Wh.T, dc * f", "dc * f, da @ Wh.T"), "exchanged"),
    Mutant("lstm_step", "cache edited in place", LSTM_DC, "tanh_c **= 2; dc = dnext_c + dnext_h * o * (1 - tanh_c)",
           "contract"),
    Mutant("lstm_step, with attention", "dWattn from prev_h", "attn.T @ da)", "prev_h.T @ da)", "exchanged"),
    Mutant("lstm_step, with attention", "dattn with the wrong sign", "da @ Wattn.T", "-da @ Wattn.T", "sign"),

    Mutant("lstm", "recurrence through h dropped", LSTM_LOOP, "lstm_step_backward(dh[:, t], dprev_c, steps[t])",
           "recurrence"),
    Mutant("lstm", "recurrence through c dropped", LSTM_LOOP,
           "lstm_step_backward(dh[:, t] + dprev_h, 0 * dprev_c, steps[t])", "recurrence"),
    Mutant("lstm", "cell state after the step", LSTM_GATES, "di, df, do, dg = dc * g, dc * (f * prev_c + i * g), "
           "dnext_h * tanh_c, dc * i", "cell state"),
    Mutant("lstm, with a first cell state", "dc0 zero", "(*grads, dprev_c) if", "(*grads, 0 * dprev_c) if", "zero"),
    Mutant("lstm, with a first cell state", "dc0 for dh0", "(*grads, dprev_c) if",
           "(grads[0], dprev_c, *grads[2:], dprev_c) if", ""),
    Mutant("lstm", "weights assigned", ADD, "dweights = dstep #", "one step"),
    Mutant("lstm", "dx in the order of the loop", STACK, "np.stack(dx, axis=1)", "reversed"),
    Mutant("lstm", "derivative of gate f missing", "df * f * (1 - f)", "df", "derivative"),
    Mutant("lstm", "gates f and o exchanged", "df * f * (1 - f), do * o * (1 - o)",
           "do * o * (1 - o), df * f * (1 - f)", "block"),
    Mutant("lstm", "dprev_c without f", LSTM_GRADS, LSTM_GRADS.replace("dc * f", "dc"), "cell state"),
    Mutant("lstm", "gate f 0.1 % off in dWh", LSTM_GRADS, LSTM_GRADS.replace(
        "prev_h.T @ da", "prev_h.T @ (da * np.where(np.arange(da.shape[1]) // f.shape[1] == 1, 1.001, 1))"), "block"),

    Mutant("gru_step", "derivative of tanh missing", "da_n = dn * (1 - n**2) ", "da_n = dn #", "derivative"),
    Mutant("gru_step", "derivative of gate z missing", GRU_GATES, GRU_GATES.replace("dz * z * (1 - z)", "dz"),
           "derivative"),
    Mutant("gru_step", "derivatives of both gates missing", GRU_GATES, "da_n * m, dz, da_n * r", "derivative"),
    Mutant("gru_step", "the direct path forgotten", "du @ Wh.T + dnext_h * z ", "du @ Wh.T #", "hidden state"),
    Mutant("gru_step", "the reset gate forgotten on the way back", GRU_GATES,
           GRU_GATES.replace("(1 - z), da_n * r", "(1 - z), da_n"), "hidden state"),
    Mutant("gru_step", "the reset gate on prev_h", GRU_GATES, GRU_GATES.replace("da_n * m * r", "da_n * prev_h * r"),
           "hidden state"),
    Mutant("gru_step", "dz with the wrong sign", "dnext_h * (prev_h - n), ", "dnext_h * (n - prev_h), ", "sign"),
    Mutant("gru_step", "z and 1 - z exchanged", "dnext_h * (prev_h - n), dnext_h * (1 - z) ",
           "dnext_h * (prev_h - n), dnext_h * z ", ""),
    Mutant("gru_step", "gates in the order z, r, n", "np.hstack([da_r, da_z, da_n]), np.hstack([da_r, da_z, dm])",
           "np.hstack([da_z, da_r, da_n]), np.hstack([da_z, da_r, dm])", "block"),
    Mutant("gru_step", "dWh from the inputs' gradient", GRU_GRADS, GRU_GRADS.replace("prev_h.T @ du", "prev_h.T @ da"),
           ""),
    Mutant("gru_step", "dbn of the wrong gate", GRU_GRADS, GRU_GRADS.replace("dm.sum", "da_n.sum"), ""),
    Mutant("gru_step", "db a mean", GRU_GRADS, GRU_GRADS.replace("da.sum", "da.mean"), "factor"),
    Mutant("gru_step", "cache edited in place", "da_n = dn * (1 - n**2) ",
           "n **= 2; da_n = dn * (1 - n) #", "contract"),
    Mutant("gru", "recurrence dropped", GRU_LOOP, "gru_step_backward(dh[:, t], cache[t])", "recurrence"),
    Mutant("gru", "the direct path forgotten", "du @ Wh.T + dnext_h * z ", "du @ Wh.T #", "hidden state"),
    Mutant("gru", "weights assigned", "accumulate(dweights, dstep) ", "dweights = dstep #", "one step"),
    Mutant("gru", "dx in the order of the loop", STACK, "np.stack(dx, axis=1)", "reversed"),
    Mutant("gru", "dh0 zero", "axis=1), dprev_h, *dweights", "axis=1), 0 * dprev_h, *dweights", "zero"),

    Mutant("dot_product_attention", "softmax backward dropped", "softmax_backward(da, weights) /", "da /", ""),
    Mutant("dot_product_attention", "sqrt(H) missing", "softmax_backward(da, weights) / math.sqrt",
           "softmax_backward(da, weights) / (lambda H: 1)", "factor"),
    Mutant("dot_product_attention", "dweights ignored", "da = da + dweights.reshape(weights.shape)", "pass",
           "upstream"),
    Mutant("dot_product_attention", "A as values alone", DOT_DA, "dA = dattn[:, :, None] * weights[:, None] #", ""),
    Mutant("dot_product_attention", "A as keys alone", DOT_DA, "dA = prev_h[:, :, None] * dscores[:, None] #", ""),
    Mutant("dot_product_attention", "dprev_h with the wrong sign", "return dprev_h, dA", "return -dprev_h, dA", "sign"),
    Mutant("attention", "dA not accumulated over time", "accumulate(dinputs, [dA_t])", "dinputs = [dA_t]", ""),
    Mutant("attention", "gradient of the query forgotten", "dprev_h = dprev_h + dh_attn ", "dprev_h = dprev_h #", ""),
    Mutant("attention", "weights of the wrong step", "dot_product_attention_backward(dattn, attentions[t])",
           "dot_product_attention_backward(dattn, attentions[t - 1])", ""),
    Mutant("attention", "the start from A forgotten", DOT_START, "dA = dinputs[0] + 0 * mask_padding(", ""),
    Mutant("attention", "c0 forgotten", DOT_MEAN, DOT_MEAN.replace("dprev_h + dprev_c", "dprev_h"), ""),
    Mutant("attention", "a sum for the mean", DOT_MEAN, DOT_MEAN.replace(" / counts", ""), ""),
    Mutant("attention", "recurrence dropped", "dh[:, t] + dprev_h, dprev_c, steps[t]",
           "dh[:, t], dprev_c, steps[t]", ""),
    Mutant("attention", "dWattn and dWh exchanged", "[dWx, dWh, dWattn, db]", "[dWx, dWattn, dWh, db]", "exchanged"),

    Mutant("additive_attention", "derivative of tanh missing", "* v * (1 - s**2)", "* v", ""),
    Mutant("additive_attention", "softmax backward dropped", "de = softmax_backward(dweights + (A @ dz[:, :, None])"
           "[:, :, 0], weights)", "de = dweights + (A @ dz[:, :, None])[:, :, 0]", ""),
    Mutant("additive_attention", "derivative of gate missing", "dcontext * z * beta * (1 - beta)", "dcontext * z", ""),
    Mutant("additive_attention", "gate forgotten in dz", "dz = dcontext * beta", "dz = dcontext", ""),
    Mutant("additive_attention", "query a mean over regions", "dkeys.sum(axis=1)", "dkeys.mean(axis=1)", "factor"),
    Mutant("additive_attention", "dweights ignored", "softmax_backward(dweights + (A", "softmax_backward((A",
           "upstream"),
    Mutant("additive_attention", "gate left out of dprev_h", "dquery @ Wq.T + dgate @ Wbeta.T", "dquery @ Wq.T", ""),
    Mutant("bahdanau", "dA not accumulated over time", "accumulate(inputs, [dA, dkeys])", "inputs = [dA, dkeys]", ""),
    Mutant("bahdanau", "keys forgotten in dA", "dA + dA_keys", "dA", ""),
    Mutant("bahdanau", "gradient of the query forgotten", "dprev_h = dprev_h + dh_attn ", "dprev_h = dprev_h #", ""),
    Mutant("bahdanau", "weights of the wrong step", "dweights[:, t], attentions[t]",
           "dweights[:, t], attentions[t - 1]", ""),
    Mutant("bahdanau", "gradient of the maps forgotten", "dweights[:, t], attentions[t]",
           "0 * dweights[:, t], attentions[t]", "upstream"),
    Mutant("bahdanau", "gradient of the maps of the wrong step", "dweights[:, t], attentions[t]",
           "dweights[:, t - 1], attentions[t]", ""),
    Mutant("bahdanau", "dc0 zero", "dprev_h, dprev_c, dA +", "dprev_h, 0 * dprev_c, dA +", "zero"),
    Mutant("initial_state", "derivative of tanh missing", "dc0 * (1 - c0**2)", "dc0", "derivative"),
    Mutant("initial_state", "cell path forgotten", "dfeatures_h + dfeatures_c", "dfeatures_h", "upstream"),
    Mutant("initial_state", "states exchanged", "(cache_h, h0), (cache_c, c0) = cache",
           "(cache_c, c0), (cache_h, h0) = cache", ""),
    Mutant("doubly_stochastic_penalty", "gradient missing", PENALTY, "0 * used * rest[:, None] / N", "zero"),
    Mutant("doubly_stochastic_penalty", "2 forgotten", PENALTY, "-used * rest[:, None] / N", "factor"),
    Mutant("doubly_stochastic_penalty", "wrong sign", PENALTY, "2 * used * rest[:, None] / N", "sign"),
    Mutant("doubly_stochastic_penalty, a padded row",
           "mask left out", PENALTY, "-2 * (0 * used + 1) * rest[:, None] / N", "padding"),
    Mutant("doubly_stochastic_penalty", "not divided by N", PENALTY, "-2 * used * rest[:, None]", "factor"),
    Mutant("label_smoothing_penalty", "mean forgotten", SMOOTH, "np.full_like(x, 0)", ""),
    Mutant("label_smoothing_penalty", "the target's score forgotten", "dx[n, t, y] += ", "dx[n, t, y] += 0 * ", ""),
    Mutant("label_smoothing_penalty", "sum for mean", SMOOTH, "np.full_like(x, -1 / N)", ""),
    Mutant("label_smoothing_penalty, a padded row", "mask left out", "penalty, np.where(mask[:, :, None], dx, 0)",
           "penalty, dx", "padding"),
]


def home(title):
    """The module of a pair: rnnlayers, or that of the layers which are not ours."""
    return strangers if title in strangers.SHAPES else rnnlayers


def pair_with(mutant):
    """Forward and the wrong backward. Raises ValueError if the source no longer has the line."""
    title = mutant.pair.partition(", ")[0]
    forward, _ = pair_of(title, home(title))
    original = importlib.import_module(forward.__module__)
    source = Path(original.__file__).read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise ValueError(f"mutant {mutant.name!r} of {mutant.pair}: {mutant.old!r} stands {source.count(mutant.old)} "
                         f"times in {original.__name__}, expected once: adapt the catalogue")
    module = types.ModuleType(f"{original.__name__} with {mutant.name}")
    exec(compile(source.replace(mutant.old, mutant.new), module.__name__, "exec"), module.__dict__)
    return pair_of(title, module)
