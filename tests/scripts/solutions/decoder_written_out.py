"""Decoder and encoder layers written out sublayer by sublayer, with tuples as caches and a short name for each weight."""
TASKS = ["6.5"]


def attention_of(params, name):
    return [params[f"{name}.{key}"] for key in ("Wq", "bq", "Wk", "bk", "Wv", "bv", "Wo", "bo")]


def norm_of(params, name):
    return params[f"norm_{name}.gamma"], params[f"norm_{name}.beta"]


def named(name, keys, values):
    return {f"{name}.{key}": value for key, value in zip(keys, values)}


def sublayer_forward(x, inside, params, name, norm, keep):
    mask = keep.get(name, 1)
    if norm == "pre":
        y, norm_cache = layernorm_forward(x, *norm_of(params, name))
        y, cache = inside(y)
        return x + y * mask, (cache, norm_cache)
    y, cache = inside(x)
    out, norm_cache = layernorm_forward(x + y * mask, *norm_of(params, name))
    return out, (cache, norm_cache)


def layer_forward(x, memory, params, num_heads, attn_mask, memory_mask, norm, activation, keep):
    def self_attention(y):
        return multihead_attention_forward(y, y, y, *attention_of(params, "self"), num_heads, attn_mask,
                                           keep.get("self.weights"))

    def cross_attention(y):
        return multihead_attention_forward(y, memory, memory, *attention_of(params, "cross"), num_heads, memory_mask,
                                           keep.get("cross.weights"))

    def ffn(y):
        return feed_forward_forward(y, *(params[f"ffn.{key}"] for key in ("W1", "b1", "W2", "b2")), activation,
                                    keep.get("ffn.hidden"))
    caches = []
    for name, inside in (("self", self_attention), ("cross", cross_attention), ("ffn", ffn)):
        if name != "cross" or memory is not None:
            x, cache = sublayer_forward(x, inside, params, name, norm, keep)
            caches.append((name, keep.get(name, 1), *cache))
    return x, (caches, norm)


def layer_backward(dout, cache):
    caches, norm = cache
    grads, dmemory = {}, None
    for name, mask, inner, norm_cache in reversed(caches):
        if norm == "post":
            dout, dgamma, dbeta = layernorm_backward(dout, norm_cache)
        d = dout * mask
        if name == "ffn":
            dy, *weights = feed_forward_backward(d, inner)
            grads.update(named("ffn", ("W1", "b1", "W2", "b2"), weights))
        else:
            dq, dk, dv, *weights = multihead_attention_backward(d, inner)
            grads.update(named(name, ("Wq", "bq", "Wk", "bk", "Wv", "bv", "Wo", "bo"), weights))
            dy = dq
            if name == "self":
                dy = dq + dk + dv
            else:
                dmemory = dk + dv
        if norm == "pre":
            dy, dgamma, dbeta = layernorm_backward(dy, norm_cache)
        dout = dout + dy
        grads[f"norm_{name}.gamma"], grads[f"norm_{name}.beta"] = dgamma, dbeta
    return dout, dmemory, grads


def decoder_layer_forward(x, memory, params, num_heads, attn_mask=None, memory_mask=None, norm="post",
                          activation="gelu", keep=None):
    return layer_forward(x, memory, params, num_heads, attn_mask, memory_mask, norm, activation, keep or {})


def decoder_layer_backward(dout, cache):
    return layer_backward(dout, cache)


def encoder_layer_forward(x, params, num_heads, attn_mask=None, norm="post", activation="gelu", keep=None):
    return layer_forward(x, None, params, num_heads, attn_mask, None, norm, activation, keep or {})


def encoder_layer_backward(dout, cache):
    dx, _, grads = layer_backward(dout, cache)
    return dx, grads
