"""Making a dataset folder from captions and feature files.

    captions.h5      {train,val,test}_captions int32 (N, T), {train,val,test}_image_idxs int32 (N,): rows of features
    vocab.json       idx_to_word, word_to_idx
    references.json  split -> image name -> the captions as written, without markers around them, for scoring
    dataset.json     names, counts, shapes, fingerprints, how captions are cut, and the paths of the features
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
from data.files import new_hdf5
from data.markers import strip_source
from data.sources import Source
from data.tokenizer import TOKENS
from data.vocabulary import Vocabulary
from data.word_counts import check_has_words, count_words, default_min_count


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
                  pooled: Mapping[str, str | os.PathLike] | None = None, *, min_count: int | None = None,
                  max_words: int = 20, tokens: str = "treebank", pictures: str | None = None) -> dict[str, Any]:
    """Write the four files of a dataset folder -> the content of dataset.json.

    source: captions from data.sources; features: split -> feature file; pooled: the same for pooled features, or None;
    min_count: None to choose by the number of training captions; tokens: how captions are cut, of data.tokenizer;
    pictures: an HDF5 file in the folder with the images, or None. Relative paths start from the folder.
    Markers around captions are stripped. Captions of images without features, and captions without a word, are left
    out. All are counted. Raises ValueError if a split or the vocabulary ends up empty or if the feature files do not
    fit together.
    """
    folder, left_out = Path(folder), Counter(source.left_out)
    stripped, markers = strip_source(source.captions)
    readers = {split: FeatureReader(folder / features[split]) for split in source.captions}
    texts, rows, references = {}, {}, {}
    for split, captions in stripped.items():
        row_of_name = _row_of_name(readers[split], folder / pooled[split] if pooled else None)
        texts[split], rows[split], references[split] = _select(split, captions, TOKENS[tokens], row_of_name, left_out)
        _check_not_empty(split, texts[split], captions, readers[split])
    check_same_kind(readers)
    if "train" not in texts:
        raise ValueError(f"{source.name}: no train split among {', '.join(texts) or 'none'}")
    min_count = default_min_count(len(texts["train"])) if min_count is None else min_count
    vocabulary = Vocabulary.build(texts["train"], min_count, tokens)
    check_has_words(source.name, vocabulary, min_count, texts["train"])
    ids = {split: vocabulary.encode_all(captions, max_words) for split, captions in texts.items()}
    _write_captions(folder / "captions.h5", ids, rows)
    vocabulary.save(folder / "vocab.json")
    _write_json(folder / "references.json", references)
    return write_description(
        folder, source.name, {split: (len(references[split]), len(texts[split])) for split in texts}, vocabulary,
        features, pooled, min_count=min_count, max_words=max_words, pictures=pictures, tokens=tokens,
        left_out={reason: count for reason, count in left_out.items() if count}, markers=markers,
        training_words=count_words(texts["train"], ids["train"], vocabulary))


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
    """The entry of a feature file in dataset.json; its path is absolute unless the file is inside the folder."""
    reader = FeatureReader(Path(folder) / path)
    return {"path": str(path) if (Path(folder) / path).parent == Path(folder) else os.path.abspath(path),
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


def _select(split: str, captions: Mapping[str, Sequence[str]], cut: Callable[[str], str],
            row_of_name: Mapping[str, int], left_out: Counter) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """Captions that have words and features -> the words of each caption, rows of their images, references.

    cut: of data.tokenizer.TOKENS. The other captions are counted in left_out.
    """
    texts: list[str] = []
    rows: list[int] = []
    references = {}
    for name, raws in captions.items():
        if name not in row_of_name:
            left_out[f"{split} captions of images without features"] += len(raws)
            continue
        pairs = [(raw, text) for raw in raws if (text := cut(raw))]
        left_out[f"{split} captions without a word"] += len(raws) - len(pairs)
        left_out[f"{split} images without a caption"] += not pairs
        if pairs:
            references[name] = [raw for raw, _ in pairs]
            texts += [text for _, text in pairs]
            rows += [row_of_name[name]] * len(pairs)
    return texts, np.array(rows, np.int32), references


def _check_not_empty(split: str, texts: list[str], captions: Mapping[str, Sequence[str]],
                     reader: FeatureReader) -> None:
    if texts:
        return
    first = (reader.image_names() or ["nothing"])[0]
    raise ValueError(f"{reader.path}: no caption of the {split} split has words and features; its images have names "
                     f"like {first!r}, the images of the captions like {next(iter(captions), 'nothing')!r}")


def _write_captions(path: Path, ids: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> None:
    with new_hdf5(path) as f:
        for split in ids:
            f[f"{split}_captions"] = ids[split]
            f[f"{split}_image_idxs"] = rows[split]


def _write_json(path: Path, content: Any) -> None:
    # In ASCII: captions from the web contain halves of emoji, which UTF-8 cannot encode.
    path.write_text(json.dumps(content, indent=1), encoding="ascii")
