"""All that training learns and is judged from, as fingerprints in a checkpoint, and what of it has changed since."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from data.dataset import Dataset, Reader, attribute_differences, read_references
from data.features import FeatureReader, PairReader
from data.fingerprints import Fingerprints, Progress, fingerprint, first_difference

PARTS = {"captions": "caption", "images": "caption", "references": "image"}     # part of a split -> what its rows are
SPLITS = {"train": "training", "val": "validation"}          # in messages


def contents(dataset: Dataset, progress: Progress = iter) -> dict[str, Any]:
    """Fingerprints of every feature row, and of each split's captions, images and references -> JSON-able dict.

    progress: wraps the blocks of a feature file, which are read if the dataset folder does not know the fingerprint.
    Raises ValueError on damaged files.
    """
    known = Fingerprints(dataset.folder)
    files = {file.path: file for reader in dataset.features.values() for file in files_of(reader)}
    prints = [{"path": path, **known.of(path, progress)} for path in files]
    numbers = {path: number for number, path in enumerate(files)}
    references = read_references(dataset.folder / "references.json") if (
        dataset.uncut and (dataset.folder / "references.json").is_file()) else None
    return {"files": prints,
            "features": {split: [numbers[file.path] for file in files_of(reader)]
                         for split, reader in dataset.features.items()},
            "splits": {split: _split(dataset, split, references) for split in dataset.captions}}


def files_of(reader: Reader) -> list[FeatureReader]:
    """The readers of single files in a reader."""
    return [reader.grid, reader.pooled] if isinstance(reader, PairReader) else [reader]


def check_contents(then: Mapping[str, Any], dataset: Dataset, now: Mapping[str, Any]) -> None:
    """Compare a checkpoint's identity of its data, with contents, to a dataset and its contents.

    Raises ValueError that says which part of which split differs, where, and what else does.
    """
    try:
        found = [*_changed_features(then, dataset, now), *_changed_splits(then["contents"], dataset, now)]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{dataset.folder}: the checkpoint does not say in a known form what it was trained with "
                         f"({type(error).__name__}: {error})") from error
    if found:
        (part, where, how), *others = found
        also = f"; also changed: {', '.join(other[0] for other in others)}" if others else ""
        raise ValueError(f"{where}: not the {part} the checkpoint was trained with ({how}{also}; trained on "
                         f"{then['folder']}): use those, or train again")


def _split(dataset: Dataset, split: str, references: Any) -> dict[str, Any]:
    ids, rows = (np.ascontiguousarray(array, np.int64) for array in dataset.captions_of(split))
    arrays = {"captions": fingerprint(len(ids), lambda first, end: [repr(ids.shape[1]).encode(), ids[first:end]]),
              "images": fingerprint(len(rows), lambda first, end: [rows[first:end]])}
    if references is None:
        return {**arrays, "references": None}
    of = references.get(split, {})                              # where some are absent, scoring says so
    lines = [json.dumps([name, of.get(name)]).encode() for name in dataset.images(split)[1]]
    return {**arrays, "references": fingerprint(len(lines), lambda first, end: lines[first:end])}


Change = tuple[str, object, str]                # what has changed, its file or folder, how


def _changed_splits(then: Mapping[str, Any], dataset: Dataset, now: Mapping[str, Any]) -> Iterator[Change]:
    for split, before in then["splits"].items():
        if split not in now["splits"]:
            yield f"{SPLITS.get(split, split)} split", dataset.folder, "absent now"
            continue
        for part, row in PARTS.items():
            old, new = before[part], now["splits"][split][part]
            if old != new:
                how = _how(old, new, row, _names(dataset, split, part))
                yield f"{SPLITS.get(split, split)} {part}", dataset.folder, how


def _changed_features(then: Mapping[str, Any], dataset: Dataset, now: Mapping[str, Any]) -> Iterator[Change]:
    told = set()
    for split in [split for split in then["contents"]["features"] if split in now["features"]]:
        numbers, ours = then["contents"]["features"][split], files_of(dataset.features[split])
        if len(numbers) != len(ours):
            yield "features", ours[0].path, f"{len(numbers)} files then, {len(ours)} now"
            continue
        for number, reader in zip(numbers, ours):
            old, new = then["contents"]["files"][number], now["files"][now["features"][split][ours.index(reader)]]
            if reader.path not in told and any(old[key] != new[key] for key in ("sha256", "form", "shape")):
                told.add(reader.path)
                attributes = then["features"][split]["attributes"], dataset.features[split].attributes()
                yield "features", reader.path, _how_features(old, new, attributes, dataset, reader)


def _how(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None, row: str, names: list[str]) -> str:
    """How one fingerprint differs from another. row: what a row is; names: of the images of the rows now."""
    if then is None or now is None:
        return "absent then, present now" if then is None else "present then, absent now"
    words = [f"{then['rows']:,} then, {now['rows']:,} now"] if then["rows"] != now["rows"] else []
    if place := first_difference(then, now):
        first, last = place
        words.append("the first that differs is " + (
            f"{row} {first}, {names[first]!r}" if first == last else
            f"one of {row}s {first} to {last}, {names[first]!r} to {names[last]!r}"))
    return "; ".join(words) or "different"


def _how_features(then: Mapping[str, Any], now: Mapping[str, Any], attributes: tuple[Mapping, Mapping],
                  dataset: Dataset, reader: FeatureReader) -> str:
    if then["shape"] != now["shape"]:
        return f"{then['shape']} then, {now['shape']} now"
    if attributes[0] != attributes[1]:
        return attribute_differences(*attributes)
    if then["form"] != now["form"]:
        return "another type, other image names or other regions"
    rows = _how(then, now, "row", reader.image_names() or [f"row {row}" for row in range(len(reader))])
    used = _splits_that_use(first_difference(then, now) or (0, len(reader)), dataset, reader)
    return f"{rows}, of {' and '.join(used) or 'no'} split"


def _splits_that_use(place: tuple[int, int], dataset: Dataset, reader: FeatureReader) -> list[str]:
    """The splits with images in these rows, first and last, of a feature file."""
    return [SPLITS.get(split, split) for split, rows in dataset.image_idxs.items()
            if any(file.path == reader.path for file in files_of(dataset.features[split]))
            and ((rows >= place[0]) & (rows <= place[1])).any()]


def _names(dataset: Dataset, split: str, part: str) -> list[str]:
    """The images of the rows of a part's fingerprint."""
    names = dataset.names(split)
    return dataset.images(split)[1] if part == "references" else [names[row] for row in dataset.image_idxs[split]]
