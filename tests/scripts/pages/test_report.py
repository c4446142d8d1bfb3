"""scripts.report: the page of each kind of run, what it escapes, and what it says in words."""
import base64
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from data.features import write_features
from data.prepare import new_folder, write_dataset
from data.sources import Source
from models.cells import CELLS
from models.search import Node
from scripts import report, train
from scripts.evaluation.captioner import Options, load_captioner
from scripts.evaluation.run_scores import evaluate_run
from scripts.pages import report_images, report_words
from scripts.runs import load_run, settings
from scripts.runs.training_files import show_report
from tests.cells import NAMES, carries, takes
from tests.command import call

pytest.importorskip("jinja2")
FAST = ["--hidden", "12", "--wordvec", "8", "--batch", "100", "--epochs", "1"]
HOSTILE = "</script><img src=x onerror=alert(1)> \"'{{7*7}}&amp;<!--"


class Page(HTMLParser):
    """The tags of a page, its text, and what is in its scripts."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.scripts, self._inside = [], "", [], []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)
        self.drawn = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside[-1:] == ["script"]:
            self.scripts.append(data)
        else:
            self.text += data

    def all(self, tag, **attributes):
        return [attrs for name, attrs in self.tags if name == tag and attributes.items() <= attrs.items()]


@pytest.fixture(scope="module")
def runs(small_scenes, tmp_path_factory):
    """A run of each cell with its report."""
    folder = tmp_path_factory.mktemp("runs")
    for cell in NAMES:
        assert call(train.main, "--data", small_scenes, "--model", cell, "--out", folder / cell, *FAST) == 0
        assert call(report.main, folder / cell, "--n", 5, "--beam", 2) == 0
    return folder


@pytest.mark.parametrize("cell", NAMES)
def test_a_page_of_every_cell(cell, runs):
    page = Page(runs / cell / "report.html")
    captions, result, scores, _ = evaluate_run(load_captioner([runs / cell]), "test", Options(beam=2))
    cards = page.all("li", **{"class": "card"})
    assert [card["data-name"] for card in cards] == list(captions)[:5]
    for card, image in zip(cards, page.drawn["images"]):
        name, words = card["data-name"], [image["nodes"][k][1] for k in image["chosen"] if not image["nodes"][k][3]]
        assert " ".join(words) == captions[name] == image["found"][0][0]
        assert float(card["data-cider"]) == scores.per_image[name]["CIDEr"]
        assert float(card["data-logp"]) == pytest.approx(image["found"][0][1], abs=1e-3)
        ends = image["nodes"][image["chosen"][-1]]
        assert ends[2] / len(image["chosen"]) == pytest.approx(image["found"][0][1], abs=2e-3)
        assert list(image["gates"]) == list(CELLS[cell].about.labels)
        assert all(np.shape(steps) == (len(words) + 1, 3) for steps in image["gates"].values())
        states = ["dx"] if CELLS[cell].drops_inside else ["dh", "dc"] if carries(cell) else ["dh"]
        assert [key for key in ("dh", "dc", "dx") if key in image] == states
        assert all(len(image[key]) == max(len(words), 1) for key in states)
        if CELLS[cell].attends:
            assert image["grid"] == [7, 7] and len(base64.b64decode(image["maps"])) == 49 * len(words)
        heads = image.get("heads", [])
        assert len(heads) == (4 if takes(cell, "num_heads") and words else 0)
        assert all(len(base64.b64decode(h["maps"])) == 49 * len(words) == 49 * len(h["peaks"]) for h in heads)
    for scores in (result, *result["floors"].values(), result["human"]):
        assert f"{scores['CIDEr']:.3f}" in page.text and f"{scores['BLEU-4']:.3f}" in page.text
    assert len(page.drawn["charts"]) == 2 and "weight_decay" in page.text


def test_the_page_needs_nothing_else(runs):
    page = Page(runs / "attention" / "report.html")
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for attrs in page.all("img"))
    assert len(page.all("img")) == 5 and not page.all("link")
    assert not re.search(r"https?://(?!www.w3.org/2000/svg)", page.html)
    policy, = (meta["content"] for meta in page.all("meta", **{"http-equiv": "Content-Security-Policy"}))
    assert policy.startswith("default-src 'none'; img-src data:;") and "connect-src" not in policy


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run whose image names and captions try to leave their places in the page."""
    folder = tmp_path_factory.mktemp("hostile")
    names = [f"{HOSTILE}{i}.jpg" for i in range(9)]
    write_features(folder / "f.h5", np.eye(9, dtype=np.float32), names)
    captions = {"train": {name: [HOSTILE + " dog"] * 2 for name in names[:6]},
                "val": {name: [HOSTILE] * 2 for name in names[6:]}}
    with new_folder(folder / "data") as data:
        write_dataset(data, Source(HOSTILE[:9], captions, {}), dict.fromkeys(captions, folder / "f.h5"), min_count=1)
    argv = ["--data", folder / "data", "--out", folder / "run", "--model", "rnn", *FAST, "--wordvec", 9, "--epochs", 20]
    assert call(train.main, *argv) == 0
    return folder / "run"


def test_every_column_has_a_head(runs):
    page = Page(runs / "attention" / "report.html")
    heads = [attrs for name, attrs in page.tags if name == "th" and attrs.get("scope") == "col"]
    assert len(heads) > 4 and page.html.count("<table") == page.html.count("<thead>")
    for table in re.findall("<table.*?</table>", page.html, re.DOTALL):
        columns = len(re.findall("<t[hd]", table[table.index("<tbody>"):].split("</tr>")[0]))
        assert len(re.findall('<th scope="col"', table)) == columns


def test_hostile_names_and_captions_stay_text(hostile):
    assert call(report.main, hostile) == 0
    page = Page(hostile / "report.html")
    assert len(page.scripts) == len(page.all("script")) == 2 and not page.all("img")
    names = [card["data-name"] for card in page.all("li", **{"class": "card"})]
    assert names == [f"{HOSTILE}{i}.jpg" for i in (6, 7, 8)]
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert "</script> < img" in page.text and any("</script>" in node for image in page.drawn["images"]
                                                  for node in image["nodes"])
    assert "49" not in page.text.split("Images")[-1]


def test_missing_pictures_are_said(hostile, tmp_path, capsys, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no such folder of pictures"):
        report.parse([str(hostile), "--images", str(tmp_path / "no")])
    (tmp_path / "pictures").mkdir()
    monkeypatch.setattr("scripts.pages.pictures.Pictures.__call__", lambda self, row, name: picture(name))

    def picture(name):
        if not name.endswith("7.jpg"):
            raise ValueError(f"{name}: no picture that can be read")
        return np.zeros((20, 30, 3), np.uint8)
    assert call(report.main, hostile, "--images", tmp_path / "pictures", "--out", tmp_path / "page.html") == 0
    assert "2 of 3 pictures are not in" in capsys.readouterr().out
    page = Page(tmp_path / "page.html")
    assert "2 of 3 pictures are not in" in page.text and len(page.all("img")) == 1


def test_without_jinja_one_line(runs, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert call(report.main, runs / "rnn", "--out", runs / "none.html") == 2
    assert "needs Jinja2: pip install -e \".[report]\"" in capsys.readouterr().err and not (runs / "none.html").exists()


@pytest.mark.parametrize("argv, message", [
    (["--n", "0"], "--n 0: expected at least 1"), (["--beam", "0"], "--beam 0: expected at least 1"),
    (["--split", "nope"], "no split 'nope'"), (["--out", "/no/such/folder/page.html"], "/no/such/folder"),
])
def test_bad_input(argv, message, runs, capsys):
    assert call(report.main, runs / "rnn", *argv) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_the_page_replaces_nothing_but_a_page(runs, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(runs / "rnn", run)
    before = (run / "best.h5").read_bytes()
    (tmp_path / "link.html").symlink_to(run / "best.h5")
    for out, message in ((run / "best.h5", "no page"), (tmp_path / "link.html", "no page"), (tmp_path, "no page"),
                         (tmp_path / "none" / "x.html", "no such folder")):
        assert call(report.main, run, "--n", 1, "--out", out) == 2
        assert message in capsys.readouterr().err and (run / "best.h5").read_bytes() == before
    for _ in range(2):                                      # a page is replaced
        assert call(report.main, run, "--n", 1, "--out", tmp_path / "x.html") == 0


@pytest.mark.parametrize("content, message", [
    ("epoch,train_loss\n1,2\n", "epoch and seconds"), ("epoch,seconds\n1,abc\n", "history.csv: not the history"),
    ("epoch,seconds,train_loss,val_loss\n1,2,nan,900\n", None)])
def test_damaged_pasts(content, message, runs, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(runs / "rnn", run)
    (run / "history.csv").write_text(content)
    (run / "last.h5").write_bytes((run / "last.h5").read_bytes()[:500])
    assert call(report.main, run, "--n", 1) == (2 if message else 0)
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 if message else err == ""


def test_a_checkpoint_alone_has_no_past(runs, tmp_path):
    shutil.copy(runs / "lstm" / "best.h5", tmp_path / "m.h5")
    assert call(report.main, tmp_path / "m.h5", "--n", 1) == 0
    page = Page(tmp_path / "report.html")
    assert "no history" in " ".join(page.text.split()) and page.drawn["charts"] == []


def test_training_without_arguments_ends_with_the_report(small_scenes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scripts.runs.start.SCENES", small_scenes)
    monkeypatch.setattr(sys, "argv", ["train"])
    monkeypatch.setattr(settings, "DEFAULTS_SCENES", {**settings.DEFAULTS_SCENES, "epochs": 1, "hidden": 16})
    assert train.main() == 0
    assert (tmp_path / "runs/scenes-attention-1/report.html").is_file()
    assert "scenes-attention-1/report.html: 12 images" in capsys.readouterr().out
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else find(name))
    show_report(Path("runs/there"))
    assert "python -m scripts.report runs/there" in capsys.readouterr().out


class Words:
    idx_to_word = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "b", "c"]


def test_the_tree_follows_the_caption():
    steps = [[Node(0, 4, -1.0, False), Node(0, 5, -2.0, False)],
             [Node(1, 4, -2.5, False), Node(0, 4, -3.0, False), Node(0, 2, -4.0, True)],
             [Node(0, 6, -5.0, False), Node(1, 2, -3.5, True), Node(0, 2, -2.6, True)]]
    found = report_images.tree(steps, [5, 4, 2], Words)
    assert found["nodes"][2:5] == [[1, "a", -2.5, 0], [0, "a", -3.0, 0], [0, "<END>", -4.0, 1]]
    assert found["chosen"] == [1, 2, 7] and found["nodes"][7] == [2, "<END>", -2.6, 1]
    assert report_images.tree(steps, [4, 2], Words)["chosen"] == [0, 4]


def test_how_the_gradient_fades():
    images = [{"dh": [-3.0, -2.0, -1.0]}, {"dh": [-4.0, 0.0]}, {"dh": [None]}]
    assert report_images.fading(images, "dh", least=2) == [[0, 0, 0], [-3.25, -2.5, -1.75]]
    assert report_images.fading(images, "dh", least=1)[2] == [-2, -2, -2]
    assert report_images.fading(images, "dc") == []


RESULT = {"CIDEr": 0.5, "floors": {"constant": {"CIDEr": 0.1}, "nearest": {"CIDEr": 0.3}}, "human": {"CIDEr": 1.0}}


@pytest.mark.parametrize("change, title", [
    ({}, "It uses the pictures"), ({"CIDEr": 0.2}, "A baseline does better"),
    ({"CIDEr": 0.31}, "Hardly better than a baseline"),
])
def test_words_about_the_baselines(change, title):
    finding = report_words.against_baselines({**RESULT, **change})
    assert finding.title == title and "nearest image's caption, 0.30" in finding.text


def test_words_about_captions():
    said, people = ["a dog"] * 18 + ["a cat"] * 2, [f"a {k} in the sun" for k in range(20)]
    variety = report_words.variety(said, people)
    assert variety.kind == "bad" and "2 different captions (10 %; people's captions: 100 %)" in variety.text
    assert "“a dog”, occurs 18 times" in variety.text and "use 3 different words, people's 24" in variety.text
    assert report_words.by_heart(said, people, {"a dog"}).text.startswith("90 %")
    assert report_words.length(said, people).title == "Too short"
    assert "40 % of its captions contain" in report_words.repetition(["a b c a b c"] * 8 + ["a b"] * 12, ["a b"]).text
    assert report_words.repetition(["a b c d"] * 19 + ["a a b b"], ["a b"]) is None
    assert "50 %" in report_words.against_people(RESULT).text
    assert report_words.against_people({**RESULT, "human": None}) is None


def test_the_report_judges_as_the_doctor_does():
    """By the same bounds: of 20 images 3 alike are in order, 4 are not; of fewer images nothing is said."""
    people = [f"a {k} in the sun" for k in range(20)]
    for alike, kind in ((3, "good"), (4, "bad")):
        said = ["a dog"] * alike + [f"a cat {k}" for k in range(20 - alike)]
        assert report_words.variety(said, people).kind == kind
    assert report_words.variety(["a dog"] * 19, people[:19]).kind == "note"
    for words, title in ((2, "Too short"), (3, "Length"), (7, "Length"), (8, "Too long")):      # people's have 5
        assert report_words.length([" ".join("abcdefgh"[:words])] * 20, people).title == title


def test_words_about_memory():
    def memory(step, **more):
        return report_words.memory({"dh": [[0, step * k, 0] for k in range(9)], "dc": [], "dx": [], **more})
    assert memory(-0.5).title == "It forgets" and memory(-0.5).text.startswith("5 words back")
    assert "with respect to the hidden state is 0.0032 times" in memory(-0.5).text and memory(0.5).kind == "bad"
    assert memory(-0.1).kind == "good" and memory(-0.5, dc=[[0, 0, 0]] * 5).kind == "good"
    assert report_words.memory({"dh": [[0, 0, 0]], "dc": [], "dx": []}) is None
    assert "to the vector of the word is" in memory(0, dh=[], dx=[[0, -0.5 * k, 0] for k in range(9)]).text


def test_which_words_it_knows():
    references = {k: ["a dog runs", "the dog sits", "grass"] for k in range(10)}
    captions = {k: "a dog on a cat" if k < 8 else "a dog" for k in references}
    records = report_words.word_records(captions, references)
    right, wrong, missed = report_words.notable_words(records, 10)
    assert right == [("dog", 10, 10, 10, 10)] and wrong == [("cat", 8, 0, 0, 0)] and missed == []
    missed = report_words.notable_words(report_words.word_records(dict.fromkeys(references, "a"), references), 10)[2]
    assert missed == [("dog", 0, 0, 10, 0)]


def test_the_weights_shown_are_the_best_ones(runs):
    page = Page(runs / "bahdanau" / "report.html")
    assert f"after epoch {load_run(runs / 'bahdanau').run['epoch']}." in " ".join(page.text.split())


# What a person does, with the page's own events; what happened is written into the document.
HANDS = """<script>
const seen = [], see = (name, value) => seen.push(name + "=" + value), key = (k) =>
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true}));
window.onerror = (text) => see("error", text);
const input = (id, value) => { document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("input")); };
const names = () => matching().map((card) => +card.dataset.cider);
see("count", $("count").textContent);
input("sort", "cider");
see("rising", names().every((x, k, all) => !k || all[k - 1] <= x));
$("down").click();
see("falling", names().every((x, k, all) => !k || all[k - 1] >= x));
input("filter", "no such word");
see("none", matching().length);
input("filter", "");
document.querySelector(".card .look").click();
const map = () => [...document.querySelector("#picture canvas").getContext("2d").getImageData(0, 0, 7, 7).data].join();
see("focus", $("words").firstElementChild === document.activeElement);
const first = map();
key("ArrowRight");
see("moved", $("words").children[1] === document.activeElement && map() !== first);
$("words").children[0].focus();
see("back", map() === first);
$("words").children[1].click();
see("pressed", $("words").querySelectorAll("[aria-pressed=true]").length);
see("svgs", $("inside").querySelectorAll("svg").length);
see("overflow", document.documentElement.scrollWidth > innerWidth);
document.body.dataset.seen = seen.join("|");
</script></body>"""


# 60 images: 24 are shown, then 48, then all; sorting and searching act on all.
MORE = """<script>
const seen = [], see = (name, value) => seen.push(name + "=" + value);
window.onerror = (text) => see("error", text);
const there = () => matching().filter((card) => card.checkVisibility()).length;
const focused = () => matching().indexOf(document.activeElement.closest(".card"));
see("first", [there(), $("count").textContent, $("some").textContent, $("all").textContent]);
$("some").click();
see("some", [there(), focused(), $("some").textContent, $("all").hidden]);
$("sort").value = "name"; $("down").checked = true; $("down").dispatchEvent(new Event("input"));
see("sorted", [there(), matching()[0].dataset.name > matching()[59].dataset.name]);
const last = matching()[59].dataset.name;
$("filter").value = last; $("filter").dispatchEvent(new Event("input"));
see("found", [there(), matching()[0].dataset.name === last, $("count").textContent, $("more").hidden]);
$("filter").value = ""; $("filter").dispatchEvent(new Event("input"));
$("some").click();
see("all", [there(), focused(), $("count").textContent, $("more").hidden]);
document.body.dataset.seen = seen.join("|");
</script></body>"""


def in_a_browser(page, hands, tmp_path):
    """What happened to a report under a script of `hands`."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    html = page.read_text(encoding="utf-8").replace("</body>", hands)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    done = subprocess.run([
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,800", "--dump-dom", f"file://{tmp_path}/page.html",
    ], capture_output=True, text=True, timeout=120)
    seen = re.search(r'data-seen="([^"]*)"', done.stdout)
    return seen and seen.group(1).split("|")


def test_more_images_are_a_button_away(runs, tmp_path):
    page = tmp_path / "60.html"
    assert call(report.main, runs / "attention", "--split", "train", "--beam", 1, "--out", page) == 0
    cards = Page(page).all("li", **{"class": "card"})
    assert len(cards) == 60 and not any("hidden" in card for card in cards)         # without JavaScript, all are there
    assert in_a_browser(page, MORE, tmp_path) == [
        "first=24,24 of 60 images,Show 24 more,Show all 60", "some=48,24,Show 12 more,true", "sorted=48,true",
        "found=1,true,1 image found,true", "all=60,48,60 images,true"]


def test_the_page_in_a_browser(runs, tmp_path):
    assert in_a_browser(runs / "attention" / "report.html", HANDS, tmp_path) == [
        "count=5 images", "rising=true", "falling=true", "none=0", "focus=true", "moved=true", "back=true",
        "pressed=1", "svgs=3", "overflow=false"]
