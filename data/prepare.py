"""Making a dataset folder from captions and feature files.

    captions.h5      {train,val,test}_captions int32 (N, T), {train,val,test}_image_idxs int32 (N,): rows of features
    vocab.json       idx_to_word, word_to_idx
    references.json  split -> image name -> the captions as written, for scoring
    dataset.json     names, counts, shapes, fingerprints, and the paths of the features
"""
import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.features import FeatureReader, check_same_kind
from data.files import new_hdf5
from data.sources import Source
from data.tokenizer import tokenize
from data.vocabulary import Vocabulary


@contextlib.contextmanager
def new_folder(out: str | os.PathLike) -> Iterator[Path]:
    """A temporary folder to fill; it becomes `out` if the block succeeds, and is removed if it fails.

    Raises FileExistsError if `out` exists and is not an empty folder.
    """
    out = Path(out).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out}: is not empty, nothing was written: choose another folder or remove it")
    place = next(parent for parent in out.parents if parent.exists())
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=place))
    try:
        yield temporary
        temporary.chmod(0o755)
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.rmdir()
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_dataset(folder: str | os.PathLike, source: Source, features: Mapping[str, str | os.PathLike],
                  pooled: Mapping[str, str | os.PathLike] | None = None, *, min_count: int = 4, max_words: int = 20,
                  pictures: str | None = None) -> dict[str, Any]:
    """Write the four files of a dataset folder -> the content of dataset.json.

    source: captions from data.sources; features: split -> feature file; pooled: the same for pooled features, or None;
    pictures: an HDF5 file in the folder with the images, or None. Relative paths start from the folder.
    Captions of images without features, and captions without a word, are left out and counted.
    Raises ValueError if a split ends up empty or if the feature files do not fit together.
    """
    folder, left_out = Path(folder), Counter(source.left_out)
    readers = {split: FeatureReader(folder / features[split]) for split in source.captions}
    tokens, rows, references = {}, {}, {}
    for split, captions in source.captions.items():
        row_of_name = _row_of_name(readers[split], folder / pooled[split] if pooled else None)
        tokens[split], rows[split], references[split] = _select(split, captions, row_of_name, left_out)
        _check_not_empty(split, tokens[split], captions, readers[split])
    check_same_kind(readers)
    if "train" not in tokens:
        raise ValueError(f"{source.name}: no train split among {', '.join(tokens) or 'none'}")
    vocabulary = Vocabulary.build(tokens["train"], min_count)
    _write_captions(folder / "captions.h5", tokens, rows, vocabulary, max_words)
    vocabulary.save(folder / "vocab.json")
    _write_json(folder / "references.json", references)
    return write_description(
        folder, source.name, {split: (len(references[split]), len(tokens[split])) for split in tokens}, vocabulary,
        features, pooled, min_count=min_count, max_words=max_words, pictures=pictures,
        left_out={reason: count for reason, count in left_out.items() if count})


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


def _row_of_name(reader: FeatureReader, pooled_path: Path | None) -> dict[str, int]:
    names = reader.image_names()
    if names is None:
        raise ValueError(f"{reader.path}: no dataset 'image_names', expected the name of each row's image")
    if pooled_path is not None:
        pooled = FeatureReader(pooled_path)
        if pooled.image_names() != names:
            raise ValueError(f"{pooled.path}: image_names differ from those of {reader.path}, expected the same rows")
        if len(pooled.file_shape) != 2:
            raise ValueError(f"{pooled.path}: features is {pooled.file_shape}, expected pooled features (rows, D)")
    return {name: row for row, name in enumerate(names)}


def _select(split: str, captions: Mapping[str, Sequence[str]], row_of_name: Mapping[str, int],
            left_out: Counter) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """Captions that have words and features -> tokenised captions, rows of their images, references.

    The other captions are counted in left_out.
    """
    tokens: list[str] = []
    rows: list[int] = []
    references = {}
    for name, raws in captions.items():
        if name not in row_of_name:
            left_out[f"{split} captions of images without features"] += len(raws)
            continue
        pairs = [(raw, text) for raw in raws if (text := tokenize(raw))]
        left_out[f"{split} captions without a word"] += len(raws) - len(pairs)
        left_out[f"{split} images without a caption"] += not pairs
        if pairs:
            references[name] = [raw for raw, _ in pairs]
            tokens += [text for _, text in pairs]
            rows += [row_of_name[name]] * len(pairs)
    return tokens, np.array(rows, np.int32), references


def _check_not_empty(split: str, tokens: list[str], captions: Mapping[str, Sequence[str]],
                     reader: FeatureReader) -> None:
    if tokens:
        return
    first = (reader.image_names() or ["nothing"])[0]
    raise ValueError(f"{reader.path}: no caption of the {split} split has words and features; its images have names "
                     f"like {first!r}, the images of the captions like {next(iter(captions), 'nothing')!r}")


def _write_captions(path: Path, tokens: Mapping[str, list[str]], rows: Mapping[str, np.ndarray],
                    vocabulary: Vocabulary, max_words: int) -> None:
    with new_hdf5(path) as f:
        for split in tokens:
            f[f"{split}_captions"] = vocabulary.encode_all(tokens[split], max_words)
            f[f"{split}_image_idxs"] = rows[split]


def _write_json(path: Path, content: Any) -> None:
    # In ASCII: captions from the web contain halves of emoji, which UTF-8 cannot encode.
    path.write_text(json.dumps(content, indent=1), encoding="ascii")
