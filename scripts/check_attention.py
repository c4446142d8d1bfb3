"""Test whether a model's attention moves from word to word, and on scenes whether it points at what the words name.

The result is also written as JSON, to RUN/attention.json or --out. Exit code 1 if the attention does not move ("dead")
or cannot be judged.
"""
import json
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force, check_output, json_kind, write_output
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split
from scripts.evaluation.attention import judge_attention, summary
from scripts.runs import load_attending_run
from scripts.runs.released import outputs_of

JUDGED = json_kind("result of scripts.check_attention", "run", "verdict", "words")


def parse(argv=None):
    parser = Parser(prog="python -m scripts.check_attention", description=__doc__)
    add_run(parser, "folder of a run of an attention model")
    add_split(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes (default: RUN/attention.json)")
    add_force(parser)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    checkpoint, dataset, split = load_attending_run(args.run, args.data, args.split)
    if args.out is None:
        outputs_of(checkpoint).mkdir(exist_ok=True)
    out = args.out or outputs_of(checkpoint) / "attention.json"
    check_output("--out", out, JUDGED, args.force)
    result = {"run": str(args.run), **judge_attention(checkpoint.model, dataset, split)}
    write_output(out, json.dumps(result, indent=1).encode())
    print(summary(result))
    print(f"written to {out}")
    print_next("check_attention", run=args.run)
    return 0 if result["verdict"] == "alive" else 1


if __name__ == "__main__":
    run(main)
