"""Make a feature file for scripts.prepare_data from pictures and an image model in ONNX form.

A run that was stopped goes on when it is started again. Pictures that cannot be read are named, the others are done.
"""
import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from data.feature_rows import FeatureRows
from data.onnx_models import describe_model
from data.photos import list_pictures, open_picture
from scripts.commandline.command import run
from scripts.commandline.image_model import add_encoder, encoder_of, told


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.extract_features", description=__doc__)
    parser.add_argument("--list", metavar="MODEL", help="show a model's inputs, outputs, shapes and metadata, and stop")
    parser.add_argument("--images", nargs="+", metavar="PATH", help="a folder, or files")
    parser.add_argument("--out", metavar="H5", help="the feature file to make")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="pictures at a time (default 16)")
    add_encoder(parser)
    args = parser.parse_args(argv)
    missing = [name for name in ("encoder", "images", "out") if not getattr(args, name)]
    if missing and not args.list:
        parser.error(f"expected --{' and --'.join(missing)}, or --list MODEL")
    return args


def extract(encoder, pictures, rows, batch):
    """Append the features of pictures, {name: path}, that `rows` has not yet -> how many could not be done."""
    stamps = {name: stamp(path) for name, path in pictures.items()}
    left = [name for name in pictures if name not in rows.rows or rows.rows[name][0] != stamps[name]]
    failed = []
    with tqdm(total=len(pictures), initial=len(pictures) - len(left), disable=None, unit="image") as bar:
        for i in range(0, len(left), batch):
            opened = {}
            for name in left[i:i + batch]:
                with told(failed):
                    opened[name] = open_picture(pictures[name], 2 * max(encoder.size))
            features = together(encoder, list(opened.values()))
            for k, (name, picture) in enumerate(opened.items()):
                with told(failed, f"{pictures[name]}: "):
                    rows.append(name, stamps[name], encoder.encode([picture])[0] if features is None else features[k])
            bar.update(len(left[i:i + batch]))
    return len(failed)


def stamp(path):
    """What changes when a file does."""
    found = path.stat() if path.exists() else None
    return found and [found.st_size, found.st_mtime_ns]


def together(encoder, pictures):
    """The features of a batch, or None where one of them spoils it for all."""
    try:
        return encoder.encode(pictures) if pictures else []
    except ValueError:
        return None


def main(argv=None):
    args = parse(argv)
    if args.list:
        print(*describe_model(args.list), sep="\n")
        return 0
    if args.batch < 1:
        raise ValueError(f"--batch {args.batch}: expected at least 1")
    if Path(args.out).exists():
        raise FileExistsError(f"{args.out}: is there already, nothing was done: remove it or choose another name")
    pictures, wrong = list_pictures(args.images)
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
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
