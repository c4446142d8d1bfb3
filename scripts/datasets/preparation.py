"""Dataset folders as scripts.prepare_data makes them. args: its options."""
import argparse
import functools
import os
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.cocopt import make_cocopt_dataset
from data.features import FeatureReader
from data.prepare import new_folder, write_dataset
from data.scene_dataset import make_scene_dataset
from data.sources import read_coco, read_flickr8k, read_karpathy
from scripts.commandline.image_model import encoder_of


def prepare(args: argparse.Namespace) -> dict[str, Any]:
    """Make the folder that the options describe -> the content of its dataset.json."""
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


def told(out: str, info: dict[str, Any]) -> list[str]:
    """What to print about a dataset folder: what it holds and what was left out."""
    lines = [f"{out}: {info['name']}, {info['vocabulary']['words']:,} words"]
    for split, counts in info["splits"].items():
        features = (info["pooled"] or info["features"]).get(split)
        found = f"features {tuple(features['shape'])} in {features['path']}" if features else "no features: --encoder"
        lines.append(f"  {split:5s} {counts['images']:7,} images  {counts['captions']:7,} captions  {found}")
    lines += [f"  left out: {count:,} {reason}" for reason, count in info["left_out"].items()]
    return lines + [f"  note: {note}" for note in _feature_notes(Path(out), info)]


def _feature_notes(folder, info):
    """What the feature files' readers note, each file once."""
    entries = [entry for part in ("features", "pooled") for entry in (info[part] or {}).values()]
    return [note for path in dict.fromkeys(entry["path"] for entry in entries)
            for note in FeatureReader(folder / path).notes()]
