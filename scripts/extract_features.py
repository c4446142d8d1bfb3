"""Make a feature file for scripts.prepare_data from pictures and an image model in ONNX form.

The same command resumes a run that was stopped. Unreadable pictures are named and skipped.
"""
import sys
from pathlib import Path

from data.feature_rows import FeatureRows
from data.onnx_models import describe_model
from data.photos import list_pictures
from scripts.commandline.command import one_line, run
from scripts.commandline.image_model import add_encoder, encoder_of
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least
from scripts.datasets.extraction import extract


def parse(argv=None):
    parser = Parser(prog="python -m scripts.extract_features", description=__doc__)
    parser.add_argument("--list", metavar="MODEL", help="show a model's inputs, outputs, shapes and metadata, and stop")
    parser.add_argument("--images", nargs="+", metavar="PATH", help="a folder of pictures, or files")
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
        print(*describe_model(args.list), sep="\n")
        return 0
    check_least(args, batch=1)
    if Path(args.out).exists():
        raise FileExistsError(f"{args.out}: is there already, nothing was done: remove it or choose another name")
    pictures, wrong = list_pictures(args.images)
    for line in wrong:
        print(one_line(f"error: {line}"), file=sys.stderr)
    encoder = encoder_of(args)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    with FeatureRows(args.out, encoder.shape, encoder.attributes()) as rows:
        try:
            failed = extract(encoder, pictures, rows, args.batch)
        except KeyboardInterrupt:
            print(f"stopped with {len(rows.rows)} of {len(pictures)} pictures done; the same command goes on",
                  file=sys.stderr)
            return 130
        done = [name for name in pictures if name in rows.rows]
        if not done:
            rows.discard()
            raise ValueError(f"{args.images[0]}: none of {len(pictures)} pictures could be read, nothing was written")
        rows.finish(done)
    print(f"{args.out}: {encoder.layer} of {encoder.path.name}, {(len(done), *encoder.shape)} for {len(done)} pictures")
    return 2 if failed or wrong else 0


if __name__ == "__main__":
    run(main)
