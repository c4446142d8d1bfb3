"""Dataset folders whose features are made from pictures on the way. args: the options of scripts.prepare_data."""
import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.features import write_features
from data.matching import examples, match_names
from data.places import written_folder
from data.prepare import new_folder, write_dataset
from data.sources import Source
from scripts.commandline.image_model import listed, model_options
from scripts.commandline.progress import reading
from scripts.datasets.captions import with_splits
from scripts.datasets.extraction import extract_to

FEATURES, POOLED = "features.h5", "pooled.h5"       # in the dataset folder
FLAGS = ("features", "pooled", "train_features", "val_features", "train_pooled", "val_pooled")


def dataset_of_pictures(args: argparse.Namespace, source: Source, options: dict[str, Any]) -> dict[str, Any]:
    """Make the features of the captioned pictures, then the dataset folder around them -> its dataset.json.

    All that can be wrong with the captions shows before the first picture is opened. While features are made they are
    kept beside the folder, so that the same command goes on after Ctrl-C. Raises ValueError.
    """
    given = [flag for flag in (*FLAGS, "images", "encoder") if getattr(args, flag, None) is not None]
    if given != ["images", "encoder"]:
        raise ValueError(f"expected either --images with --encoder, or feature files, found --"
                         f"{' and --'.join(given).replace('_', '-')}")
    pictures = captioned(args.images, source)
    source = with_splits(args, source, list(pictures))
    rehearse(source, list(pictures), options)
    beside = [Path(f"{os.path.abspath(args.out)}.{name}") for name in (FEATURES, POOLED)]
    with new_folder(args.out) as folder:
        made = extract_to(*beside, args.encoder, {**model_options(args), "pool": args.pool}, pictures)
        written = {name: path for name, path in ((FEATURES, made.grid), (POOLED, made.pooled)) if path is not None}
        for name, path in written.items():
            os.replace(path, folder / name)
        files = [dict.fromkeys(source.captions, name) for name in written]
        source = source._replace(notes=(*source.notes, *made.notes))
        with keeping(written, folder):
            return write_dataset(folder, source, *files, progress=reading, photographs=photographs(args), **options)


@contextlib.contextmanager
def keeping(files: Mapping[str, Path], folder: Path) -> Iterator[None]:
    """Move feature files, name in the folder -> where they came from, back if the block fails; they took long to make.

    Raises ValueError, or KeyboardInterrupt after Ctrl-C, that says where they are.
    """
    try:
        yield
    except (ValueError, OSError, KeyboardInterrupt) as error:
        for name, path in files.items():
            os.replace(folder / name, path)
        again = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ValueError
        found = str(error).replace(f"{folder}{os.sep}", "") or "stopped"
        kept = " ".join(f"{flag} {path}" for flag, path in zip(("--features", "--pooled"), files.values()))
        raise again(f"{found}; the features are kept, to be taken by {kept}") from error


def photographs(args: argparse.Namespace) -> list[str]:
    """The folders of --images as dataset.json has them; of files their folders."""
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in args.images]
    return [written_folder(folder, args.out) for folder in dict.fromkeys(folders)]


def captioned(folders: list[str], source: Source) -> dict[str, Path]:
    """The pictures in these folders that have captions, name -> path. Raises ValueError if there are none."""
    missing = [folder for folder in folders if not os.path.exists(folder)]
    if missing:
        raise ValueError(f"--images {missing[0]}: no such folder")
    pictures, _ = listed(folders)
    wanted = [name for images in source.captions.values() for name in images]
    names = list(pictures)
    chosen = sorted(names[k] for k in match_names(wanted, names).row_of.values())
    if not chosen:
        raise ValueError(f"--images {' '.join(folders)}: no picture there has a caption; {examples(wanted, names)}")
    return {name: pictures[name] for name in chosen}


def rehearse(source: Source, names: list[str], options: dict[str, Any]) -> None:
    """Make the dataset once with empty features. Raises ValueError for what write_dataset finds in the captions."""
    with tempfile.TemporaryDirectory() as folder:
        write_features(Path(folder, FEATURES), np.zeros((len(names), 1), np.float32), names)
        try:
            write_dataset(folder, source, dict.fromkeys(source.captions, FEATURES), **options)
        except ValueError as error:
            raise ValueError(str(error).replace(f"{Path(folder, FEATURES)}", "--images")) from error
