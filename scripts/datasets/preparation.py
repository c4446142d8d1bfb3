"""Dataset folders as scripts.prepare_data makes them. args: its options."""
import argparse
import functools
import os
from typing import Any

from data.cocopt import make_cocopt_dataset
from data.features import FeatureReader
from data.naming import check_name, name_of
from data.prepare import new_folder, write_dataset
from data.scene_dataset import make_scene_dataset
from data.sources import Source
from scripts.commandline.image_model import encoder_of
from scripts.commandline.progress import reading, tqdm
from scripts.commandline.run_options import check_least
from scripts.datasets.captions import read_source, with_splits
from scripts.datasets.pictured import captioned, dataset_of_pictures, photographs
from scripts.datasets.word_lines import word_lines


def prepare(args: argparse.Namespace) -> dict[str, Any]:
    """Make the folder that the options describe -> the content of its dataset.json."""
    check_least(args, **{"seed": 0} if hasattr(args, "seed") else {})
    name = name_of(args.out) if args.name is None else check_name(args.name)
    if args.kind == "scenes":
        return make_scene_dataset(args.out, args.seed, name=name)
    if args.kind == "cocopt":
        return make_cocopt_dataset(args.out, args.file, args.encoder and encoder_of(args),
                                   functools.partial(tqdm, disable=None, unit="batch"), name)
    check_least(args, min_count=1, max_words=1)
    source = read_source(args)._replace(name=name)
    options = {option: getattr(args, option) for option in ("min_count", "max_words", "tokens")}
    if args.encoder is not None:
        return dataset_of_pictures(args, source, options)
    if args.kind != "coco":
        source = with_splits(args, source, FeatureReader(args.features).image_names())
    features, pooled = (files(args, name, list(source.captions)) for name in ("features", "pooled"))
    assert features is not None                             # parse has seen to it
    if args.images is not None:
        source, options["photographs"] = noted(args.images, source), photographs(args)
    with new_folder(args.out) as folder:
        return write_dataset(folder, source, features, pooled, progress=reading, **options)


def noted(folders: list[str], source: Source) -> Source:
    """The source with a note on how many images have a photograph. Raises ValueError if none has."""
    count, images = len(captioned(folders, source)), sum(map(len, source.captions.values()))
    return source._replace(notes=(*source.notes, f"{count:,} of {images:,} images have a photograph in "
                                  f"{' and '.join(folders)}"))


def files(args: argparse.Namespace, name: str, splits: list[str]) -> dict[str, str] | None:
    """Split -> the file of features or pooled features that the options name, or None. Raises ValueError."""
    names = {split: f"{split}_{name}" if args.kind == "coco" else name for split in splits}
    paths = {split: getattr(args, option) for split, option in names.items()}
    if None not in paths.values():
        return {split: os.path.abspath(path) for split, path in paths.items()}
    if any(path is not None for path in paths.values()):
        raise ValueError(f"--train-{name} and --val-{name} belong together, expected both or neither")
    return None


def told(out: str, info: dict[str, Any], chosen: bool = False) -> list[str]:
    """What to print about a dataset folder: what it holds, what its words are, and what was left out.

    chosen: no --min-count was given.
    """
    lines = [f"{out}: {info['name']}, {info['vocabulary']['words']:,} words"]
    for split, counts in info["splits"].items():
        files = [info[part][split] for part in ("features", "pooled") if split in (info[part] or {})]
        found = ", ".join(f"{tuple(file['shape'])} in {file['path']}" for file in files)
        found = f"features {found}" if found else "no features: --encoder"
        lines.append(f"  {split:5s} {counts['images']:7,} images  {counts['captions']:7,} captions  {found}")
    lines += word_lines(info, chosen)
    return [*lines, *(f"  left out: {count:,} {reason}" for reason, count in info["left_out"].items()),
            *(f"  note: {note}" for note in info.get("notes", ()))]
