"""The captioning transformer with the course's names: tgt, memory, a lower triangular mask; its own tuple as cache."""
import numpy as np

TASKS = ["6.7"]


class Transformer:
    def forward(self, p, image, x, dropout=NO_DROPOUT):
        N, T, W = x.shape
        memory = self._memory(p, image)
        tgt = x + positional_encoding(T, W).astype(x.dtype)
        tgt, keep_x = drop(tgt, dropout.rng, dropout.input_share)
        tgt_mask = np.tril(np.ones((T, T)))
        memory_mask = np.broadcast_to(memory.seen[:, None, :], (N, T, memory.seen.shape[1]))
        layers = []
        for k in range(self.num_layers):
            masks = self._masks(dropout, tgt, memory.rows)
            tgt, layer = decoder_layer_forward(tgt, memory.rows, self.layer(p, k), self.num_heads, tgt_mask,
                                               memory_mask, norm=self.norm, activation=self.activation, keep=masks)
            layers.append(layer)
        tgt, final = self._final(p, tgt)
        weights = attention_weights(layers[-1].cross_attention.inside)
        return tgt, self.of_regions(weights), [layers, memory, keep_x, final]

    def backward(self, dh, dattention, cache):
        layers, memory, keep_x, final = cache
        grads = {}
        if final is not None:
            dh, grads["norm.gamma"], grads["norm.beta"] = layernorm_backward(dh, final)
        dmemories = []
        for k in range(self.num_layers - 1, -1, -1):
            dh, dmemory, dlayer = decoder_layer_backward(dh, layers[k])
            dmemories.append(dmemory)
            for name in dlayer:
                grads[f"layer{k}.{name}"] = dlayer[name]
        grads.update(self._memory_backward(sum(dmemories), memory))
        return dh * keep_x, grads
