"""Grade captions of scenes: how many name a colour and shape ("red circle"), and how many of those named are there."""
import argparse

from data.files import read_json
from data.scenes import COLOURS, SHAPES, shape_words
from scripts.commandline.command import run
from scripts.runs import load_run, open_run_data
from scripts.runs.training_files import caption_images

SHAPE_OF = {word: shape for shape in SHAPES for word in shape_words(shape)}


def pairs_named(caption):
    """The (colour, shape) pairs of a caption: a colour word directly before a shape noun -> set."""
    words = caption.split()
    return {(a, SHAPE_OF[b]) for a, b in zip(words, words[1:]) if a in COLOURS and b in SHAPE_OF}


def grade(captions, objects):
    """captions with the objects of their pictures -> share that names a pair, share of pairs that are there."""
    named = [pairs_named(caption) for caption in captions]
    there = [{(item["colour"], item["shape"]) for item in items} for items in objects]
    total = sum(map(len, named))
    return sum(map(bool, named)) / len(captions), sum(len(a & b) for a, b in zip(named, there)) / max(total, 1)


def read_objects(path, rows):
    """The objects of each picture of a scenes folder, one list for each of so many rows. Raises ValueError."""
    objects = read_json(path)
    keys = {"shape", "colour", "box"}
    if not isinstance(objects, list) or len(objects) != rows or not all(
            isinstance(items, list) and all(isinstance(item, dict) and keys <= set(item) for item in items)
            for items in objects):
        raise ValueError(f"{path}: not a list of the objects of {rows} pictures, make the scenes again")
    return objects


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.check_scenes", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder of a run on scenes")
    parser.add_argument("--split", default="test", help="train, val or test (default test)")
    parser.add_argument("--data", metavar="DIR", help="dataset folder, where it is no longer where the run found it")
    args = parser.parse_args(argv)
    checkpoint = load_run(args.run)
    dataset = open_run_data(checkpoint, args.data)
    path = dataset.folder / "objects.json"
    if not path.is_file():
        raise ValueError(f"{args.run}: trained on {dataset.name}, expected a run on scenes (no {path})")
    rows, _, captions = caption_images(checkpoint.model, dataset, args.split)
    objects = read_objects(path, len(dataset.features[args.split]))
    naming, right = grade(captions, [objects[row] for row in rows])
    print(f"{len(captions)} pictures of {args.split}: {naming:.1%} of captions name a colour and shape, "
          f"{right:.1%} of those named are in the picture")


if __name__ == "__main__":
    run(main)
