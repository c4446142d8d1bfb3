"""Wrong backwards of the transformer's layers, in the form of scripts/course/mutants.py."""
from scripts.course.mutants import Mutant

GELU = "return dout * (phi + small * np.exp(-small * small / 2) / math.sqrt(2 * math.pi))"
TANH = ("r = math.sqrt(2 / math.pi); t = np.tanh(r * (x + 0.044715 * x**3))\n"
        "    return dout * ((1 + t) / 2 + x / 2 * (1 - t**2) * r * (1 + 3 * 0.044715 * x**2))")
SIGMOID = "s = sigmoid(1.702 * x)\n    return dout * s * (1 + 1.702 * x * (1 - s))"
MEAN, VARIANCE = " - dnormal.mean(axis=-1, keepdims=True)", " - normal * along"
STD, NORMAL = ") / std        # and", "dnormal = gamma * dout "
SOFTMAX = "softmax_backward(dweights, weights)"
SCALE = "weights) / math.sqrt(q.shape[-1])"
JOIN, GRADS = "temporal_affine_backward(join_heads(dhead), projection)", "return *dinputs, *dweights, dWo, dbo"
KEEP = "dweights, kept = dweights * keep, weights * keep"
POST, PRE = "dx = dsum + dy ", "dx = dout + dy "
SELF, MEMORY = "return dquery + dkey + dvalue, None", "return dquery, dkey + dvalue, dict"
ACTIVE = "ACTIVATIONS[cache.activation][1](_dropped(dhidden, cache.keep), cache.active)"
PATCHES = "dpatches.reshape(N, H // p, W // p, C, p, p).transpose(0, 3, 1, 4, 2, 5)"
ATTENTION, CAUSAL, DECODER = "multihead_attention", "multihead_attention, causal", "decoder_layer"
DROPOUT, PRE_NORM, ENCODER = "multihead_attention, with dropout", "decoder_layer, pre norm", "encoder_layer"

TRANSFORMER = [
    Mutant("relu", "mask from dout", "cache.real > 0, dout", "dout.real > 0, dout", "contract"),
    Mutant("relu", "mask inverted", "cache.real > 0, dout", "cache.real <= 0, dout", "derivative", words="inverted"),
    Mutant("relu", "mask forgotten", "cache.real > 0, dout", "cache.real < np.inf, dout", "derivative"),

    Mutant("gelu", "without the density", GELU, "return dout * phi", "derivative", words=r"lacks the term x phi\(x\)"),
    Mutant("gelu", "the density alone", GELU, GELU.replace("phi + ", ""), "derivative", words=r"lacks the term Phi"),
    Mutant("gelu", "the density without x", GELU, GELU.replace("small * np.exp", "np.exp"), "derivative",
           words=r"phi\(x\) where x phi\(x\)"),
    Mutant("gelu", "sqrt(2 pi) forgotten", GELU, GELU.replace(" / math.sqrt(2 * math.pi)", ""), "derivative",
           words=r"1 / sqrt\(2 pi\) is missing"),
    Mutant("gelu", "derivative of the approximation by tanh", GELU, TANH, "derivative", words="approximation by tanh"),
    Mutant("gelu", "derivative of the approximation by a sigmoid", GELU, SIGMOID, "derivative", words="sigmoid"),

    Mutant("layernorm", "path through the mean dropped", MEAN, "", "path", words="the mean is dropped"),
    Mutant("layernorm", "path through the variance dropped", VARIANCE, "", "path", words="the variance is dropped"),
    Mutant("layernorm", "both paths dropped", MEAN + VARIANCE, "", "path", words="mean and the variance is dropped"),
    Mutant("layernorm", "dgamma without the normalised x", "(dout * normal).sum(axis=leading)",
           "dout.sum(axis=leading)", "exchanged"),
    Mutant("layernorm", "dbeta a mean", ", dout.sum(axis=leading)", ", dout.mean(axis=leading)", "factor",
           words="a mean where a sum belongs"),
    Mutant("layernorm", "gamma left out", NORMAL, "dnormal = dout ", "parameter", words="factor gamma is missing"),
    Mutant("layernorm", "eps left out", NORMAL, f"std = np.sqrt(std**2 - 1e-5); {NORMAL}", "path",
           words=r"eps is left out of 1 / sqrt\(variance \+ eps\)$"),
    Mutant("layernorm", "not divided by the deviation", STD, ")        # and", "path",
           words=r"1 / sqrt\(variance \+ eps\) is missing"),
    Mutant("layernorm", "divided by the variance", STD, ") / std**2        # and", "path", words="the square of 1"),
    Mutant("layernorm", "a mean over time", "along = (dnormal * normal).mean(axis=-1",
           "along = (dnormal * normal).mean(axis=1", "path", words="variance takes its sum over axis 1"),

    Mutant(ATTENTION, "scale forgotten", SCALE, "weights)", "factor", words=r"1 / sqrt\(3\) of the scores is missing"),
    Mutant(ATTENTION, "scale by all columns", SCALE, "weights) / math.sqrt(q.shape[1] * q.shape[-1])", "factor",
           words="that of one head"),
    Mutant(ATTENTION, "scale twice", SCALE, "weights) / q.shape[-1]", "factor", words="applied twice"),
    Mutant(ATTENTION, "scale forgotten for the keys", "dscores.swapaxes(-1, -2) @ q, dv",
           "dscores.swapaxes(-1, -2) @ q * math.sqrt(q.shape[-1]), dv", "factor",
           words="missing in the gradient of the keys"),
    Mutant(ATTENTION, "softmax over the queries", SOFTMAX,
           "(weights * (dweights - (dweights * weights).sum(axis=-2, keepdims=True)))", "softmax", words="axis 2, exp"),
    Mutant(ATTENTION, "softmax without the sum", SOFTMAX, "(weights * dweights)", "softmax", words="sum over the row"),
    Mutant(ATTENTION, "softmax's diagonal alone", SOFTMAX, "(weights * (1 - weights) * dweights)", "softmax",
           words="diagonal"),
    Mutant(ATTENTION, "softmax's derivative forgotten", SOFTMAX, "(lambda d, p: d)(dweights, weights)", "softmax",
           words="is missing"),
    Mutant(ATTENTION, "heads interleaved on the way in", "split_heads(dmixed, cache.heads.q.shape[1])",
           "dmixed.reshape(*dmixed.shape[:2], -1, cache.heads.q.shape[1]).transpose(0, 3, 1, 2)", "heads",
           words="output's columns"),
    Mutant(ATTENTION, "heads interleaved on the way out", JOIN, JOIN.replace(
           "join_heads(dhead)", "dhead.transpose(0, 2, 3, 1).reshape(*dhead.shape[:3:2], -1)"), "heads",
           words="queries, keys and values are put together"),
    Mutant(ATTENTION, "heads reshaped for transposed", JOIN, JOIN.replace(
           "join_heads(dhead)", "dhead.reshape(len(dhead), dhead.shape[2], -1)"), "transpose"),
    Mutant(ATTENTION, "values forgotten", "@ q, dv  ", "@ q, 0 * dv  ", "zero"),
    Mutant(ATTENTION, "queries and keys forgotten", "return dscores @ k, dscores", "return 0 * q, 0 * dscores", "zero"),
    Mutant(ATTENTION, "biases lost", "dweights += dparams", "dweights += [dparams[0], 0 * dparams[1]]", "zero"),
    Mutant(ATTENTION, "dWk and dWv exchanged", GRADS,
           "return *dinputs, *dweights[:2], *dweights[4:], *dweights[2:4], dWo, dbo", "exchanged"),
    Mutant(ATTENTION, "dkey and dvalue exchanged", GRADS,
           "return dinputs[0], *dinputs[:0:-1], *dweights, dWo, dbo", "exchanged"),
    Mutant(ATTENTION, "dbo a mean over the batch", GRADS, "return *dinputs, *dweights, dWo, dbo / len(dout)", "factor",
           words="a mean where a sum belongs"),
    Mutant(CAUSAL, "scores' gradient not transposed for the keys", "dscores.swapaxes(-1, -2) @ q", "dscores @ q",
           "transpose", words="gradient of the keys takes that of the scores"),
    Mutant(CAUSAL, "keys from the keys", "dscores.swapaxes(-1, -2) @ q", "dscores.swapaxes(-1, -2) @ k", "operand"),
    Mutant(CAUSAL, "weights not transposed for the values", "dv = kept.swapaxes(-1, -2) @", "dv = kept @", "transpose",
           words="gradient of the values takes the attention weights"),
    Mutant(CAUSAL, "mask on the wrong side", SCALE, f"weights) * (weights > 0).swapaxes(-1, -2){SCALE[8:]}", "padding",
           words="the mask is transposed"),
    Mutant("multihead_attention, a blocked row", "mask reversed", SCALE,
           f"weights) * (weights > 0)[..., ::-1]{SCALE[8:]}", "padding", words="reversed along the keys"),
    Mutant(DROPOUT, "dropout mask not reused", KEEP, "pass", "dropout", words="weights is missing on the way back"),
    Mutant(DROPOUT, "dropout mask not reused for the values", KEEP, "dweights = dweights * keep", "dropout",
           words="gradient of the values"),
    Mutant(DROPOUT, "dropout mask not reused for the weights", KEEP, "kept = weights * keep", "dropout",
           words="missing in the gradient of the attention weights"),
    Mutant(DROPOUT, "dropout mask on the scores", f"{KEEP}\n    dv = kept.swapaxes(-1, -2) @ dmixed\n    dscores = "
           f"{SOFTMAX}", f"kept = weights * keep\n    dv = kept.swapaxes(-1, -2) @ dmixed\n    dscores = {SOFTMAX} * "
           "(1 if keep is None else keep)", "dropout", words="multiplies the gradient of the scores"),

    Mutant("feed_forward", "derivative missing", ACTIVE, "_dropped(dhidden, cache.keep)", "derivative",
           words="derivative of gelu"),
    Mutant("feed_forward, relu", "derivative missing", ACTIVE, "_dropped(dhidden, cache.keep)", "derivative",
           words="derivative of relu"),

    Mutant(DECODER, "residuals dropped", POST, "dx = dy ", "residual", words="residual paths is dropped"),
    Mutant(PRE_NORM, "residuals dropped", PRE, "dx = dy ", "residual", words="residual paths is dropped"),
    *(Mutant(DECODER, f"residual dropped, {name}", POST, f"dx = dsum * (name != '{name}') + dy ", "residual",
             words=f"residual path around the {words} is dropped")
      for name, words in (("self", "self-attention"), ("cross", "attention to the memory"),
                          ("ffn", "feed-forward layer"))),
    Mutant(DECODER, "residuals behind the norm", POST, "dx = dout + dy ", "residual", words="behind the layer norm"),
    Mutant(DECODER, "sublayers' paths dropped", POST, "dx = dsum ", "residual", words="inside the residual sums"),
    Mutant(DECODER, "queries' use of x lost", SELF, "return dkey + dvalue, None", "path",
           words="path through the queries, in the self-attention"),
    Mutant(DECODER, "keys' use of x lost", SELF, "return dquery + dvalue, None", "path",
           words="path through the keys, in the self-attention"),
    Mutant(DECODER, "values' use of x lost", SELF, "return dquery + dkey, None", "path",
           words="path through the values, in the self-attention"),
    Mutant(DECODER, "memory as values alone", MEMORY, "return dquery, dvalue, dict", "path",
           words="path through the keys, in the attention to the memory"),
    Mutant(DECODER, "memory as keys alone", MEMORY, "return dquery, dkey, dict", "path",
           words="path through the values, in the attention to the memory"),
    Mutant(DECODER, "gradients of gamma and beta exchanged", "dsum, *dnormal = layernorm_backward(dout, cache.normal)",
           "dsum, *dnormal = layernorm_backward(dout, cache.normal); dnormal = dnormal[::-1]", "exchanged"),
    Mutant(PRE_NORM, "norm left out on the way back", "dy, *dnormal = layernorm_backward(dy,",
           "_, *dnormal = layernorm_backward(dy,", "path", words="normalisation and gamma are left out"),
    Mutant(ENCODER, "queries' use of x lost", SELF, "return dkey + dvalue, None", "path",
           words="path through the queries"),
    Mutant(ENCODER, "residuals dropped", POST, "dx = dy ", "residual", words="is dropped"),
    Mutant("decoder_layer, with dropout", "sublayers' dropout masks not reused",
           "inside(_dropped(dsum, cache.keep), cache.inside)", "inside(dsum, cache.inside)", ""),
    Mutant("decoder_layer, with dropout", "hidden units' dropout mask not reused", "_dropped(dhidden, cache.keep)",
           "dhidden", ""),

    Mutant("patch_embedding", "rows and columns of patches", PATCHES,
           "dpatches.reshape(N, W // p, H // p, C, p, p).transpose(0, 3, 2, 4, 1, 5)", "transpose",
           words="rows and columns of patches"),
    Mutant("patch_embedding", "rows and columns inside patches", PATCHES,
           PATCHES.replace("(0, 3, 1, 4, 2, 5)", "(0, 3, 1, 5, 2, 4)"), "transpose", words="inside each patch"),
    Mutant("patch_embedding", "channels last", PATCHES,
           "dpatches.reshape(N, H // p, W // p, p, p, C).transpose(0, 5, 1, 3, 2, 4)", "transpose",
           words="expected .C, patch, patch."),
    Mutant("patch_embedding", "reshape alone", PATCHES, "dpatches", "transpose"),
    Mutant("transformer_temporal_softmax_loss", "a sum over time", "return loss / T, dx / T", "return loss / T, dx",
           "factor", words="5, the length of axis T"),
]
