"""Time training steps side by side: the engine, the textbook, and PyTorch with --peers torch.

Every measurement runs in a process of its own, the sides in turn (A B A B ...), so that a noisy machine treats all
alike. Times are medians; the ratio is the other side's median divided by the engine's. Memory is the process' peak. The
share is that of the machine's own sgemm peak, on the operations that no padding and no repeated word needs.
"""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from models.checkpoint import write_atomically
from scripts.benchmarks.work import CONFIGS, SIDES, config_of, useful_flops
from scripts.commandline.command import run

GROWTH = {"N": (8, 16, 32, 64, 128, 256), "T": (10, 20, 40, 80), "H": (64, 128, 256, 512, 1024),
          "V": (1000, 3000, 10000, 30000)}
GROWING = "lstm-batch"


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="*", choices=("torch", "torch-compiled"), default=[],
                        help='also time these; they need pip install -e ".[bench]"')
    parser.add_argument("--config", nargs="+", action="extend", metavar="NAME",
                        help=f"some of {', '.join(CONFIGS)}, or one with other sizes, as in lstm-batch:N=64,H=256 "
                        "(default: all)")
    parser.add_argument("--no-textbook", action="store_true", help="leave out the textbook tier, the slowest side")
    parser.add_argument("--rounds", type=int, default=3, help="processes a side (default 3)")
    parser.add_argument("--steps", type=int, default=15, help="steps timed in each (default 15)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(),
                        help="of BLAS and of the peer (default: all cores)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--growth", metavar="PNG", help="instead draw how a step's time grows with N, T, H and V")
    return parser.parse_args(argv)


def measure(side, config, steps, threads):
    """One process that times one side -> its figures. Raises ValueError with the last line of what went wrong."""
    work = [side, *([config] if config else []), "--steps", str(steps)]
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    result = subprocess.run([sys.executable, "-m", "scripts.benchmarks.work", *work], capture_output=True, text=True,
                            env={**os.environ, **dict.fromkeys(names, str(threads))})
    if result.returncode:
        raise ValueError(f"{side} {config}: {(result.stderr.strip() or 'no word').splitlines()[-1]}")
    return json.loads(result.stdout.splitlines()[-1])


def compare(name, sides, args):
    """All sides in turn, args.rounds times -> side -> its median seconds, spread over the rounds, and peak memory."""
    runs = {side: [] for side in sides}
    for _ in range(args.rounds):
        for side in sides:
            runs[side].append(measure(side, name, args.steps, args.threads))
    return {side: {"median_s": statistics.median(t for r in rounds for t in r["times_s"]),
                   "rounds_s": [r["median_s"] for r in rounds], "first_s": rounds[0]["first_s"],
                   "peak_mb": max(r["peak_mb"] for r in rounds)} for side, rounds in runs.items()}


def table(name, found, peak):
    """One line a side."""
    flops, engine = useful_flops(config_of(name)), found["engine"]["median_s"]
    lines = []
    for side, row in found.items():
        low, high = (1e3 * f(row["rounds_s"]) for f in (min, max))
        lines.append(f"{name:20s} {side:15s} {1e3 * row['median_s']:9.1f} ms ({low:.0f}-{high:.0f})  "
                     f"ratio {row['median_s'] / engine:5.2f}  peak {row['peak_mb']:5.0f} MB  "
                     f"{flops / row['median_s'] / peak:4.0%} of sgemm's peak")
    return "\n".join(lines)


def growth(sides, args):
    """letter -> side -> milliseconds at each size in GROWTH."""
    found = {}
    for letter, sizes in GROWTH.items():
        found[letter] = {side: [] for side in sides}
        for size in sizes:
            for side, row in compare(f"{GROWING}:{letter}={size}", sides, args).items():
                found[letter][side].append(1e3 * row["median_s"])
            print(letter, size, *(f"{side} {times[-1]:.1f} ms" for side, times in found[letter].items()), flush=True)
    return found


def draw_growth(found, path):
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
    figure.savefig(path, dpi=110)


def main(argv=None):
    args = parse(argv)
    if args.rounds < 1 or args.steps < 1 or args.threads < 1:
        raise ValueError("--rounds, --steps and --threads: expected numbers of at least 1")
    names = [config_of(name).name for name in args.config or CONFIGS]
    for path in filter(None, (args.json, args.growth)):
        if not Path(path).resolve().parent.is_dir():
            raise ValueError(f"{path}: its folder is not there")
    if args.peers and not importlib.util.find_spec("torch"):
        raise ValueError('--peers needs PyTorch: pip install -e ".[bench]"')
    sides = [side for side in SIDES if side in ("engine", *args.peers) or side == "textbook" and not args.no_textbook]
    peak = measure("peak", None, 1, args.threads)["peak"]
    print(f"{args.threads} threads, sgemm peak {peak / 1e9:.0f} GFLOP/s, {args.rounds} rounds of {args.steps} steps",
          flush=True)
    if args.growth:
        found = growth([side for side in sides if side != "textbook"], args)
        draw_growth(found, args.growth)
    else:
        found = {}
        for name in names:
            found[name] = compare(name, sides, args)
            print(table(name, found[name], peak), flush=True)
    if args.json:
        text = json.dumps({"threads": args.threads, "sgemm_peak_flops": peak, "found": found}, indent=1)
        write_atomically(Path(args.json), text.encode())
    return 0


if __name__ == "__main__":
    run(main)
