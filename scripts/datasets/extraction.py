"""Features of many pictures, in batches, as feature files; pictures that cannot be read are left out."""
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from data.encoder import Encoder
from data.feature_rows import FeatureRows
from data.photos import open_picture
from scripts.commandline.image_model import noting_errors
from scripts.commandline.outputs import check_new
from scripts.commandline.progress import tqdm


class Extracted(NamedTuple):
    """What extract_to wrote."""
    grid: Path | None               # the feature file of regions, None if the encoder has none
    pooled: Path                    # the feature file of vectors, with the same pictures in the same order
    done: int                       # pictures in the files
    failed: int                     # pictures that could not be read, each named on standard error
    notes: list[str]                # lines to print: what the vectors are


def extract_to(path: str | os.PathLike, pooled_path: str | os.PathLike, encoder: str | os.PathLike,
               options: Mapping[str, Any], pictures: dict[str, Path], batch: int = 16) -> Extracted:
    """Write the regions of pictures to `path` and one vector each to `pooled_path`, from one run of the model each.

    The vector is the model's own pooled output if it has exactly one, else the mean over the regions. A model without
    regions, or options with `pool`, gives the vectors alone: nothing is written to `path`.
    encoder: the ONNX model; options: keywords of data.encoder.Encoder (scripts.commandline.image_model.model_options);
    pictures: name -> path, of data.photos.list_pictures. Rows are kept in PATH.part: the same call resumes.
    Raises FileExistsError if a file already exists, KeyboardInterrupt with a line that says how to go on after
    Ctrl-C, and ValueError for what Encoder or FeatureRows refuse, or if no picture could be read.
    """
    regions = Encoder(encoder, **options)
    if len(regions.shape) == 1:
        done, failed = extract({pooled_path: regions}, pictures, batch)
        return Extracted(None, Path(pooled_path), done, failed, [f"{regions.layer} gives one vector for each picture"])
    layer = regions.outputs.pooled()
    vectors = Encoder(encoder, **{**options, "layer": layer or regions.layer, "pool": layer is None})
    done, failed = extract({path: regions, pooled_path: vectors}, pictures, batch)
    of = f"the model's output {layer}" if layer else f"the mean over the regions of {regions.layer}"
    return Extracted(Path(path), Path(pooled_path), done, failed, [f"the vectors are {of}"])


def extract(encoders: Mapping[str | os.PathLike, Encoder], pictures: dict[str, Path], batch: int) -> tuple[int, int]:
    """Write the features of each encoder to its file -> how many pictures are in the files, how many failed.

    encoders: {feature file: encoder}, one, or two that differ only in layer and pool. Raises as extract_to.
    """
    for path in encoders:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        check_new("--out", path)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(FeatureRows(path, encoder.shape, encoder.attributes(), len(pictures)))
                 for path, encoder in encoders.items()]
        for damaged in [rows.part for rows in files if rows.damaged]:
            print(f"note: {damaged}: rows are damaged or of version 0.1, their pictures are encoded again",
                  file=sys.stderr)
        try:
            failed = _append(list(encoders.values()), pictures, files, batch)
        except KeyboardInterrupt:
            done = sum(all(name in rows.rows for rows in files) for name in pictures)
            raise KeyboardInterrupt(f"stopped with {done} of {len(pictures)} pictures done; the same command goes "
                                    "on") from None
        done = [name for name in pictures if all(name in rows.rows for rows in files)]
        if not done:
            for rows in files:
                rows.discard()
            raise ValueError(f"none of {len(pictures)} pictures could be read, nothing was written: the "
                              f"first is {next(iter(pictures.values()))}")
        for rows in files:                              # all are written before the first is complete
            stack.enter_context(rows.finishing(done))
    return len(done), failed


def _append(encoders: list[Encoder], pictures: dict[str, Path], files: list[FeatureRows], batch: int) -> int:
    """Append the features of pictures that one of the files lacks -> how many failed."""
    stamps = {name: stamp(path) for name, path in pictures.items()}
    left = [name for name in pictures
            if any(name not in rows.rows or rows.rows[name][0] != stamps[name] for rows in files)]
    failed: list[str] = []
    with tqdm(total=len(pictures), initial=len(pictures) - len(left), disable=None, unit="image") as bar:
        for i in range(0, len(left), batch):
            opened = {}
            for name in left[i:i + batch]:
                with noting_errors(failed):
                    opened[name] = open_picture(pictures[name], 2 * max(encoders[0].size))
            whole = together(encoders, list(opened.values()))
            for k, (name, picture) in enumerate(opened.items()):
                with noting_errors(failed, f"{pictures[name]}: "):
                    features = [y[0] for y in encode(encoders, [picture])] if whole is None else [y[k] for y in whole]
                    for rows, row in zip(files, features):
                        rows.append(name, stamps[name], row)
            bar.update(len(left[i:i + batch]))
    return len(failed)


def stamp(path: Path) -> list[int] | None:
    """Size and modification time of a file, None if it is absent."""
    found = path.stat() if path.exists() else None
    return found and [found.st_size, found.st_mtime_ns]


def encode(encoders: list[Encoder], pictures: Sequence[Image.Image]) -> Sequence[np.ndarray]:
    """The features that each encoder, one or two, gives of pictures."""
    first, *others = encoders
    return first.encode_both(others[0], pictures) if others else [first.encode(pictures)]


def together(encoders, pictures):
    """The features of a batch, or None if one picture makes the whole batch fail."""
    try:
        return encode(encoders, pictures) if pictures else []
    except ValueError:
        return None
