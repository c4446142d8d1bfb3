"""Files of people's own in scripts.score: whose references are taken, markers, ways to cut captions, its own files."""
import io
import json
import sys

import pytest

from models.metrics import score_captions
from scripts import score
from tests.command import call
from tests.scripts.evaluation.test_score import printed

TEXTS = {"a.jpg": "a dog runs on the grass", "b.jpg": "two men sit on a bench", "c.jpg": "a red car on a street"}
WRITTEN = {"a.jpg": ["A dog runs on grass .", "The dog is running."],
           "b.jpg": ["Two men sit on a bench.", "men sitting"], "c.jpg": ["A red car is parked.", "A car on a street"]}
CUT = {"a.jpg": ["a dog runs on grass", "the dog is running"], "b.jpg": ["two men sit on a bench", "men sitting"],
       "c.jpg": ["a red car is parked", "a car on a street"]}
SCORES = score_captions(TEXTS, CUT).corpus
NAMES = ["COCO_val2014_000000000042.jpg", "COCO_val2014_000000391895.jpg", "COCO_val2014_000000000009.jpg"]
NO_JAVA = "METEOR and SPICE are left out"


def renamed(captions, names):
    return dict(zip(names, captions.values()))


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)


@pytest.fixture
def scored(tmp_path, capsys):
    """A function that writes the two files and scores them -> exit code, {measure: score}, lines of standard error."""
    def run(candidates, references, *options, name="r.json"):
        paths = tmp_path / "c.json", tmp_path / name
        for path, content in zip(paths, (candidates, references)):
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        code = call(score.main, *paths, *options)
        scores, notes = printed(capsys)
        return code, scores, [note for note in notes if not note.startswith(NO_JAVA)]
    return run


@pytest.mark.parametrize("candidates, references, note", [
    (TEXTS, WRITTEN, None), ({image: [text] for image, text in TEXTS.items()}, WRITTEN, None),
    (renamed(TEXTS, "123"), [{"image_id": k, "caption": text} for k, texts in zip((1, 2, 3), WRITTEN.values())
                             for text in texts], None),
    (renamed(TEXTS, ["42", "391895", "9"]), renamed(WRITTEN, NAMES), "3 images are found by the number in their name"),
    (renamed(TEXTS, NAMES), renamed(WRITTEN, ["42", "391895", "9"]), "3 images are found by the number in their name"),
    (renamed(TEXTS, "abc"), WRITTEN, "3 images are found by their base name without its ending"),
    (renamed(TEXTS, ["x\\a.jpg", "x\\b.jpg", "x\\c.jpg"]), WRITTEN, "3 images are found by their base name"),
    (TEXTS, {"train": {"d.jpg": ["x"]}, "test": WRITTEN}, "the test split is used"),
    (TEXTS, {"train": {**renamed(WRITTEN, ["a.jpg", "b.jpg", "d.jpg"])}, "test": WRITTEN}, "the test split is used"),
    (TEXTS, {"val": WRITTEN | {"d.jpg": ["x"]}, "test": WRITTEN}, "the test split is used"),
    (renamed(TEXTS, "012"), {"images": [
        {"filename": image, "imgid": k, "sentences": [{"raw": text} for text in texts]}
        for k, (image, texts) in enumerate(WRITTEN.items())]}, "the id imgid is used"),
    (TEXTS, {"images": [{"id": k, "file_name": image} for k, image in enumerate(WRITTEN)], "annotations": [
        {"image_id": k, "caption": text} for k, texts in enumerate(WRITTEN.values()) for text in texts]},
     "the file_name of its images is used"),
])
def test_references_of_the_candidates_images(candidates, references, note, scored):
    code, scores, notes = scored(candidates, references)
    assert code == 0 and scores == pytest.approx(SCORES, abs=5e-5)
    assert len(notes) == (note is not None) and all(line.endswith(note) for line in notes)


@pytest.mark.parametrize("candidates, references, told", [
    (TEXTS | {"y.jpg": "x", "z.jpg": "x", "zz.jpg": "x"}, WRITTEN | {"a.jpg": ["x"]},
     "3 of 6 images have no reference in R: 'y.jpg', 'z.jpg'; there are images: 'a.jpg', 'b.jpg'"),
    (TEXTS, {"train": {"k": ["x"]}, "test": {"b.jpg": ["x"], "a.jpg": ["x"]}},
     "1 of 3 images have no reference in R: 'c.jpg'; there are the train split: 'k'; the test split: 'b.jpg', 'a.jpg'"),
    ({"a.png": "x"}, {"1/a.jpg": ["x"], "2/a.jpg": ["y"]}, "1 of 1 images have no reference"),
])
def test_images_without_references(candidates, references, told, scored, tmp_path):
    code, _, (line,) = scored(candidates, references)
    assert code == 2 and told.replace("R", str(tmp_path / "r.json"), 1) in line


def test_markers_are_stripped_and_counted(scored):
    wrapped = {image: f"<start> {text} <END>" for image, text in TEXTS.items()}
    code, scores, notes = scored(wrapped, WRITTEN)
    assert code == 0 and scores == pytest.approx(SCORES, abs=5e-5)
    assert notes == ["markers stripped: 3 <start> in the candidates, 3 <end> in the candidates"]
    code, scores, notes = scored(TEXTS, {image: [f"startseq {text}" for text in texts]
                                         for image, texts in WRITTEN.items()})
    assert code == 0 and scores == pytest.approx(SCORES, abs=5e-5)
    assert notes == ["markers stripped: 6 startseq in the references"]


CHINESE = {"a": "一只狗在跑", "b": "两个人"}, {"a": ["一只狗在草地上跑。"], "b": ["两个人坐着", "人"]}


def test_how_captions_are_cut(scored, tmp_path):
    expected = score_captions({"a": "一 只 狗 在 跑", "b": "两 个 人"}, {
        "a": ["一 只 狗 在 草 地 上 跑"], "b": ["两 个 人 坐 着", "人"]}).corpus
    assert scored(*CHINESE, "--tokens", "characters")[1] == pytest.approx(expected, abs=5e-5)
    assert scored(*CHINESE)[1]["BLEU-1"] < 1e-4                                 # each caption is a word
    (tmp_path / "dataset.json").write_text('{"tokens": "characters"}')
    assert scored(*CHINESE)[1]["BLEU-1"] < 1e-4                                 # not a file of that folder
    assert scored(*CHINESE, name="references.json")[1] == pytest.approx(expected, abs=5e-5)
    assert scored(*CHINESE, "--tokens", "treebank", name="references.json")[1]["BLEU-1"] < 1e-4
    (tmp_path / "dataset.json").write_text('{"tokens": "letters"}')
    code, _, (line,) = scored(*CHINESE, name="references.json")
    assert code == 2 and "tokens is 'letters', expected one of treebank, characters, blanks" in line


def test_references_that_are_not_cut_into_words_are_noted(scored):
    """All scores are 0 then, and no figure tells why."""
    note = "3 of 3 references are one word or seem not to be cut into words (--tokens treebank); text without blanks "
    assert [line.startswith(note) for line in scored(*CHINESE)[2]] == [True]
    assert scored(*CHINESE, "--tokens", "characters")[2] == [] and scored(TEXTS, WRITTEN)[2] == []


def test_standard_input_is_one_of_the_two(tmp_path, capsys, monkeypatch):
    (tmp_path / "c.json").write_text(json.dumps(TEXTS))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(WRITTEN).encode())))
    assert call(score.main, tmp_path / "c.json", "-") == 0
    assert printed(capsys)[0] == pytest.approx(SCORES, abs=5e-5)
    assert call(score.main, "-", "-") == 2
    assert "both -, standard input" in capsys.readouterr().err
