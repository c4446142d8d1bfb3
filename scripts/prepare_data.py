"""Make a dataset folder for scripts.train, from captions and a file of image features, or from nothing (scenes)."""
import argparse
import functools
import os

from tqdm import tqdm

from data.cocopt import make_cocopt_dataset
from data.prepare import new_folder, write_dataset
from data.scene_dataset import make_scene_dataset
from data.sources import read_coco, read_flickr8k, read_karpathy
from scripts.commandline.command import run
from scripts.commandline.image_model import add_encoder, encoder_of


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.prepare_data", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", required=True, metavar="DIR", help="the dataset folder to make")
    texts = argparse.ArgumentParser(add_help=False, parents=[common])
    texts.add_argument("--min-count", type=int, default=4, metavar="K",
                       help="words seen fewer times in the training captions become <UNK> (default 4)")
    texts.add_argument("--max-words", type=int, default=20, metavar="K",
                       help="longer captions are cut for training; references stay whole (default 20)")
    single = argparse.ArgumentParser(add_help=False, parents=[texts])
    single.add_argument("--features", required=True, metavar="H5", help="HDF5 with features and image_names")
    single.add_argument("--pooled", metavar="H5", help="pooled features of the same images, used by rnn and lstm")

    flickr = kinds.add_parser("flickr8k", parents=[single], help="Flickr8k's text files")
    flickr.add_argument("--captions", required=True, metavar="FILE", help="Flickr8k.token.txt")
    flickr.add_argument("--splits", required=True, metavar="DIR", help="folder of Flickr_8k.trainImages.txt and so on")
    karpathy = kinds.add_parser("karpathy", parents=[single], help="Karpathy's dataset_*.json")
    karpathy.add_argument("--json", required=True, metavar="FILE", help="images with filename, split, sentences")
    coco = kinds.add_parser("coco", parents=[texts], help="COCO's captions_train2014.json and captions_val2014.json")
    for split in ("train", "val"):
        coco.add_argument(f"--{split}", required=True, metavar="JSON")
        coco.add_argument(f"--{split}-features", required=True, metavar="H5", help="HDF5 with features and image_names")
        coco.add_argument(f"--{split}-pooled", metavar="H5", help="pooled features of the same images")
    cocopt = kinds.add_parser("cocopt", parents=[common], help="the attention course's coco.pt")
    cocopt.add_argument("--file", required=True, metavar="PT", help="read without torch, tensors and plain values only")
    add_encoder(cocopt)
    scenes = kinds.add_parser("scenes", parents=[common], help="the built-in pictures of coloured shapes")
    scenes.add_argument("--seed", type=int, default=0, metavar="K")
    return parser.parse_args(argv)


def prepare(args):
    """Make the folder that the arguments describe -> the content of its dataset.json."""
    if args.kind == "scenes":
        return make_scene_dataset(args.out, args.seed)
    if args.kind == "cocopt":
        return make_cocopt_dataset(args.out, args.file, args.encoder and encoder_of(args),
                                   functools.partial(tqdm, disable=None, unit="batch"))
    if args.min_count < 1 or args.max_words < 1:
        raise ValueError(f"--min-count {args.min_count} --max-words {args.max_words}: expected at least 1")
    source, features, pooled = _source(args)
    with new_folder(args.out) as folder:
        return write_dataset(folder, source, features, pooled, min_count=args.min_count, max_words=args.max_words)


def _source(args):
    if args.kind == "coco":
        if (args.train_pooled is None) != (args.val_pooled is None):
            raise ValueError("--train-pooled and --val-pooled belong together, expected both or neither")
        features = {"train": os.path.abspath(args.train_features), "val": os.path.abspath(args.val_features)}
        pooled = args.train_pooled and {"train": os.path.abspath(args.train_pooled),
                                        "val": os.path.abspath(args.val_pooled)}
        return read_coco(args.train, args.val), features, pooled
    source = read_flickr8k(args.captions, args.splits) if args.kind == "flickr8k" else read_karpathy(args.json)
    features, pooled = (None if path is None else dict.fromkeys(source.captions, os.path.abspath(path))
                        for path in (args.features, args.pooled))
    return source, features, pooled


def report(out, info):
    """Print what a dataset folder holds and what was left out."""
    print(f"{out}: {info['name']}, {info['vocabulary']['words']:,} words")
    for split, counts in info["splits"].items():
        features = (info["pooled"] or info["features"]).get(split)
        found = f"features {tuple(features['shape'])} in {features['path']}" if features else "no features: --encoder"
        print(f"  {split:5s} {counts['images']:7,} images  {counts['captions']:7,} captions  {found}")
    for reason, count in info["left_out"].items():
        print(f"  left out: {count:,} {reason}")


def main(argv=None):
    args = parse(argv)
    report(args.out, prepare(args))


if __name__ == "__main__":
    run(main)
