"""Dataset folders as scripts.prepare_data makes them. args: its options."""
import argparse
import functools
import os
from typing import Any

from tqdm import tqdm

from data.cocopt import make_cocopt_dataset
from data.prepare import new_folder, write_dataset
from data.scene_dataset import make_scene_dataset
from data.sources import read_coco, read_flickr8k, read_karpathy
from scripts.commandline.image_model import encoder_of
from scripts.commandline.run_options import check_least
from scripts.datasets.word_lines import word_lines


def prepare(args: argparse.Namespace) -> dict[str, Any]:
    """Make the folder that the options describe -> the content of its dataset.json."""
    if args.kind == "scenes":
        return make_scene_dataset(args.out, args.seed)
    if args.kind == "cocopt":
        return make_cocopt_dataset(args.out, args.file, args.encoder and encoder_of(args),
                                   functools.partial(tqdm, disable=None, unit="batch"))
    check_least(args, min_count=1, max_words=1)
    source, features, pooled = _source(args)
    with new_folder(args.out) as folder:
        return write_dataset(folder, source, features, pooled, min_count=args.min_count, max_words=args.max_words,
                             tokens=args.tokens)


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


def told(out: str, info: dict[str, Any], chosen: bool = False) -> list[str]:
    """What to print about a dataset folder: what it holds, what its words are, and what was left out.

    chosen: no --min-count was given.
    """
    lines = [f"{out}: {info['name']}, {info['vocabulary']['words']:,} words"]
    for split, counts in info["splits"].items():
        features = (info["pooled"] or info["features"]).get(split)
        found = f"features {tuple(features['shape'])} in {features['path']}" if features else "no features: --encoder"
        lines.append(f"  {split:5s} {counts['images']:7,} images  {counts['captions']:7,} captions  {found}")
    lines += word_lines(info, chosen)
    return [*lines, *(f"  left out: {count:,} {reason}" for reason, count in info["left_out"].items())]
