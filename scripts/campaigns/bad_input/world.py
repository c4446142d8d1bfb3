"""The files of a small world: data sets, runs, captions, photos that are right, and files that must not be lost."""
import contextlib
import csv
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from stat import S_ISDIR

import h5py
import numpy as np
from PIL import Image

from data.features import write_features
from data.scene_dataset import make_scene_dataset
from scripts.campaigns.bad_input.onnx_file import tiny_model
from scripts.release import main as release
from scripts.runs import training_files
from scripts.train import main as train

NAMES = [f"photo-{k}.png" for k in range(7)]
TEXTS = ["a red ring", "two blue stars", "the ring and a star", "a star", "no ring", "a blue ring", "one more star"]
PAIR = """
import numpy as np


def double_forward(x):
    \"\"\"x: input of shape (N, D)\"\"\"
    return 2 * x, None


def double_backward(dout, cache):
    return 2 * dout
"""


class World:
    """A folder of good files. `restore` brings it back to what it was, and says what had changed."""

    def __init__(self, place: Path):
        self.place, self._kept = place, place.with_name(f"{place.name}.kept")
        place.mkdir()
        _make_all(place)
        shutil.copytree(place, self._kept, ignore=shutil.ignore_patterns("precious"))
        self._stats = self._now()

    def restore(self) -> list[str]:
        """Undo what was changed since the last time -> paths in the world of files that were changed or removed.

        What was added is removed too, and not counted.
        """
        before, now = self._stats, self._now()
        differ = sorted(path for path in before.keys() | now if before.get(path) != now.get(path))
        for part in {path.split(os.sep)[0] for path in differ}:
            _remove(self.place / part)
            if part == "precious":
                _make_precious(self.place / part)
            elif (self._kept / part).is_dir():
                shutil.copytree(self._kept / part, self.place / part)
        if differ:
            self._stats = self._now()
        return [path for path in differ if path in before]

    def _now(self) -> dict[str, tuple]:
        found = {}
        for folder, folders, names in os.walk(self.place):
            for name in [*folders, *names]:
                stat = os.lstat(os.path.join(folder, name))
                path = os.path.relpath(os.path.join(folder, name), self.place)
                found[path] = (stat.st_mode,) if S_ISDIR(stat.st_mode) else (
                    stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _make_all(place: Path) -> None:
    np.random.seed(0)
    make_scene_dataset(place / "scenes", seed=1, sizes={"train": 12, "val": 5, "test": 4})
    _make_raw(place / "raw")
    _make_precious(place / "precious")
    training_files.curves = training_files.sheet = lambda *_: b"\x89PNG"      # drawing takes longer than all the rest
    for model in ("lstm", "attention"):
        with contextlib.redirect_stdout(io.StringIO()):
            train(["--data", str(place / "scenes"), "--out", str(place / model), "--model", model, "--epochs", "1",
                   "--hidden", "6", "--wordvec", "5", "--batch", "13"])
    (place / "released").mkdir()
    with contextlib.redirect_stdout(io.StringIO()):
        release([str(place / "attention"), "--out", str(place / "released" / "model.h5")])


def _make_raw(raw: Path) -> None:
    """Captions, features and pictures as they come from elsewhere."""
    rng = np.random.default_rng(2)
    (raw / "photos").mkdir(parents=True)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(raw / "photos" / name)
    features = rng.standard_normal((len(NAMES), 4, 3)).astype(np.float32)
    write_features(raw / "features.h5", features, NAMES, model="m", layer="grid")
    write_features(raw / "pooled.h5", features.mean(axis=1), NAMES, model="m", layer="pooled")
    np.save(raw / "features.npy", features)
    np.savez(raw / "features.npz", features=features, names=np.array(NAMES))
    (raw / "names.txt").write_text("\n".join(NAMES))
    (raw / "roster.csv").write_text("name,student\nAda,ada\nBob,bob\n")
    tiny_model(raw / "model.onnx")
    _make_captions(raw)
    (raw / "layer.py").write_text(PAIR)
    (raw / "book.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    (raw / "work").mkdir()
    (raw / "work" / "layers.py").write_text("x = 1\n")
    with zipfile.ZipFile(raw / "work.zip", "w") as archive:
        archive.writestr("rnnlayers/rnn.py", "x = 1\n")
        archive.writestr("manifest.json", '{"student": "7"}')
    with zipfile.ZipFile(raw / "coco.pt", "w") as archive:
        archive.writestr("coco/data.pkl", b"\x80\x02}q\x00X\x05\x00\x00\x00vocabq\x01}q\x02s.")


def _make_captions(raw: Path) -> None:
    pairs = list(zip(NAMES, TEXTS))
    with open(raw / "captions.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *pairs])
    (raw / "captions.json").write_text(json.dumps(dict(pairs)))
    (raw / "references.json").write_text(json.dumps({name: [text, f"{text} here"] for name, text in pairs}))
    (raw / "tokens.txt").write_text("".join(f"{name}#0\t{text}\n" for name, text in pairs))
    splits = ["train"] * 4 + ["val"] * 2 + ["test"]
    (raw / "karpathy.json").write_text(json.dumps({"dataset": "x", "images": [
        {"filename": name, "split": split, "sentences": [{"raw": text, "tokens": text.split()}]}
        for (name, text), split in zip(pairs, splits)]}))
    for split, part in (("train", pairs[:4]), ("val", pairs[4:])):
        (raw / f"coco_{split}.json").write_text(json.dumps({
            "images": [{"id": k, "file_name": name} for k, (name, _) in enumerate(part)],
            "annotations": [{"id": k, "image_id": k, "caption": text} for k, (_, text) in enumerate(part)]}))
    (raw / "splits").mkdir()
    for split, part in (("train", NAMES[:4]), ("dev", NAMES[4:6]), ("test", NAMES[6:])):
        (raw / "splits" / f"Flickr_8k.{split}Images.txt").write_text("\n".join(part))


def _make_precious(folder: Path) -> None:
    """Files of the user's own, which no command may replace."""
    (folder / "folder").mkdir(parents=True)
    (folder / "folder" / "letter.txt").write_text("dear all")
    Image.new("RGB", (9, 7), "green").save(folder / "photo.png")
    (folder / "thesis.json").write_text('{"chapters": 7}')
    (folder / "notes.md").write_text("# My notes\n\n| a | b |\n")
    (folder / "table.csv").write_text("name,marks\nada,9\n")
    (folder / "page.html").write_text("<!doctype html><title>mine</title>")
    (folder / "empty").touch()
    (folder / "my.ipynb").write_text("{}")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("letter.txt", "dear all")
    with h5py.File(folder / "mine.h5", "w") as file:
        file["x"] = np.arange(3)
    os.symlink("thesis.json", folder / "link")
    os.symlink("nowhere", folder / "dangling")
    os.symlink("loop", folder / "loop")
    os.symlink(".", folder / "folder" / "round")
    os.mkfifo(folder / "fifo")
    with contextlib.suppress(OSError):                  # for root alone
        os.mknod(folder / "device", 0o666 | 0o020000, os.makedev(1, 3))
