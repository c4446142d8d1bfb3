"""Draw an attention model's map for each word of its captions, one figure per image."""
from pathlib import Path

from scripts.commandline.command import run
from scripts.commandline.decoding_options import add_beam, add_unknown
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import add_force
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split, check_least
from scripts.pages.attention_figures import choose_images, draw_attention
from scripts.pages.pictures import Pictures, gone
from scripts.runs import load_attending_run
from scripts.runs.released import search_of


def parse(argv=None):
    parser = Parser(prog="python -m scripts.show_attention", description=__doc__)
    add_run(parser, "folder of a run of an attention model")
    add_split(parser)
    parser.add_argument("--n", type=int, default=4, metavar="N", help="N of the split, those with pictures first "
                        "(default 4)")
    parser.add_argument("--image-names", nargs="+", metavar="NAME", help="these images of the split instead")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures, in place of the data set's; "
                        "without --image-names, the first N found there are drawn")
    add_beam(parser)
    add_unknown(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the figures")
    add_force(parser)
    args = parser.parse_args(argv)
    check_least(args, n=1, beam=1)
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"{args.images}: no such folder of pictures")
    return args


def main(argv=None):
    args = parse(argv)
    checkpoint, dataset, split = load_attending_run(args.run, args.data, args.split)
    pictures = Pictures(dataset, split, args.images)
    rows, names = choose_images(dataset, split, args.image_names, args.n, pictures)
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out {args.out}: a file, expected a folder for the figures")
    print(*(f"{line}\n" for line in gone(dataset) if args.images is None), end="", sep="")
    failed = draw_attention(checkpoint.model, dataset, split, rows, names, pictures, args.out, args.force,
                            allow_unknown=args.allow_unknown, **search_of(checkpoint, args.beam))
    print_next("show_attention", run=args.run)
    return 2 if failed else 0


if __name__ == "__main__":
    run(main)
