"""scripts.diagnose: healthy runs are clean, and each breakage is found by its own symptom."""
import json
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from data.dataset import open_dataset
from data.features import FeatureReader
from data.scene_dataset import make_scene_dataset
from models.cells import CELLS
from models.checkpoint import load_checkpoint, save_checkpoint
from scripts import diagnose
from scripts.commandline.command import run
from scripts.diagnosis import findings
from scripts.diagnosis.bounds import ENOUGH_WORDS
from scripts.diagnosis.evidence import Evidence
from scripts.diagnosis.symptoms import SYMPTOMS
from scripts.runs.settings import DEFAULTS
from scripts.runs.training import make_model, make_solver
from tests.cells import RECURRENT, TAKE_A_VECTOR
from tests.command import call, without_next
from tests.sealed_files import edited

SMALL = {"hidden": 48, "wordvec": 32, "batch": 32, "lr": 1e-2, "dropout": 0.1}
PICTURE = {"attention": ("W_proj",), "bahdanau": ("W_init_h", "W_init_c", "Wattn")}


def train_run(folder, data, **settings):
    """A run folder with best.h5, without the figures that scripts.train draws."""
    settings = {**DEFAULTS, **SMALL, **settings}
    dataset = open_dataset(data, CELLS[settings["model"]].features)
    model = make_model(settings, dataset)
    make_solver(model, settings, dataset).train()
    folder.mkdir()
    save_checkpoint(folder / "best.h5", model, {"settings": settings, "data": dataset.identity(), "epoch": 5})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset and a run of each cell. Not to be written to."""
    folder = tmp_path_factory.mktemp("doctor")
    make_scene_dataset(folder / "data", seed=1, sizes={"train": 400, "val": ENOUGH_WORDS})
    for cell in CELLS:
        train_run(folder / cell, folder / "data", model=cell, epochs=4, layers=1)
    return folder


def evidence(folder, cell, damage=None, data="data", images=ENOUGH_WORDS):
    checkpoint = load_checkpoint(folder / cell / "best.h5")
    if damage is not None:
        damage(checkpoint.model)
    dataset = open_dataset(folder / data, CELLS[checkpoint.model.cell_type].features)
    return Evidence(checkpoint, dataset, "val", images, {"beam": 2}, np.random.default_rng(0))


def scaled(factor, *names):
    def damage(model):
        for name in names or model.params:
            model.params[name] *= factor
    return damage


def likelier(word, by):
    def damage(model):
        model.params["b_vocab"][model.word_to_idx[word]] += by
    return damage


def sees_nothing(model):
    scaled(0, *PICTURE.get(model.cell_type, ("W_proj",)))(model)


def forgets(model):
    """Nothing is handed from word to word: neither by Wh nor by a gate that keeps the state, f or z."""
    H = len(model.params["W_vocab"])
    model.params["Wh"][:] = 0
    for k, gate in enumerate(model.cell.gates):
        if gate in "fz":
            model.params["b"][k * H:(k + 1) * H] = -30


def hands_on_no_state(model):
    """One step at a time computes other than whole captions do."""
    step = model.step
    model.step = lambda words, state: (step(words, state)[0], state)


def half_the_words(model):
    model.params["b_vocab"][4::2] -= 30


BREAKAGES = [
    *((symptom, cell, sees_nothing) for symptom in ("same caption", "blind") for cell in TAKE_A_VECTOR),
    ("blind", "bahdanau", sees_nothing),
    ("attention", "attention", sees_nothing), ("attention", "bahdanau", scaled(0, "v")),
    ("attention", "bahdanau", scaled(0, "Wq")),             # the same map for every word, another for every image
    ("repetition", "lstm", likelier("a", 20)), ("unknown words", "lstm", likelier("<UNK>", 20)),
    ("length", "lstm", likelier("<END>", 8)), ("length", "attention", likelier("<END>", -50)),
    ("unfinished", "rnn", likelier("<END>", -50)),
    *(("free-running", cell, hands_on_no_state) for cell in RECURRENT),
    ("exploding", "lstm", scaled(100, "W_vocab")), ("exploding", "rnn", scaled(10, "Wh")),
    ("vanishing", "rnn", forgets), ("vanishing", "lstm", forgets),
    ("saturated", "lstm", scaled(100)), ("saturated", "rnn", scaled(100)),
    ("dead vocabulary", "rnn", half_the_words), ("weights", "lstm", scaled(np.nan, "Wh")),
    ("weights", "rnn", scaled(1e7)),
]


@pytest.mark.parametrize("cell", CELLS)
def test_a_healthy_run_is_clean(cell, folder, capsys):
    assert call(diagnose.main, folder / cell) == 0
    lines = without_next(capsys.readouterr().out).splitlines()
    assert [line[6:22].strip() for line in lines[1:-1]] == list(SYMPTOMS)
    marks = {line[6:22].strip(): line[:6].strip() for line in lines[1:-1]}
    unlike = ({"saturated"} if CELLS[cell].drops_inside else set()) | (set() if CELLS[cell].attends else {"attention"})
    assert {name for name, mark in marks.items() if mark != "ok"} == unlike
    assert lines[-1].startswith("nothing found")


@pytest.mark.parametrize("name, cell, damage", BREAKAGES)
def test_a_breakage_is_found_by_its_symptom(name, cell, damage, folder):
    finding = dict(findings.diagnose(evidence(folder, cell, damage)))[name] if name == "weights" else SYMPTOMS[name](
        evidence(folder, cell, damage))
    assert finding.found and finding.cause and finding.advice
    assert not (finding.low or -np.inf) <= finding.figure <= (np.inf if finding.high is None else finding.high)


def test_what_is_broken_elsewhere_is_not_blamed(folder):
    """A picture that does not arrive leaves words, gradients and the free-running captions as they are."""
    found = {name for name, finding in findings.diagnose(evidence(folder, "lstm", sees_nothing)) if finding.found}
    assert {"same caption", "blind"} <= found <= {"same caption", "blind", "length"}     # the one caption may be short


def test_captions_learnt_by_heart(folder, tmp_path):
    train_run(tmp_path / "run", folder / "data", model="lstm", overfit=30, epochs=100, dropout=0.0)
    finding = SYMPTOMS["gap"](evidence(tmp_path, "run", data=folder / "data"))
    assert finding.found and finding.figure > 2


def test_maps_that_move_alike_for_all_images_are_dead():
    maps = np.eye(4)[:3]
    alike = SimpleNamespace(model=SimpleNamespace(attends=True), rows=range(20), reader=None,
                            hypotheses=[SimpleNamespace(maps=maps)] * 20)
    assert SYMPTOMS["attention"](alike).found


def test_the_flow_is_the_gradient_of_the_last_word(folder):
    """Against central differences in float64, for a word that stands once in a caption."""
    e = evidence(folder, "lstm")
    model = e.model
    model.params = {name: w.astype(np.float64) for name, w in model.params.items()}
    row = next(i for i, ids in enumerate(e.train_targets) if (np.bincount(ids[ids > 0]) < 2).all())
    e.train_targets, e.train_rows = e.train_targets[row:row + 1], e.train_rows[row:row + 1]
    ids = e.train_targets[0][e.train_targets[0] != e.vocabulary.null]
    features, embedding, gradient = e.dataset.features["train"][e.train_rows], model.params["W_embed"], []
    for d in range(embedding.shape[1]):
        losses = []
        for step in (1e-5, -1e-5):
            embedding[ids[-4], d] += step                   # two words before the last that is fed
            scores = model.scores(features, ids[None])[0, -1]
            losses.append(np.log(np.exp(scores - scores[ids[-1]]).sum()))
            embedding[ids[-4], d] -= step
        gradient.append((losses[0] - losses[1]) / 2e-5)
    assert e.memory[0][2] == pytest.approx(np.linalg.norm(gradient), rel=1e-5)


def test_which_gates_are_saturated():
    low, mid, end = np.full((2, 3), 0.005), np.full((2, 3), 0.5), np.full((2, 3), -0.995)
    steps = [SimpleNamespace(i=low, f=mid, o=1 - low, g=end), SimpleNamespace(i=mid, f=low, o=mid, g=mid)]
    found = CELLS["lstm"]().saturated((None, None, [SimpleNamespace(steps=steps)]))
    assert found.shape == (2, 2, 12)
    assert found[0].tolist() == [[True] * 3 + [False] * 3 + [True] * 6, [False] * 3 + [True] * 3 + [False] * 6]
    found = CELLS["rnn"]().saturated((None, None, [[SimpleNamespace(next_h=end), SimpleNamespace(next_h=mid)]]))
    assert found.tolist() == [[[True] * 3, [False] * 3]] * 2


# --- other features ----------------------------------------------------------------------------------------------


def change_features(folder, out, change):
    """The dataset with other features, properly described."""
    shutil.copytree(folder, out)
    for name in ("features_grid.h5", "features_pooled.h5"):
        with edited(out / name) as f:
            values = change(f["features"][()].astype(np.float32))
            del f["features"]
            f["features"] = values
    info = json.loads((out / "dataset.json").read_text())
    for kind in ("features", "pooled"):
        for entry in info[kind].values():
            reader = FeatureReader(out / entry["path"])
            entry.update(fingerprint=reader.fingerprint(), shape=list(reader.file_shape))
    (out / "dataset.json").write_text(json.dumps(info))


OTHERS = {
    "ten times": (lambda x: 10 * x, 0.5), "shifted": (lambda x: x + 5, 0.5), "constant": (lambda x: x[:1] + 0 * x, 0.5),
    "zero": (lambda x: 0 * x, 0.5), "other rows": (lambda x: x[::-1], 0), "narrower": (lambda x: x[..., :-1], None),
    "infinite": (lambda x: np.where(np.arange(x.size).reshape(x.shape) == x.size - 1, np.inf, x), None),
}


@pytest.mark.parametrize("name, cell", [*((name, "lstm") for name in OTHERS), ("ten times", "bahdanau")])
def test_other_features_are_found_and_measured(name, cell, folder, tmp_path, capsys):
    change, distance = OTHERS[name]
    change_features(folder / "data", tmp_path / "data", change)
    assert call(diagnose.main, folder / cell, "--data", tmp_path / "data", "--json") == 1
    result = json.loads(capsys.readouterr().out)
    entries = {entry["name"]: entry for entry in result["symptoms"]}
    features = entries["features"]
    assert "features" in result["found"] and "not the features the checkpoint was trained with" in features["says"]
    if distance is None:
        assert features["figure"] is None
    else:
        assert features["figure"] > distance
    assert name != "other rows" or features["figure"] < 0.5 and entries["blind"]["found"]


def test_the_statistics_alone_tell_too(folder):
    """Without another fingerprint: what the model keeps of the training features is other."""
    def damage(model):
        mean, std = model.feature_stats
        model.feature_stats = (mean, std / 10)
    finding = SYMPTOMS["features"](evidence(folder, "lstm", damage))
    assert finding.found and finding.figure > finding.high


# --- the command line --------------------------------------------------------------------------------------------


def test_json_and_text_say_the_same(folder, tmp_path, capsys):
    checkpoint = load_checkpoint(folder / "rnn" / "best.h5")
    sees_nothing(checkpoint.model)
    save_checkpoint(tmp_path / "broken.h5", checkpoint.model, checkpoint.run)
    assert call(diagnose.main, tmp_path / "broken.h5") == 1
    text = capsys.readouterr().out
    assert call(diagnose.main, tmp_path / "broken.h5", "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert without_next(text).splitlines()[-1].startswith("found: same caption, blind") and result["found"][:2] == [
        "same caption", "blind"]
    assert all(entry["says"] in text for entry in result["symptoms"])
    blind = next(entry for entry in result["symptoms"] if entry["name"] == "blind")
    assert f"likely cause: {blind['cause']}" in text and f"what to do: {blind['advice']}" in text


def test_damaged_weights_are_valid_json(folder, tmp_path, capsys):
    checkpoint = load_checkpoint(folder / "lstm" / "best.h5")
    checkpoint.model.params["b"][3] = np.nan
    save_checkpoint(tmp_path / "broken.h5", checkpoint.model, checkpoint.run)
    assert call(diagnose.main, tmp_path / "broken.h5", "--json") == 1
    result = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert result["found"] == ["weights"] and all(e["found"] is None for e in result["symptoms"][1:])


@pytest.mark.parametrize("images", [1, 2, 7])
def test_a_few_images_are_not_judged_by_shares(images, folder, capsys):
    assert call(diagnose.main, folder / "bahdanau", "--images", images) == 0
    assert f"needs at least 20 images, has {images}" in capsys.readouterr().out


def test_a_course_folder_with_two_images(tmp_path, rng, capsys):
    from tests.data.dataset_folders import write_course
    write_course(tmp_path / "data", rng)
    train_run(tmp_path / "run", tmp_path / "data", model="rnn", epochs=1)
    assert call(diagnose.main, tmp_path / "run") in (0, 1)
    assert "2 images of val" in capsys.readouterr().out


def test_a_run_stopped_before_its_first_epoch_is_named(folder, tmp_path, capsys):
    dataset = open_dataset(folder / "data")
    settings = {**DEFAULTS, **SMALL, "model": "lstm"}
    solver = make_solver(make_model(settings, dataset), settings, dataset)
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run" / "last.h5", solver.model, {"data": dataset.identity()}, solver)
    assert call(diagnose.main, tmp_path / "run") == 1
    out = capsys.readouterr().out
    assert "stopped before its first epoch's end" in out and "FOUND blind" in out


@pytest.mark.parametrize("argv, words", [
    (["--split", "dev"], "no split 'dev', expected one of train, val"), (["--images", "0"], "at least 1"),
    (["--beam", "-1"], "at least 1"), (["--seed", "-1"], "at least 0"), (["--data", "nowhere"], "no dataset here"),
])
def test_bad_input_is_one_line(argv, words, folder, capsys):
    assert call(diagnose.main, folder / "rnn", "--json", *argv) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and words in captured.err and captured.err.count("\n") == 1


def test_a_reader_that_left_is_no_success(monkeypatch):
    def main():
        raise BrokenPipeError
    with open(os.devnull, "w") as nowhere, pytest.raises(SystemExit) as ended:
        monkeypatch.setattr(sys, "stdout", nowhere)
        run(main)
    assert ended.value.code == 141
