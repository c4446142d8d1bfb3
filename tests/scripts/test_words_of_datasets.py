"""scripts.prepare_data and the words of captions: what it says, and Chinese captions from the file to the picture."""
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from data.dataset import Dataset, open_dataset
from data.features import write_features
from data.vocabulary import Vocabulary
from data.word_counts import count_words
from scripts import caption, evaluate, prepare_data
from scripts.datasets.word_lines import word_lines
from scripts.diagnosis import symptoms
from scripts.diagnosis.evidence import Evidence
from scripts.pages import figures, fonts
from scripts.runs import load_run, open_run_data, vocabulary_of
from scripts.web.answers import Answers
from tests.scripts.diagnosis.test_diagnose import train_run

TEXTS = ["a dog", "a b c", "a", "a dog b c d"]
REMEDY = "text without blanks between words: --tokens characters, or segment it and take --tokens blanks"


def lines_of(texts, min_count=1, max_words=20, chosen=False, tokens="treebank", markers=None):
    vocabulary = Vocabulary.build(texts, min_count)
    counts = count_words(texts, vocabulary.encode_all(texts, max_words), vocabulary)
    return [line.strip() for line in word_lines(
        {"training_words": counts, "vocabulary": {"words": len(vocabulary), "min_count": min_count},
         "max_words": max_words, "markers": markers or {}, "tokens": tokens}, chosen)]


def test_what_is_always_said():
    assert lines_of(TEXTS, chosen=True, markers={"<start>": 1200, "<end>": 4}) == [
        "stripped around captions: 1,200 <start>, 4 <end>",
        "min count 1 (chosen for 4 training captions; --min-count sets it)",
        "vocabulary 9 words; 0 % of the training words became <UNK>; 0 % of the training captions were cut at "
        "--max-words 20"]
    assert lines_of(["a " * 10 + "b"] * 9 + ["c"], 2) == [
        "min count 2", "vocabulary 6 words; 1.0 % of the training words became <UNK>; 0 % of the training captions "
        "were cut at --max-words 20"]


def test_warnings_above_a_tenth():
    assert lines_of([*["a b"] * 9, "c d e"], 2)[2:] == [
        "warning: 14.3 % of the training words became <UNK>: --min-count 1 keeps all words"]
    assert lines_of(TEXTS, 1, 3)[2:] == ["warning: 25.0 % of the training captions were cut at --max-words 3: "
                                         "--max-words 5 holds 99 % of them whole"]
    assert len(lines_of([*["a b"] * 9, "a b c"], 1, 2)) == 2                             # a tenth is not above a tenth


@pytest.mark.parametrize("texts, tokens, said", [
    (["dog", "cat", "a cat"], "treebank",
     f"66.7 % of the training captions are one word (--tokens treebank); {REMEDY}"),
    (["一只狗在跑"] * 3, "blanks", f"100 % of the training captions are one word (--tokens blanks); {REMEDY}"),
    (["一只狗在草地上跑 。"] * 3, "treebank",         # a full stop is a word to the tokeniser
     f"100 % of the training captions are one word (--tokens treebank); {REMEDY}"),
    (["狗", "猫"], "characters", "100 % of the training captions are one word (--tokens characters)"),
    (["一只棕色的狗在跑 还有一只白色的猫"] * 3, "treebank",
     f"100 % of the training captions seem not to be cut into words (--tokens treebank); {REMEDY}"),
    (["一只 棕色的 狗 在 跑", "หมา วิ่ง เร็ว มาก", "a dog"], "blanks", None),
])
def test_captions_that_are_not_cut_into_words(texts, tokens, said):
    assert lines_of(texts, tokens=tokens)[2:] == ([f"warning: {said}"] if said else [])


def test_a_file_of_ids_has_no_least_count():
    info = {"training_words": {"unknown": 0.9999}, "vocabulary": {"words": 9, "min_count": None}}
    assert word_lines(info, False) == [
        "  vocabulary 9 words; 99.9 % of the training words became <UNK>"]


# --- Chinese captions --------------------------------------------------------------------------------------------

WHO, WHAT = ("一只白色的狗", "两个小孩", "一个女人"), ("在草地上奔跑。", "坐在雪地里，", "跳过T-shirt栏杆")
SPLITS = {"train": range(24), "val": range(24, 48)}


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    """Karpathy's JSON of 48 images with two captions each, wrapped in markers, their features, a data set and a run."""
    place, rng = tmp_path_factory.mktemp("chinese"), np.random.default_rng(0)
    texts = [f"<START> {who}{what} <End>" for who in WHO for what in WHAT]
    images = [{"filename": f"{k}.jpg", "split": split, "sentences": [{"raw": texts[(k + j) % 9]} for j in (0, 1)]}
              for split, numbers in SPLITS.items() for k in numbers]
    (place / "k.json").write_text(json.dumps({"dataset": "zh", "images": images}))
    write_features(place / "f.h5", rng.random((48, 6), np.float32), [f"{k}.jpg" for k in range(48)])
    prepare_data.main(argv(place, "data", "--tokens", "characters"))
    train_run(place / "run", place / "data", model="lstm", hidden=16, epochs=40, lr=0.02)
    return place


def argv(place, out, *more):
    return ["karpathy", "--json", f"{place}/k.json", "--features", f"{place}/f.h5", "--out", f"{place}/{out}", *more]


def test_what_prepare_data_says_of_them(chinese, capsys):
    with pytest.raises(ValueError, match="refused: a vocabulary without words: .* --tokens characters"):
        prepare_data.main(argv(chinese, "refused", "--min-count", "30"))
    assert not (chinese / "refused").exists()
    prepare_data.main(argv(chinese, "unbroken"))
    said = capsys.readouterr().out
    assert "stripped around captions: 96 <start>, 96 <end>\n" in said
    assert f"are one word (--tokens treebank); {REMEDY}" in said
    prepare_data.main(argv(chinese, "again", "--tokens", "characters", "--max-words", "10"))
    said = capsys.readouterr().out
    assert "min count 1 (chosen for 48 training captions; --min-count sets it)" in said
    assert "0 % of the training words became <UNK>; 35.4 % of the training captions were cut" in said
    assert "--max-words 12 holds 99 % of them whole" in said and "one word" not in said


def test_the_data_set_and_its_scores(chinese, capsys):
    dataset = open_dataset(chinese / "data")
    assert dataset.vocabulary.tokens == dataset.description["tokens"] == dataset.identity()["tokens"] == "characters"
    references = json.loads((chinese / "data" / "references.json").read_text())
    assert references["train"]["0.jpg"][0] == "一只白色的狗在草地上奔跑。"
    assert dataset.references("train")["0.jpg"][0] == "一 只 白 色 的 狗 在 草 地 上 奔 跑"
    evaluate.main([str(chinese / "run"), "--split", "val"])
    scores = json.loads((chinese / "run" / "evaluate" / "val-beam3" / "scores.json").read_text())
    assert 0.3 < scores["human"]["BLEU-1"] < 0.9                        # 0 where a caption is one word
    result = json.loads((chinese / "run" / "evaluate" / "val-beam3" / "captions.json").read_text())
    assert all(set(entry["caption"].split()) <= set(dataset.vocabulary.idx_to_word) for entry in result)


def test_people_read_them_without_blanks(chinese, capsys):
    checkpoint = load_run(chinese / "run")
    assert vocabulary_of(checkpoint).tokens == "characters"
    caption.main([str(chinese / "run"), "--n", "3", "--beam", "2"])
    printed = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == 3 and all(len(text) > 3 and " " not in text for text in printed)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    answer = Answers(checkpoint.model, Features(), "characters")(picture.getvalue(), beam=2)
    assert answer["caption"] == "".join(answer["words"]) and len(answer["words"]) > 3
    assert " " not in answer["alternatives"][0]["caption"]


class Features:
    """In place of an image model."""
    size, grid = (8, 8), None

    def __call__(self, pictures):
        return np.full((len(pictures), 6), 0.5, np.float32)


@pytest.fixture
def evidence(chinese):
    """The doctor's evidence on the validation split, with the weights and the captions changed as asked."""
    def make(bias=(), **captions):
        checkpoint = load_run(chinese / "run")
        for word, more in dict(bias).items():
            checkpoint.model.params["b_vocab"][checkpoint.model.word_to_idx[word]] += more
        dataset = open_run_data(checkpoint)
        dataset = dataset._replace(captions={**dataset.captions, **captions})
        return Evidence(checkpoint, dataset, "val", 24, {"beam": 1}, np.random.default_rng(0))
    return make


def test_the_doctor_and_unknown_words(evidence, monkeypatch):
    def found(**description):
        monkeypatch.setattr(Dataset, "description", description)
        return symptoms.unknown_words(e)
    e = evidence({"<UNK>": 50})
    assert found(vocabulary={"min_count": 4}).advice == "prepare the data again with a smaller --min-count than 4"
    assert found(vocabulary={"min_count": 1}).advice.endswith("; a smaller --min-count would not help")
    assert found().advice == "prepare the data again with a smaller --min-count"
    e.vocabulary.tokens = "blanks"                                      # each caption is then one word
    assert found(vocabulary={"min_count": 4}).advice == f"prepare the data again; {REMEDY}"


def test_the_doctor_and_captions_that_were_cut(evidence):
    e = evidence({"<END>": -50})
    assert e.cut == 0 and "with scripts.show_batch" in symptoms.unfinished(e).advice and symptoms.length(e).found
    whole = e.dataset.captions["val"]
    assert [len(words) for words in e.forced[0]] == [len(words[0]) for words in e.references]
    cut = evidence({"<END>": -50}, train=whole[:, :6], val=whole[:, :6])
    assert cut.cut == 1 and symptoms.unfinished(cut).advice == "prepare the data again with a larger --max-words"
    assert symptoms.length(cut).found is None
    assert {len(words) for words in cut.forced[0]} == {5}               # the fifth is a word, not <END>


# --- pictures ----------------------------------------------------------------------------------------------------


def test_letters_that_no_font_has_are_said_once(monkeypatch, capsys):
    monkeypatch.setattr(fonts, "fontManager", SimpleNamespace(ttflist=[]))
    fonts._say.cache_clear()
    for _ in range(2):
        assert figures.sheet({"甲": [(None, "a.jpg", "一只狗"), (None, "b.jpg", "a dog, é")]}).startswith(b"\x89PNG")
    assert capsys.readouterr().err == ("no installed font has the letters 一只狗甲: pictures show them as boxes until "
                                       "one is installed, such as Noto Sans CJK\n")
    figures.sheet({"a": [(None, "b.jpg", "a dog, é")]})
    assert capsys.readouterr().err == ""


def test_a_font_that_has_the_letters_is_found(monkeypatch, capsys):
    has = {"own": "ab", "half": "abc", "all": "cde", "file that is gone": None}

    def font(path):
        if has.get(path, "ab") is None:
            raise FileNotFoundError(path)
        return SimpleNamespace(get_charmap=lambda: dict.fromkeys(map(ord, has.get(path, "ab"))))
    monkeypatch.setattr(fonts, "get_font", font)
    monkeypatch.setattr(fonts, "fontManager", SimpleNamespace(
        ttflist=[SimpleNamespace(name=n.title(), fname=n) for n in has]))
    own = fonts.families(["ab"])
    assert fonts.families(["a", "cb\u0301 "]) == [*own, "All"] and fonts.families(["cde"]) == [*own, "All"]
    has["half"], has["all"] = "cd", "e"
    assert fonts.families(["cde"]) == [*own, "Half", "All"] and capsys.readouterr().err == ""
