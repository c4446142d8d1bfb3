"""Download a data set's files: flickr8k, coco-captions, cs231n or cocopt; docs/datasets.md describes them.

An interrupted download resumes. Files are verified and unpacked, and the archives removed.
"""

from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.datasets.downloads import TABLE, fetch


def parse(argv=None):
    parser = Parser(prog="python -m scripts.fetch_data", description=__doc__)
    parser.add_argument("name", metavar="NAME", choices=TABLE, help=", ".join(TABLE))
    parser.add_argument("--out", metavar="DIR", help="folder for the files (default datasets/NAME-files)")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    out, data_set = args.out or f"datasets/{args.name}-files", TABLE[args.name]
    fetch(data_set, out)
    print(f"{out}: {args.name}; next: {data_set.then.format(out=out)}")


if __name__ == "__main__":
    run(main)
