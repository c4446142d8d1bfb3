"""The same captioners in PyTorch, as an experienced user writes them, for the benchmark.

Fused Adam, nn.LSTM where the cell allows it, projections of the picture outside the time loop, no step past the longest
caption. It needs `pip install -e ".[bench]"`.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


class Captioner(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, self.H = config, config.H
        self.embed, self.out = nn.Embedding(c.V, c.W), nn.Linear(c.H, c.V)
        make, self.run = PEERS.get(c.cell, (Captioner.make_plain, Captioner.plain))
        make(self, c)

    def make_plain(self, c):
        """nn.RNN, nn.LSTM or nn.GRU: PyTorch has these cells under the same names in capitals. Raises ValueError."""
        if not hasattr(nn, c.cell.upper()):
            raise ValueError(f"PyTorch has no nn.{c.cell.upper()} to compare with, leave out --peers")
        self.start = nn.Linear(c.D, c.H)
        self.rnn = getattr(nn, c.cell.upper())(c.W, c.H, c.layers, batch_first=True)

    def make_dot_product(self, c):
        self.project, self.step = nn.Linear(c.D, c.H), nn.LSTMCell(c.W + c.H, c.H)

    def make_additive(self, c):
        self.keys, self.query, self.energy = nn.Linear(c.D, c.H), nn.Linear(c.H, c.H), nn.Linear(c.H, 1)
        self.start_h, self.start_c = nn.Linear(c.D, c.H), nn.Linear(c.D, c.H)
        self.gate, self.step = nn.Linear(c.H, c.D), nn.LSTMCell(c.W + c.D, c.H)

    def make_transformer(self, c):
        self.project, self.out = nn.Linear(c.D, c.W), nn.Linear(c.W, c.V)
        self.layers = nn.ModuleList(nn.TransformerDecoderLayer(c.W, c.heads, 4 * c.W, 0.0, "gelu", batch_first=True)
                                    for _ in range(c.layers))
        angles = torch.arange(c.T)[:, None] * 10000 ** (-torch.arange(0, c.W, 2) / c.W)
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], 2).flatten(1))

    def forward(self, features, captions):
        h = self.run(self, features, self.embed(captions[:, :-1]), captions[:, :-1] == 0)
        return F.cross_entropy(self.out(h).flatten(0, 1), captions[:, 1:].flatten(), ignore_index=0)

    def first(self, features):
        h = self.start(features).repeat(self.rnn.num_layers, 1, 1)
        return (h, torch.zeros_like(h)) if isinstance(self.rnn, nn.LSTM) else h

    def plain(self, features, x, padding):
        return self.rnn(x, self.first(features))[0]

    def dot_product(self, features, x, padding):
        A = self.project(features)
        h = c = A.mean(1)
        hs = []
        for t in range(x.shape[1]):
            weights = torch.softmax((A @ h[:, :, None]).squeeze(2) / math.sqrt(self.H), 1)
            h, c = self.step(torch.cat([x[:, t], (weights[:, None] @ A).squeeze(1)], 1), (h, c))
            hs.append(h)
        return torch.stack(hs, 1)

    def additive(self, features, x, padding):
        mean, keys = features.mean(1), self.keys(features)
        h, c = torch.tanh(self.start_h(mean)), torch.tanh(self.start_c(mean))
        hs = []
        for t in range(x.shape[1]):
            weights = torch.softmax(self.energy(torch.tanh(keys + self.query(h)[:, None])).squeeze(2), 1)
            context = torch.sigmoid(self.gate(h)) * (weights[:, None] @ features).squeeze(1)
            h, c = self.step(torch.cat([x[:, t], context], 1), (h, c))
            hs.append(h)
        return torch.stack(hs, 1)

    def transform(self, features, x, padding):
        memory, T = self.project(features if features.dim() == 3 else features[:, None]), x.shape[1]
        x, causal = x + self.positions[:T], torch.ones(T, T, dtype=torch.bool).triu(1)
        for layer in self.layers:
            x = layer(x, memory, tgt_mask=causal, tgt_key_padding_mask=padding, tgt_is_causal=True)
        return x

    @torch.no_grad()
    def greedy(self, features, words):
        state, word, out = self.first(features), torch.ones(len(features), dtype=torch.long), []
        for _ in range(words):
            h, state = self.rnn(self.embed(word)[:, None], state)
            word = self.out(h[:, 0]).argmax(1)
            out.append(word)
        return torch.stack(out, 1)


PEERS = {"attention": (Captioner.make_dot_product, Captioner.dot_product),
         "bahdanau": (Captioner.make_additive, Captioner.additive),
         "transformer": (Captioner.make_transformer, Captioner.transform)}


def step_of(config, batch, compiled):
    """A function that makes one training step, or captions all images."""
    torch.manual_seed(0)
    model = Captioner(config)
    if config.images:
        images = torch.randn(config.images, config.D)
        return lambda: [model.greedy(part, 20) for part in images.split(config.N)]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    run = torch.compile(model) if compiled else model
    features, captions = (torch.from_numpy(a) for a in batch)

    def step():
        optimiser.zero_grad()
        loss = run(features, captions)
        loss.backward()
        optimiser.step()
        return loss.item()
    return step
