"""Making a dataset folder from captions and feature files.

    captions.h5      {train,val,test}_captions int32 (N, T), {train,val,test}_image_idxs int32 (N,): rows of features
    vocab.json       idx_to_word, word_to_idx
    references.json  split -> image name -> raw, uncut captions, for scoring
    dataset.json     names, counts, shapes, fingerprints, and where the features are
"""
import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from data.features import FeatureReader, check_same_kind
from data.files import new_hdf5
from data.tokenizer import tokenize
from data.vocabulary import Vocabulary


@contextlib.contextmanager
def new_folder(out):
    """A folder to fill, which becomes `out` when the block ends well and leaves no trace when it does not.

    Raises FileExistsError where `out` exists and is not an empty folder.
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


def write_dataset(folder, source, features, pooled=None, *, min_count=4, max_words=20, pictures=None):
    """Write the four files of a dataset folder -> the content of dataset.json.

    source: captions as data.sources reads them; features: split -> feature file; pooled: the same for pooled features,
    or None; pictures: HDF5 file in the folder with the images, or None. A relative path is one inside the folder.
    Captions of images without features, and captions without a word, are left out and counted.
    Raises ValueError where a split ends up empty or feature files do not fit together.
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


def write_description(folder, name, counts, vocabulary, features, pooled=None, min_count=None, **more):
    """Write dataset.json -> its content. counts: split -> numbers of images and captions; features as write_dataset."""
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


def describe(folder, path):
    """What dataset.json says of a feature file; its path is absolute unless it lies inside the folder."""
    reader = FeatureReader(Path(folder) / path)
    return {"path": str(path) if (Path(folder) / path).parent == Path(folder) else os.path.abspath(path),
            "shape": reader.file_shape, "dtype": str(reader.dtype), "fingerprint": reader.fingerprint(),
            "attributes": reader.attributes()}


def _row_of_name(reader, pooled_path):
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


def _select(split, captions, row_of_name, left_out):
    """Captions with a word, of images with features -> tokenised, their images' rows, references; counts the others."""
    tokens, rows, references = [], [], {}
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


def _check_not_empty(split, tokens, captions, reader):
    if tokens:
        return
    raise ValueError(f"{reader.path}: no caption of the {split} split has words and features; images there are named "
                     f"like {reader.image_names()[0]!r}, the captions' images like {next(iter(captions), 'nothing')!r}")


def _write_captions(path, tokens, rows, vocabulary, max_words):
    with new_hdf5(path) as f:
        for split in tokens:
            f[f"{split}_captions"] = vocabulary.encode_all(tokens[split], max_words)
            f[f"{split}_image_idxs"] = rows[split]


def _write_json(path, content):
    # In ASCII, since captions from the web hold halves of emoji, which UTF-8 cannot write.
    path.write_text(json.dumps(content, indent=1), encoding="ascii")
