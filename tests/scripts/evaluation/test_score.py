"""scripts.score on files as people have them."""
import csv
import importlib
import json
import os
import shutil
import sys

import pytest

from models.metrics import MEASURES, score_captions
from scripts import score
from scripts.evaluation import java_scores as coco_scores
from tests.command import call

CANDIDATES = [{"image_id": 1, "caption": "A dog runs."}, {"image_id": "zwei", "caption": "Zwei Männer, 走る!"}]
REFERENCES = [{"image_id": 1, "id": 1, "caption": "the dog is running"}, {"image_id": 1, "id": 2, "caption": "A dog"},
              {"image_id": "zwei", "id": 3, "caption": "zwei männer"}]


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def files(tmp_path):
    """A function that writes the two files and gives their paths."""
    def write(candidates, references):
        paths = tmp_path / "candidates.json", tmp_path / "references.json"
        for path, content in zip(paths, (candidates, references)):
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return paths
    return write


def printed(capsys):
    """What scripts.score printed -> {measure: score}, lines on standard error."""
    out, err = capsys.readouterr()
    return {name: float(value) for name, value in (line.split() for line in out.splitlines()[1:])}, err.splitlines()


def test_the_published_demonstration_from_raw_text(real_data, tmp_path, capsys):
    folder, out = real_data / "caption_scores", tmp_path / "out.csv"
    assert call(score.main, folder / "candidates.json", folder / "references.json", "--per-image", out) == 0
    scores, notes = printed(capsys)
    expected = json.loads((folder / "expected_corpus.json").read_text())
    for name in MEASURES:
        assert scores[name] == pytest.approx(expected[name.replace("-", "_").replace("BLEU", "Bleu")], abs=5e-4)
    assert len(notes) == 1 and notes[0].startswith("METEOR and SPICE are left out")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    each = json.loads((folder / "expected_per_image.json").read_text())
    assert len(rows) == 1000
    assert max(abs(float(row["CIDEr"]) - each[row["image_id"]]["CIDEr"]) for row in rows) < 5e-4


def test_text_of_all_kinds_is_tokenised(files, capsys, tmp_path):
    paths = files(CANDIDATES, {"images": [], "annotations": REFERENCES})
    assert call(score.main, *paths, "--per-image", tmp_path / "out.csv") == 0
    found, _ = printed(capsys)
    expected = score_captions({1: "a dog runs", 2: "zwei männer 走る"}, {1: ["the dog is running", "a dog"],
                                                                       2: ["zwei männer"]})
    assert found == pytest.approx(expected.corpus, abs=5e-5)
    assert "zwei" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_brackets_are_words_as_for_the_reference(files, capsys):
    """The expected scores are those of pycocoevalcap with its Java tokeniser."""
    call(score.main, *files({"x": "a bird {blue} sits (alone)", "y": "two boats"},
                            {"x": ["a blue bird (a jay) sits", "the {blue} jay"],
                             "y": ["two small boats (red) float"]}))
    found, _ = printed(capsys)
    assert [found[name] for name in ("BLEU-1", "BLEU-3", "CIDEr")] == [0.6319, 0.2132, 1.5104]


def test_images_without_a_candidate_are_left_out_and_told(files, capsys):
    assert call(score.main, *files(CANDIDATES[:1], {"annotations": REFERENCES})) == 0
    _, notes = printed(capsys)
    assert "1 images of" in notes[0] and "have no candidate" in notes[0] and "CIDEr of a single image" in notes[1]


def test_empty_captions_count(files, capsys):
    empty = [{"image_id": 1, "caption": " . "}, CANDIDATES[1]]
    assert call(score.main, *files(empty, {"annotations": REFERENCES})) == 0
    scores, notes = printed(capsys)
    assert "1 candidates have no word" in notes[0]
    assert scores["ROUGE-L"] == pytest.approx(score_captions({1: "", 2: "zwei männer 走る"}, {
        1: ["the dog is running", "a dog"], 2: ["zwei männer"]}).corpus["ROUGE-L"], abs=5e-5)


GOOD = {"annotations": REFERENCES}


@pytest.mark.parametrize("candidates, references, message", [
    (CANDIDATES + [{"image_id": 7, "caption": "a"}], GOOD, "1 of 3 images have no reference"),
    ([{"image_id": "5", "caption": "a"}], GOOD, "references.json: '5'; there are images: '1', 'zwei'"),
    (CANDIDATES + CANDIDATES[:1], GOOD, "entry 2: image_id 1 occurs twice"),
    ([], GOOD, "a list of 0 entries"), ({"annotations": []}, GOOD, "an object with annotations"),
    ([{"image_id": 1}], GOOD, "entry 0 is {'image_id': 1}"), ([7], GOOD, "entry 0 is 7"),
    ([{"image_id": None, "caption": "a"}], GOOD, "image_id is None"),
    ([{"image_id": [1], "caption": "a"}], GOOD, "image_id is [1]"),
    ([{"image_id": True, "caption": "a"}], GOOD, "image_id is True"),
    ([{"image_id": 1, "caption": None}], GOOD, "caption is None"),
    (CANDIDATES, [], "object with annotations, found a list of 0"), (CANDIDATES, {"images": []}, "with images"),
    (CANDIDATES, {"annotations": []}, "annotations is a list of 0"),
    (CANDIDATES, {"annotations": 7}, "annotations is int"),
    (CANDIDATES, {"annotations": [{"caption": "a"}]}, "annotations[0] is"),
    ("{", GOOD, "expected JSON"), (CANDIDATES, "\xff", "expected JSON"),
])
def test_wrong_files(candidates, references, message, files, capsys):
    assert call(score.main, *files(candidates, references)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: ") and message in err


def test_files_that_are_not_there(files, tmp_path, capsys):
    paths = files(CANDIDATES, GOOD)
    assert call(score.main, tmp_path / "none.json", paths[1]) == 2
    assert call(score.main, *paths, "--per-image", tmp_path / "no" / "out.csv") == 2
    assert call(score.main, *paths, "--per-image", tmp_path) == 2
    assert capsys.readouterr().err.count("error:") == 3


def install(folder, monkeypatch, java, meteor, spice=None, package=True):
    """A java and a package pycocoevalcap with these bodies of compute_score."""
    (folder / "bin").mkdir()
    (folder / "bin" / "java").write_text(f"#!/bin/sh\n{java}\n")
    (folder / "bin" / "java").chmod(0o755)
    for name, body in (("meteor", meteor), ("spice", spice)):
        (folder / "pycocoevalcap" / name / "lib").mkdir(parents=True)
        (folder / "pycocoevalcap" / name / "__init__.py").touch()
        (folder / "pycocoevalcap" / name / f"{name}.py").write_text(
            f"class {name.capitalize()}:\n    def compute_score(self, truth, found):\n        {body}\n")
    if package:
        (folder / "pycocoevalcap" / "__init__.py").touch()
    if spice:
        (folder / "pycocoevalcap" / coco_scores.JAR).touch()
    monkeypatch.undo()                                      # no_java
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "pycocoevalcap", raising=False)
    importlib.invalidate_caches()


GIVEN = {"x": "a", "y": "c é"}, {"x": ["a b"], "y": ["c"]}
SCORER = "assert truth == {0: ['a b'], 1: ['c']} and found == {0: ['a'], 1: ['c é']}; print('chatter'); return "


@pytest.mark.parametrize("package", [True, False])          # pycocoevalcap 1.2 is a folder without __init__.py
def test_meteor_and_spice_where_they_are_installed(package, tmp_path, monkeypatch, capfd):
    install(tmp_path, monkeypatch, "exit 0", SCORER + "0.25, []", SCORER + "0.125, []", package)
    assert coco_scores.java_scores(*GIVEN) == ({"METEOR": 0.25, "SPICE": 0.125}, "")
    assert capfd.readouterr() == ("", "")


def test_programs_that_fail_are_left_out(tmp_path, monkeypatch, capfd):
    install(tmp_path, monkeypatch, "exit 0", "raise OSError('broken pipe')")
    scores, note = coco_scores.java_scores(*GIVEN)
    assert scores == {} and "METEOR is left out, its program failed: OSError: broken pipe" in note
    assert "SPICE is left out: its Stanford models are not there" in note
    assert capfd.readouterr() == ("", "")


def test_a_java_that_does_not_work(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "echo 'No Java runtime present' >&2; exit 1", SCORER + "0.25, []")
    scores, note = coco_scores.java_scores(*GIVEN)
    assert scores == {} and "no java on the PATH that works" in note


@pytest.mark.parametrize("name", ["candidates.json", "references.json"])
def test_the_files_to_read_are_not_written(name, files, tmp_path, capsys):
    paths = files(CANDIDATES, GOOD)
    before = (tmp_path / name).read_bytes()
    assert call(score.main, *paths, "--per-image", tmp_path / name) == 2
    assert (tmp_path / name).read_bytes() == before and "one of the files to read" in capsys.readouterr().err
