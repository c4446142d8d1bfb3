"""Test whether a model's attention moves from word to word, and on scenes whether it points at what the words name.

The result is also written as JSON, to RUN/attention.json or --out. Exit code 1 if the attention does not move ("dead")
or cannot be judged.
"""
import json
from pathlib import Path

from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split
from scripts.evaluation.attention import judge_attention, summary
from scripts.runs import load_attending_run


def parse(argv=None):
    parser = Parser(prog="python -m scripts.check_attention", description=__doc__)
    add_run(parser, "folder of a run of an attention model")
    add_split(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes (default: RUN/attention.json)")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    checkpoint, dataset, split = load_attending_run(args.run, args.data, args.split)
    out = args.out or Path(checkpoint.path).parent / "attention.json"
    if not out.absolute().parent.is_dir() or out.is_dir():
        raise ValueError(f"--out {out}: expected a file in a folder that exists")
    result = {"run": str(args.run), **judge_attention(checkpoint.model, dataset, split)}
    write_atomically(out, json.dumps(result, indent=1).encode())
    print(summary(result))
    print(f"written to {out}")
    return 0 if result["verdict"] == "alive" else 1


if __name__ == "__main__":
    run(main)
