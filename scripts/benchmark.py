"""Time training steps side by side: the engine, the textbook, and PyTorch with --peers torch.

Each measurement runs in its own process, and the sides take turns (A B A B ...), so that noise affects all alike. Times
are medians; the ratio is a side's median divided by the engine's. Memory is the peak of the process. The share of
sgemm's peak counts only the operations that are needed without padding and repeated words.
"""
import argparse
import importlib.util
import json
import os

from scripts.benchmarks.compare import Effort, compare, draw_growth, growth, measure, table
from scripts.benchmarks.work import CONFIGS, SIDES, config_of
from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import FIGURE, add_force, check_output, json_kind, write_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least

TIMES = json_kind("figures of scripts.benchmark", "threads", "sgemm_peak_flops", "found")


def parse(argv=None):
    parser = Parser(prog="python -m scripts.benchmark", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="*", choices=("torch", "torch-compiled"), default=[],
                        help='also time these; they need pip install -e ".[bench]"')
    parser.add_argument("--config", nargs="+", action="extend", metavar="NAME",
                        help=f"some of {', '.join(CONFIGS)}, or one with other sizes, as in lstm-batch:N=64,H=256 "
                        "(default: all)")
    parser.add_argument("--no-textbook", action="store_true", help="leave out the textbook tier, the slowest side")
    parser.add_argument("--rounds", type=int, default=3, help="processes per side (default 3)")
    parser.add_argument("--steps", type=int, default=15, help="steps timed in each (default 15)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(),
                        help="threads of BLAS and of the peer (default: all cores)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures to FILE")
    parser.add_argument("--growth", metavar="PNG", help="draw how a step's time grows with N, T, H and V instead")
    add_force(parser)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    check_least(args, rounds=1, steps=1, threads=1)
    names = [config_of(name).name for name in args.config or CONFIGS]
    check_output("--json", args.json, TIMES, args.force)
    check_output("--growth", args.growth, FIGURE, args.force)
    if args.peers and not importlib.util.find_spec("torch"):
        raise ValueError('--peers needs PyTorch: pip install -e ".[bench]"')
    sides = [side for side in SIDES if side in ("engine", *args.peers) or side == "textbook" and not args.no_textbook]
    effort = Effort(args.rounds, args.steps, args.threads)
    peak = measure("peak", None, 1, args.threads)["peak"]
    print(f"{args.threads} threads, sgemm peak {peak / 1e9:.0f} GFLOP/s, {args.rounds} rounds of {args.steps} steps",
          flush=True)
    if args.growth:
        found = growth([side for side in sides if side != "textbook"], effort)
        write_output(args.growth, draw_growth(found))
    else:
        found = {}
        for name in names:
            found[name] = compare(name, sides, effort)
            print(table(name, found[name], peak), flush=True)
    if args.json:
        text = json.dumps({"threads": args.threads, "sgemm_peak_flops": peak, "found": found}, indent=1)
        write_output(args.json, text.encode())
    print_next("benchmark")
    return 0


if __name__ == "__main__":
    run(main)
