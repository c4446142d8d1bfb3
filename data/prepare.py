"""Making a dataset folder from captions and feature files.

    captions.h5      {train,val,test}_captions int32 (N, T), {train,val,test}_image_idxs int32 (N,): rows of features;
                     with a digest (data/sealed.py) and the attribute format = "rnnlayers captions 2"
    vocab.json       idx_to_word, word_to_idx
    references.json  split -> image name -> the captions as written, without markers around them, for scoring
    dataset.json     names, counts, shapes, fingerprints, how captions are cut, paths of features and photographs
"""
import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.features import FeatureReader, check_same_kind
from data.files import is_full, new_hdf5
from data.fingerprints import Fingerprints, Progress
from data.markers import strip_source
from data.matching import examples, match_names
from data.sources import Source
from data.splits import check_splits
from data.tokenizer import TOKENS
from data.vocabulary import Vocabulary
from data.word_counts import check_has_words, count_words, default_min_count


@contextlib.contextmanager
def new_folder(out: str | os.PathLike) -> Iterator[Path]:
    """A temporary folder to fill; it becomes `out` if the block succeeds, and is removed if it fails.

    Raises FileExistsError if `out` exists and is not an empty folder; an OSError of writing names `out`.
    """
    out = Path(out).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out}: is not empty, nothing was written: choose another folder or remove it")
    place = next(parent for parent in out.parents if parent.exists())
    hidden = place / f".{out.name}."
    with naming_output(out, str(hidden)):
        temporary = Path(tempfile.mkdtemp(prefix=hidden.name, dir=place))
        try:
            yield temporary
            temporary.chmod(0o755)
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.exists():
                out.rmdir()
            os.replace(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def naming_output(out: Path, hidden: str) -> Iterator[None]:
    """Name `out` in an OSError of writing, inside this block, files whose paths begin with `hidden`.

    No user has typed these. Raises OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or getattr(error.__cause__, "strerror", None)
        if reason is None or not (is_full(error) or hidden in f"{error} {error.filename}"):
            raise
        raise type(error)(f"{out}: cannot be written, and nothing was written: {reason}") from error


def write_dataset(folder: str | os.PathLike, source: Source, features: Mapping[str, str | os.PathLike],
                  pooled: Mapping[str, str | os.PathLike] | None = None, *, min_count: int | None = None,
                  max_words: int = 20, tokens: str = "treebank", pictures: str | None = None,
                  photographs: Sequence[str] = (), progress: Progress = iter) -> dict[str, Any]:
    """Write the four files of a dataset folder -> the content of dataset.json.

    source: captions from data.sources; features: split -> feature file; pooled: the same for pooled features, or None;
    min_count: None to choose by the number of training captions; tokens: how captions are cut into words, a name in
    data.tokenizer.TOKENS; pictures: an HDF5 file in the folder with the images, or None; photographs: folders that
    have the images as files; progress: wraps the blocks of
    a feature file, all of which are read. Relative paths start from the folder.
    Images are found in the feature files by their names (data.matching) and stored in the order of their rows there.
    Markers around captions are stripped. Captions of images without features, and captions without a word, are left
    out. All are counted. Raises ValueError if a split or the vocabulary ends up empty, if the feature files do not fit
    together, or if an image with captions has NaN or infinity among its features.
    """
    check_splits(source)
    stripped, markers = strip_source(source.captions)
    source = source._replace(captions=stripped)
    folder, left_out, notes = Path(folder), Counter(source.left_out), _notes(source, Path(folder), features, pooled)
    readers = {split: FeatureReader(folder / features[split]) for split in source.captions}
    check_same_kind(readers)
    texts, rows, references = {}, {}, {}
    for split, found in _found_rows(source, readers, folder, pooled, notes).items():
        texts[split], rows[split], references[split] = _select(split, source.captions[split], TOKENS[tokens], found,
                                                               left_out)
        if not texts[split]:
            raise ValueError(f"{readers[split].path}: no caption of the {split} split has words and features; "
                             f"{examples(source.captions[split], readers[split].image_names() or [])}")
    min_count = default_min_count(len(texts["train"])) if min_count is None else min_count
    vocabulary = Vocabulary.build(texts["train"], min_count, tokens)
    check_has_words(source.name, vocabulary, min_count, texts["train"])
    ids = {split: vocabulary.encode_all(captions, max_words) for split, captions in texts.items()}
    _write_captions(folder / "captions.h5", ids, rows)
    vocabulary.save(folder / "vocab.json")
    _write_json(folder / "references.json", references)
    notes += _check_numbers(folder, [features, *([pooled] if pooled else [])], rows, progress)
    return write_description(
        folder, source.name, {split: (len(references[split]), len(texts[split])) for split in texts}, vocabulary,
        features, pooled, min_count=min_count, max_words=max_words, pictures=pictures, tokens=tokens,
        photographs=list(photographs),
        left_out={reason: count for reason, count in left_out.items() if count}, markers=markers,
        training_words=count_words(texts["train"], ids["train"], vocabulary),
        notes=[note.replace(f"{folder}{os.sep}", "") for note in notes])      # the folder may be a temporary one


def _notes(source: Source, folder: Path, features: Mapping[str, str | os.PathLike],
           pooled: Mapping[str, str | os.PathLike] | None) -> list[str]:
    """What is odd about a source and its feature files, in sentences."""
    notes = list(source.notes)
    if "val" not in source.captions:
        notes.append("no validation split, without which scripts.train takes only --overfit: --val 0.1 makes one of a "
                     "tenth of the training images")
    given = [path for part in (features, pooled or {}) for path in part.values()]
    paths = dict.fromkeys(folder / path for path in given if os.path.isabs(path))      # others were just made here
    return notes + [note for path in paths for note in FeatureReader(path).notes()]


def write_description(folder: Path, name: str, counts: Mapping[str, tuple[int, int]], vocabulary: Vocabulary,
                      features: Mapping[str, str | os.PathLike] | None,
                      pooled: Mapping[str, str | os.PathLike] | None = None, min_count: int | None = None,
                      **more: Any) -> dict[str, Any]:
    """Write dataset.json -> its content.

    counts: split -> numbers of images and captions; features, pooled: as in write_dataset; more: further entries.
    """
    info = {
        "format": "rnnlayers dataset 1",
        "name": name,
        "splits": {split: {"images": images, "captions": captions} for split, (images, captions) in counts.items()},
        "vocabulary": {"words": len(vocabulary), "min_count": min_count, "fingerprint": vocabulary.fingerprint()},
        "features": {split: describe(folder, features[split]) for split in counts if features},
        "pooled": {split: describe(folder, pooled[split]) for split in counts} if pooled else None,
        **more,
    }
    _write_json(folder / "dataset.json", info)
    return info


def describe(folder: str | os.PathLike, path: str | os.PathLike) -> dict[str, Any]:
    """The entry of a feature file in dataset.json; its path is absolute unless the file is inside the folder.

    Inside, it has forward slashes on Windows too: the folder may move to another system.
    """
    folder = Path(os.path.abspath(folder))
    path = Path(os.path.abspath(folder / path))
    reader = FeatureReader(path)
    return {"path": path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path),
            "shape": reader.file_shape, "dtype": str(reader.dtype), "fingerprint": reader.fingerprint(),
            "attributes": reader.attributes()}


def _found_rows(source: Source, readers: Mapping[str, FeatureReader], folder: Path,
                pooled: Mapping[str, str | os.PathLike] | None, notes: list[str]
                ) -> dict[str, dict[str, tuple[int, str]]]:
    """For each split: image name in the captions -> its row of features and its name there, in the order of rows.

    Splits that share a feature file are matched together. How names were matched is appended to `notes`.
    """
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for path in dict.fromkeys(reader.path for reader in readers.values()):
        splits = [split for split, reader in readers.items() if reader.path == path]
        names = _names(readers[splits[0]], [folder / pooled[split] for split in splits] if pooled else [])
        matches = match_names((name for split in splits for name in source.captions[split]), names)
        notes += [f"{path}: {count:,} images found by {by}" for by, count in matches.by.items()]
        for split in splits:
            rows = sorted((matches.row_of[name], name) for name in source.captions[split] if name in matches.row_of)
            found[split] = {name: (row, names[row]) for row, name in rows}
            lacking = [name for name in source.captions[split] if name not in matches.row_of]
            if lacking and rows:
                notes.append(f"{path}: {len(lacking):,} {split} images have no features; {examples(lacking, names)}")
    return {split: found[split] for split in source.captions}


def _names(reader: FeatureReader, pooled_paths: Sequence[Path]) -> list[str]:
    names = reader.image_names()
    if names is None:
        raise ValueError(f"{reader.path}: no dataset 'image_names', expected the name of each row's image: "
                         "python -m scripts.convert_features adds them (--names)")
    for path in pooled_paths:
        pooled = FeatureReader(path)
        if pooled.image_names() != names:
            raise ValueError(f"{pooled.path}: image_names differ from those of {reader.path}, expected the same rows")
        if len(pooled.file_shape) != 2:
            raise ValueError(f"{pooled.path}: features is {pooled.file_shape}, expected pooled features (rows, D)")
    return names


def _select(split: str, captions: Mapping[str, Sequence[str]], cut: Callable[[str], str],
            found: Mapping[str, tuple[int, str]], left_out: Counter
            ) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """Captions that have words and features -> the words of each caption, rows of their images, references.

    cut: of data.tokenizer.TOKENS. The other captions are counted in left_out.
    """
    texts: list[str] = []
    rows: list[int] = []
    references = {}
    left_out[f"{split} captions of images without features"] += sum(
        len(raws) for name, raws in captions.items() if name not in found)
    for name, (row, stored) in found.items():
        raws = captions[name]
        pairs = [(raw, text) for raw in raws if (text := cut(raw))]
        left_out[f"{split} captions without a word"] += len(raws) - len(pairs)
        left_out[f"{split} images without a caption"] += not pairs
        if pairs:
            references[stored] = [raw for raw, _ in pairs]
            texts += [text for _, text in pairs]
            rows += [row] * len(pairs)
    return texts, np.array(rows, np.int32), references


def _check_numbers(folder: Path, parts: Sequence[Mapping[str, str | os.PathLike]], rows: Mapping[str, np.ndarray],
                   progress: Progress) -> list[str]:
    """Read all features once -> notes on rows with NaN or infinity that no caption uses.

    rows: split -> those that captions use. Raises ValueError if one of them has NaN or infinity. The fingerprints of
    the files are kept, so that training need not read the files for them again.
    """
    used: dict[Path, set[int]] = {}
    for part in parts:
        for split in rows:
            used.setdefault(folder / part[split], set()).update(rows[split].tolist())
    notes = []
    for path, wanted in used.items():
        broken: list[int] = []
        Fingerprints(folder).of(path, progress, broken)
        if bad := [row for row in broken if row in wanted]:
            names = FeatureReader(path).image_names() or []
            raise ValueError(f"{path}: row {bad[0]} of features has NaN or infinity (image {names[bad[0]]}"
                             f"{f', and {len(bad) - 1:,} more' if bad[1:] else ''}), expected finite numbers: extract "
                             "that image's features again")
        if broken:
            notes.append(f"{path}: NaN or infinity among the features of images without captions: {len(broken):,} "
                         f"rows, the first is {broken[0]}")
    return notes


def _write_captions(path: Path, ids: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> None:
    with new_hdf5(path, "captions") as f:
        for split in ids:
            f[f"{split}_captions"] = ids[split]
            f[f"{split}_image_idxs"] = rows[split]


def _write_json(path: Path, content: Any) -> None:
    # In ASCII: captions from the web contain halves of emoji, which UTF-8 cannot encode.
    path.write_text(json.dumps(content, indent=1), encoding="ascii")
