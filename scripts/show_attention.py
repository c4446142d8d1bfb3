"""Draw where an attention model looked for each word: one figure an image, RUN's greedy captions."""
import argparse
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models.checkpoint import write_atomically
from scripts.command import run
from scripts.figures import attention_figure
from scripts.runs import load_attending_run


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.show_attention", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder of a run of an attention model")
    parser.add_argument("--split", help="train, val or test (default: test where there is one, else val)")
    parser.add_argument("--n", type=int, default=4, metavar="N", help="first N of the split (default 4)")
    parser.add_argument("--image-names", nargs="+", metavar="NAME", help="these images of the split instead")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures, where the dataset has none; "
                        "without --image-names the first N that are there are drawn")
    parser.add_argument("--data", metavar="DIR", help="dataset folder, where it is no longer where the run found it")
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


def picture_of(dataset, row, name, folder):
    """The picture uint8 (h, w, 3), from the folder if one is given, else the dataset's own."""
    if folder is None:
        return dataset.picture(row)
    try:
        with Image.open(folder / name) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except OSError as error:
        raise ValueError(f"{folder / name}: no picture that can be read ({error})") from error


def main(argv=None):
    args = parse(argv)
    if args.n < 1:
        raise ValueError(f"--n {args.n}: expected at least 1")
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"{args.images}: no such folder of pictures")
    checkpoint, dataset, split = load_attending_run(args.run, args.data, args.split)
    rows, names = choose(dataset, split, args.image_names, args.n, args.images)
    captions, maps = checkpoint.model.sample(dataset.features[split][np.array(rows)])
    args.out.mkdir(parents=True, exist_ok=True)
    for row, name, ids, where in zip(rows, names, captions, maps):
        words = dataset.vocabulary.decode(ids).split()
        figure = attention_figure(picture_of(dataset, row, name, args.images), words, where[:len(words)], name)
        path = args.out / f"{re.sub(r'[^A-Za-z0-9_-]+', '_', Path(name).stem)}.png"
        write_atomically(path, figure)
        print(f"{path}: {' '.join(words)}")


if __name__ == "__main__":
    run(main)
