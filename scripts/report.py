"""Make one HTML file that shows what a run does well and badly. It works offline, even as an e-mail attachment.

The scores, beside trivial baselines and human captions, are those of the whole split; its first N images are shown one
by one.
"""
import argparse
from pathlib import Path

from scripts.commandline.command import run, set_threads
from scripts.commandline.decoding_options import add_beam, add_unknown
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split, add_threads, check_least
from scripts.pages.report import write_report


def parse(argv=None):
    parser = Parser(prog="python -m scripts.report", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run(parser)
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures, in place of the data "
                        "set's")
    add_split(parser)
    parser.add_argument("--n", type=int, default=200, metavar="N", help="first N images of the split (default 200)")
    add_beam(parser)
    add_unknown(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default RUN/report.html)")
    add_data(parser)
    add_threads(parser)
    add_force(parser)
    args = parser.parse_args(argv)
    check_least(args, n=1, beam=1)
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"{args.images}: no such folder of pictures")
    return args


def main(argv=None):
    args = parse(argv)
    set_threads(args.threads)
    report = write_report(args.run, args.split, args.n, args.beam, args.images, args.out, args.data, args.force,
                          args.allow_unknown)
    print(*report.lines(), sep="\n")
    print_next("report", run=args.run)


if __name__ == "__main__":
    run(main)
