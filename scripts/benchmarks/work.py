"""What the benchmark measures: configurations, the same batch for all sides, and a process that times one of them.

    python -m scripts.benchmarks.work engine lstm-coco          # prints a line of JSON

A step is forward, backward and Adam. The captioning configurations time greedy captions of 20 words instead.
"""
import argparse
import json
import math
import re
import resource
import statistics
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from models.cells import CELLS, VECTOR
from scripts.commandline.command import run

SIDES = ("engine", "textbook", "torch", "torch-compiled")
WARMUP = 4


@dataclass(frozen=True)
class Config:
    name: str
    cell: str       # a name of models.cells
    V: int          # vocabulary
    D: int          # feature width
    W: int          # word vector
    H: int          # hidden
    N: int          # batch
    T: int          # caption length with <START> and <END>
    L: int = 0      # image regions, 0 for one pooled vector
    images: int = 0     # greedy captioning of so many images, in batches of N, in place of training
    layers: int = 1     # one on top of the other
    heads: int = 0      # of a transformer, whose feed-forward layers have 4 W units


VECTOR_CELLS = [name for name, cell in CELLS.items() if cell.features == VECTOR]
CONFIGS = {c.name: c for c in (
    *(Config(f"{name}-course", name, 1004, 512, 256, 512, 25, 17) for name in VECTOR_CELLS),
    *(Config(f"{name}-batch", name, 1004, 512, 256, 512, 128, 17) for name in VECTOR_CELLS if CELLS[name].gates),
    Config("lstm-vocab", "lstm", 9490, 2048, 512, 512, 32, 22),
    Config("lstm-coco", "lstm", 9490, 2048, 512, 512, 128, 22),
    Config("attention-flickr8k", "attention", 2538, 320, 512, 512, 128, 22, 49),
    Config("additive-flickr8k", "bahdanau", 2538, 320, 512, 512, 128, 22, 49),
    Config("lstm2-flickr8k", "lstm", 2538, 320, 512, 512, 128, 22, layers=2),
    Config("transformer-course", "transformer", 1004, 512, 256, 256, 25, 17, heads=4, layers=2),
    Config("transformer-flickr8k", "transformer", 2538, 320, 512, 512, 128, 22, 49, heads=8, layers=3),
    Config("captioning-coco", "lstm", 9490, 2048, 512, 512, 128, 22, images=1000),
)}

# Products of attention itself in a training step: M words, G columns of gates.
ATTENTION_FLOPS = {
    "attention": lambda c, M, G: 6 * M * c.H * G + 12 * M * c.L * c.H,
    "bahdanau": lambda c, M, G: 6 * M * (c.D * G + c.H * (c.H + c.D)) + 6 * M * c.L * (c.H + c.D),
}


def config_of(name):
    """A configuration by its name; `name:N=64,T=30` changes some sizes. Raises ValueError."""
    base, _, sizes = name.partition(":")
    if base not in CONFIGS or not re.fullmatch(r"(?:[VDWHNTL]=\d+(?:,|$))*", sizes):
        raise ValueError(f"config {name!r}: expected one of {', '.join(CONFIGS)}, or one of them with sizes, "
                         "lstm-batch:N=64,H=256")
    sizes = {size[0]: int(size[2:]) for size in sizes.split(",") if size}
    for letter, size in sizes.items():
        least = {"V": 5, "T": 3}.get(letter, 1)
        if size < least or letter == "L" and not CONFIGS[base].L:
            raise ValueError(f"config {name!r}: {letter}={size}, expected at least {least}, and L for attention alone")
    return replace(CONFIGS[base], name=name, **sizes)


def make_batch(config, seed=0):
    """Features float32 (N, D) or (N, L, D) and captions int64 (N, T): words by Zipf's law, 11 +- 2.5 in a caption.

    Captions are cut to the longest one of the batch, as any careful trainer does.
    """
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((config.N, config.L, config.D) if config.L else (config.N, config.D), np.float32)
    p = 1 / np.arange(1, config.V - 3)
    captions = np.zeros((config.N, config.T), np.int64)
    for row in captions:
        mean = 11 if config.T < 25 else config.T / 2
        n = int(np.clip(rng.normal(mean, 2.5), min(6, config.T - 2), config.T - 2))
        row[0], row[1:1 + n], row[1 + n] = 1, 4 + rng.choice(config.V - 4, n, p=p / p.sum()), 2
    return features, captions[:, :int((captions != 0).sum(axis=1).max())]


def useful_flops(config):
    """Floating-point operations of a step's products, without those for padding and for repeated words."""
    c, cell, (_, captions) = config, CELLS[config.cell], make_batch(config)
    M, U = int((captions[:, 1:] != 0).sum()), len(np.unique(captions[:, :-1][captions[:, 1:] != 0]))
    if c.heads:
        return transformer_flops(c, M)
    G = c.H * (len(cell.gates) or 1)
    if c.images:                                    # forward alone, 20 words
        M = 20 * c.images
        return 2 * M * (c.H * c.V + c.H * G + c.W * G) + 2 * c.images * c.D * c.H
    flops = 6 * (M * c.H * c.V + M * c.H * G + U * c.W * G + (c.layers - 1) * M * 2 * c.H * G)
    if not cell.attends:
        return flops + 4 * c.N * c.D * c.H
    return flops + 4 * c.N * c.L * c.D * c.H + ATTENTION_FLOPS[c.cell](c, M, G)


def transformer_flops(c, M):
    """As the textbook counts them, with keys and values of all regions, which the engine does without."""
    regions, length = c.N * (c.L or 1), M / c.N
    layer = M * 14 * c.W**2 + regions * 2 * c.W**2 + M * c.W * (length + 2 * (c.L or 1))
    return 6 * (c.layers * layer + M * c.W * c.V) + 4 * regions * c.D * c.W


def make_model(config, backend):
    from models import CaptioningRNN
    words = {"<NULL>": 0, "<START>": 1, **{f"w{i}": i for i in range(2, config.V)}}
    if not config.images:                   # a vocabulary without <END> never ends: 20 words for every image
        words["<END>"] = words.pop("w2")
    own = {"num_heads": config.heads, "dim_feedforward": 4 * config.W} if config.heads else {}
    return CaptioningRNN(words, config.D, config.W, config.H, config.cell, seed=0, backend=backend,
                         num_layers=config.layers, **own)


def step_of(config, side):
    """A function that makes one step, and what it works on."""
    if side.startswith("torch"):
        from scripts.benchmarks import torch_peer as benchmark_torch
        return benchmark_torch.step_of(config, make_batch(config), compiled=side == "torch-compiled")
    from models import CaptioningSolver
    model, (features, captions) = make_model(config, side), make_batch(config)
    if config.images:
        images = np.random.default_rng(0).standard_normal((config.images, config.D), np.float32)
        return lambda: [model.sample(images[i:i + config.N], max_length=20) for i in range(0, len(images), config.N)]
    data = {"train_captions": captions, "train_image_idxs": np.arange(config.N), "train_features": features}
    solver = CaptioningSolver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-3}, verbose=False)
    return lambda: solver.step(features, captions)


def sgemm_peak(size=2048, repeats=8):
    """The machine's peak on a large matrix product, in floating-point operations per second."""
    a, b = np.random.default_rng(0).standard_normal((2, size, size), np.float32)
    out = np.empty_like(a)
    return 2 * size**3 / min(timed(lambda: np.matmul(a, b, out=out)) for _ in range(repeats))


def timed(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=(*SIDES, "peak"))
    parser.add_argument("config", nargs="?")
    parser.add_argument("--steps", type=int, default=15)
    args = parser.parse_args()
    if args.side == "peak":
        print(json.dumps({"peak": sgemm_peak()}))
        return
    if args.config is None:
        parser.error("expected a configuration")
    config = config_of(args.config)
    step = step_of(config, args.side)
    first = timed(step)
    for _ in range(WARMUP - 1 if not config.images else 0):
        step()
    steps = math.ceil(args.steps / 5) if config.images else args.steps         # seconds, not milliseconds, each
    times = [timed(step) for _ in range(steps)]
    print(json.dumps({"side": args.side, "config": asdict(config), "first_s": first, "times_s": times,
                      "median_s": statistics.median(times),
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    run(main)
