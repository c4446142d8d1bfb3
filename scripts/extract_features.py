"""Make a feature file for scripts.prepare_data from pictures and an image model in ONNX form.

The same command resumes a run that was stopped. Unreadable pictures are named and skipped.
"""

from data.encoders import find_encoder
from data.model_outputs import describe_model
from scripts.commandline.command import run
from scripts.commandline.image_model import add_encoder, encoder_of, listed
from scripts.commandline.next_steps import print_next
from scripts.commandline.outputs import check_new
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least
from scripts.datasets.extraction import extract


def parse(argv=None):
    parser = Parser(prog="python -m scripts.extract_features", description=__doc__)
    parser.add_argument("--list", metavar="MODEL", type=find_encoder,
                        help="show a model's inputs, outputs, shapes and metadata, and stop")
    parser.add_argument("--images", nargs="+", metavar="PATH", help="folders of pictures, or files")
    parser.add_argument("--out", metavar="H5", help="the feature file to make")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="pictures at a time (default 16)")
    add_encoder(parser)
    args = parser.parse_args(argv)
    missing = [name for name in ("encoder", "images", "out") if not getattr(args, name)]
    if missing and not args.list:
        parser.error(f"expected --{' and --'.join(missing)}, or --list MODEL")
    return args


def main(argv=None):
    args = parse(argv)
    if args.list:
        print(*describe_model(args.list, args.size, args.output_layout), sep="\n")
        return 0
    check_least(args, batch=1)
    check_new("--out", args.out)
    pictures, wrong = listed(args.images)
    encoder = encoder_of(args)
    done, failed = extract({args.out: encoder}, pictures, args.batch)
    print(f"{args.out}: {encoder.layer} of {encoder.path.name}, {(done, *encoder.shape)} for {done} pictures")
    print_next("extract_features", out=args.out)
    return 2 if failed or wrong else 0


if __name__ == "__main__":
    run(main)
