"""The sides of the benchmark, measured in turn, each in its own process."""
import io
import json
import os
import statistics
import subprocess
import sys
from typing import NamedTuple

from scripts.benchmarks.work import CONFIGS, config_of, useful_flops

GROWTH = {"N": (8, 16, 32, 64, 128, 256), "T": (10, 20, 40, 80), "H": (64, 128, 256, 512, 1024),
          "V": (1000, 3000, 10000, 30000)}
GROWING = "lstm-batch"


class Effort(NamedTuple):
    """How much is measured."""
    rounds: int                     # processes a side
    steps: int                      # timed in each
    threads: int                    # of BLAS and of the peer


def measure(side, config, steps, threads):
    """Time one side in a new process -> its figures. Raises ValueError with the last line of its error."""
    work = [side, *([config] if config else []), "--steps", str(steps)]
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    result = subprocess.run([sys.executable, "-m", "scripts.benchmarks.work", *work], capture_output=True, text=True,
                            env={**os.environ, **dict.fromkeys(names, str(threads))})
    if result.returncode:
        raise ValueError(f"{side} {config}: {(result.stderr.strip() or 'no word').splitlines()[-1]}")
    return json.loads(result.stdout.splitlines()[-1])


def compare(name, sides, effort):
    """All sides in turn, effort.rounds times -> side -> its median seconds, spread over the rounds, and peak memory."""
    runs = {side: [] for side in sides}
    for _ in range(effort.rounds):
        for side in sides:
            runs[side].append(measure(side, name, effort.steps, effort.threads))
    return {side: {"median_s": statistics.median(t for r in rounds for t in r["times_s"]),
                   "rounds_s": [r["median_s"] for r in rounds], "first_s": rounds[0]["first_s"],
                   "peak_mb": max(r["peak_mb"] for r in rounds)} for side, rounds in runs.items()}


def table(name, found, peak):
    """One line per side."""
    flops, engine = useful_flops(config_of(name)), found["engine"]["median_s"]
    lines = []
    for side, row in found.items():
        low, high = (1e3 * f(row["rounds_s"]) for f in (min, max))
        lines.append(f"{name:20s} {side:15s} {1e3 * row['median_s']:9.1f} ms ({low:.0f}-{high:.0f})  "
                     f"ratio {row['median_s'] / engine:5.2f}  peak {row['peak_mb']:5.0f} MB  "
                     f"{flops / row['median_s'] / peak:4.0%} of sgemm's peak")
    return "\n".join(lines)


def growth(sides, effort):
    """letter -> side -> milliseconds at each size in GROWTH."""
    found = {}
    for letter, sizes in GROWTH.items():
        found[letter] = {side: [] for side in sides}
        for size in sizes:
            for side, row in compare(f"{GROWING}:{letter}={size}", sides, effort).items():
                found[letter][side].append(1e3 * row["median_s"])
            print(letter, size, *(f"{side} {times[-1]:.1f} ms" for side, times in found[letter].items()), flush=True)
    return found


def draw_growth(found):
    """The figure of scripts.benchmark --growth -> PNG as bytes."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(1, len(found), figsize=(3.2 * len(found), 3), sharey=True, layout="constrained")
    names = {"N": "captions in a batch, N", "T": "words in a caption, T", "H": "hidden size, H", "V": "vocabulary, V"}
    for ax, (letter, sides) in zip(axes, found.items()):
        for side, times in sides.items():
            ax.loglog(GROWTH[letter], times, marker="o", markersize=3, label=side)
        ax.set_xlabel(names[letter])
        ax.set_xticks(GROWTH[letter], [f"{size:,}" for size in GROWTH[letter]], fontsize=8)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds a step")
    axes[0].legend(frameon=False)
    base = CONFIGS[GROWING]
    figure.suptitle(f"LSTM, W={base.W}, and N={base.N}, T={base.T}, H={base.H}, V={base.V} but for the one that varies")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": "rnnlayers"})
    return buffer.getvalue()
