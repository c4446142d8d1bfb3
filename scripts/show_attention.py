"""Draw an attention model's map for each word of its greedy captions, one figure per image."""
import argparse
import re
import sys
from pathlib import Path

import numpy as np

from models.checkpoint import write_atomically
from scripts.commandline.command import run
from scripts.commandline.run_options import add_data, add_run, add_split, check_least
from scripts.evaluation.captions import attend_images
from scripts.pages.figures import attention_figure
from scripts.pages.pictures import picture_of
from scripts.runs import load_attending_run


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.show_attention", description=__doc__)
    add_run(parser, "folder of a run of an attention model")
    add_split(parser)
    parser.add_argument("--n", type=int, default=4, metavar="N", help="first N of the split (default 4)")
    parser.add_argument("--image-names", nargs="+", metavar="NAME", help="these images of the split instead")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures, if the dataset has none; "
                        "without --image-names, the first N found there are drawn")
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the figures")
    return parser.parse_args(argv)


def choose(dataset, split, names, n, folder):
    """Rows and names of the images to draw. Raises ValueError for names that are not in the split."""
    rows, known = dataset.images(split)
    places = dict(zip(known, rows))
    if names:
        unknown = [name for name in names if name not in places]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not in the {split} split of {dataset.name}, whose images are named "
                             f"like {known[0]!r}")
        return [places[name] for name in names], list(names)
    if folder is not None:
        known = [name for name in known if (folder / name).is_file()]
        if not known:
            raise ValueError(f"{folder}: has no picture of the {split} split, expected files like {next(iter(places))}")
    return [places[name] for name in known[:n]], known[:n]


def figure_name(name, taken):
    """A file name for the figure of an image: the image's, without folders and odd characters, unlike those taken."""
    stem = re.sub(r"[^\w-]+", "_", str(Path(name).with_suffix("")))[-80:].strip("_") or "image"
    path, k = f"{stem}.png", 2
    while path in taken:
        path, k = f"{stem}-{k}.png", k + 1
    taken.add(path)
    return path


def main(argv=None):
    args = parse(argv)
    check_least(args, n=1)
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"{args.images}: no such folder of pictures")
    checkpoint, dataset, split = load_attending_run(args.run, args.data, args.split)
    rows, names = choose(dataset, split, args.image_names, args.n, args.images)
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out {args.out}: a file, expected a folder for the figures")
    captions, maps = attend_images(checkpoint.model, dataset, split, np.array(rows))
    args.out.mkdir(parents=True, exist_ok=True)
    taken, broken = set(), 0
    for row, name, words, where in zip(rows, names, captions, maps):
        try:
            picture = picture_of(dataset, row, name, args.images)
        except ValueError as error:                                     # the others are drawn all the same
            print(f"error: {error}", file=sys.stderr)
            broken += 1
            continue
        path = args.out / figure_name(name, taken)
        write_atomically(path, attention_figure(picture, words, where, name))
        print(f"{path}: {' '.join(words) or '(no words)'}")
    return 2 if broken else 0


if __name__ == "__main__":
    run(main)
