"""Download a public data set (docs/datasets.md), or an image model for features of photographs (docs/features.md).

An interrupted download resumes. Files are verified and unpacked, and the archives removed. An image model is tested on
a built-in photograph; --encoder NAME then finds it by its name. `fetch_data flickr8k --encoder mobilenet` goes on to
features and to the dataset folder datasets/flickr8k.
"""
from pathlib import Path

from data.encoders import FOLDER
from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser, choice
from scripts.datasets.downloads import TABLE, fetch
from scripts.datasets.image_models import MODELS, fetch_encoder
from scripts.datasets.one_step import fetch_flickr8k


def parse(argv=None):
    parser = Parser(prog="python -m scripts.fetch_data", description=__doc__)
    names = [*TABLE, *MODELS]
    parser.add_argument("name", metavar="NAME", type=choice(names), help=f"{', '.join(TABLE)}; or an image model: "
                        f"{', '.join(MODELS)}")
    parser.add_argument("--out", metavar="DIR", help="folder for the files (default: datasets/NAME-files, and "
                        f"{FOLDER} for image models)")
    parser.add_argument("--file", metavar="ONNX", help="for an image model: a file that is here already, instead of "
                        "the download")
    parser.add_argument("--encoder", metavar="ONNX", help="for flickr8k: go on to features and data set with this "
                        "image model, which is fetched first if it is not here: a name, or a file in ONNX form")
    args = parser.parse_args(argv)
    if args.file is not None and args.name not in MODELS:
        parser.error(f"--file: goes with an image model, {', '.join(MODELS)}")
    if args.encoder is not None and args.name != "flickr8k":
        parser.error("--encoder: goes with flickr8k; scripts.prepare_data takes it for other data")
    return args


def main(argv=None):
    args = parse(argv)
    if args.name in MODELS:
        print(*fetch_encoder(args.name, args.out or FOLDER, args.file), sep="\n")
        where = args.name if args.out is None else Path(args.out, f"{args.name}.onnx")
        print_next("fetch_data encoder", name=where)
        return
    out, data_set = args.out or f"datasets/{args.name}-files", TABLE[args.name]
    if args.encoder is not None:
        fetch_flickr8k(data_set, out, args.encoder)
        return
    fetch(data_set, out)
    print(f"{out}: {args.name}")
    print_next(f"fetch_data {args.name}", out=out)


if __name__ == "__main__":
    run(main)
