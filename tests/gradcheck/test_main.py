import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import rnnlayers
from gradcheck import check_pair, suite
from gradcheck.__main__ import main
from gradcheck.report import Report
from gradcheck.table import inputs_of, pair_in
from models.cells import CELLS

LAYERS = """
import numpy as np
def dense_forward(x, w, b):
    h = np.tanh(x @ w + b)
    return h, (x, w, h)
def dense_backward(dout, cache):
    x, w, h = cache
    da = dout * (1 - h**2)
    return da @ w.T, x.T @ da, da.sum(axis=0)
def wrong_backward(dout, cache):
    dx, dw, db = dense_backward(dout, cache)
    return dx, dw, db / len(dout)
"""
DENSE = ["somelayers:dense_forward", "somelayers:dense_backward"]
SHAPES = ["--shapes", "x=N,D w=D,4H:ifog b=4H:ifog"]


@pytest.fixture
def layers(tmp_path, monkeypatch):
    (tmp_path / "somelayers.py").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "somelayers", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_every_pair_and_model_of_the_project_is_checked(monkeypatch):
    """Without the work of the checks: CI runs the command itself, and other tests check each pair and cell."""
    for name in ("check_pair", "check_model"):
        monkeypatch.setattr(suite, name, lambda *_, **__: Report("", "float64"))
    rows = [row[:4] for row in suite.check_all()]
    pairs = [("pairs", *title.partition(", ")[::2], "textbook") for title in suite.SHAPES for _ in suite.DTYPES]
    models = [("models", f"CaptioningRNN {captioner.title}", captioner.case, backend) for captioner in suite.MODELS
              for _ in suite.DTYPES for backend in suite.BACKENDS]
    assert rows == [*models, *pairs]
    assert {name.removesuffix("_forward") for name in dir(rnnlayers) if name.endswith("_forward")} < {
        name for _, name, *_ in pairs}


def test_two_processes_give_the_rows_of_one_in_the_same_order(monkeypatch):
    monkeypatch.setattr(suite, "SUBJECTS", ["relu", "layernorm"])
    one, two = ([row.to_dict() for row in suite.check_all(jobs=jobs)] for jobs in (1, 2))
    assert [row["name"] for row in one] == ["relu", "relu", "layernorm", "layernorm"] and one == two


def test_a_report_is_the_same_after_its_way_from_another_process(tmp_path):
    report = suite.check_subject("gru_step")[0].report
    copy = pickle.loads(pickle.dumps(report))
    assert str(copy) == str(report) and copy.to_dict() == report.to_dict()
    copy.plot(tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 1000


def test_every_cell_is_among_the_models():
    assert {captioner.cell for captioner in suite.MODELS} == set(CELLS)


def test_complex_steps_of_a_captioner_are_taken_once(monkeypatch):
    """A captioner's rows share them, and they go to the textbook: the second row costs its own gradients alone."""
    rnn = next(captioner for captioner in suite.MODELS if captioner.cell == "rnn")
    calls, whole, losses = [], suite.CaptioningRNN.loss, {}

    def loss(model, *arguments):
        calls.append(any(map(np.iscomplexobj, model.params.values())))
        return whole(model, *arguments)
    monkeypatch.setattr(suite.CaptioningRNN, "loss", loss)
    assert suite.check_captioner(rnn, "float64", 0, "textbook", losses).ok and sum(calls) > 100
    calls.clear()
    assert suite.check_captioner(rnn, "float32", 0, "engine", losses).ok
    assert sum(calls) < 10 < len(calls) < 30


def test_a_wrong_gradient_of_a_layer_with_parameters_in_a_dict_is_found_by_its_name():
    forward, backward = pair_in(rnnlayers, "encoder_layer")

    def wrong(dout, cache):
        dx, *grads = backward(dout, cache)
        return dx, *grads[:4], 2 * grads[4], *grads[5:]
    inputs = inputs_of("encoder_layer, pre norm", np.random.default_rng(0))
    report = check_pair(forward, wrong, inputs, budget=300)
    assert [verdict.name for verdict in report.verdicts if not verdict.ok] == ["dself_Wv"]


def test_a_part_of_the_project(tmp_path, capsys, monkeypatch):
    """One pair, one model: all of them take a minute."""
    monkeypatch.setattr(suite, "SUBJECTS", [suite.MODELS[-1], "affine", "rnn_step"])
    assert main(["--json", str(tmp_path / "all.json")]) == 0
    found = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert {(row["name"], row["dtype"], row["backend"]) for row in found["pairs"]} == {
        (name, dtype, "textbook") for name in ("affine", "rnn_step") for dtype in ("float64", "float32")}
    assert sorted(row["backend"] for row in found["models"]) == ["engine", "engine", "textbook", "textbook"]
    assert all(row["ok"] is True for kind in found.values() for row in kind)
    assert "8 checked in " in capsys.readouterr().out


def test_a_pair_of_ones_own(layers, capsys):
    assert main([*DENSE, *SHAPES, "--json", "own.json", "--plot", "maps"]) == 0
    assert "dense: ok (float64" in capsys.readouterr().out
    assert [row["name"] for row in json.loads((layers / "own.json").read_text())["pairs"]] == ["dense", "dense"]
    assert sorted(path.name for path in (layers / "maps").iterdir()) == [
        "dense-own-float32.png", "dense-own-float64.png"]


def test_a_wrong_pair_exits_1_and_says_why(layers, capsys):
    assert main(["somelayers:dense_forward", "somelayers:wrong_backward", *SHAPES]) == 1
    said = capsys.readouterr().out
    assert "db[gate " in said and "likely cause: db: 0.5 times the gradient everywhere" in said and "2 wrong" in said


@pytest.mark.parametrize("arguments, message", [
    (["somelayers:dense_forward", "somelayers:nothing", *SHAPES], "has no function nothing"),
    (["nolayers:a", "nolayers:b", *SHAPES], "cannot import nolayers"),
    (["somelayers", "somelayers:dense_backward", *SHAPES], "'somelayers' is not module:function"),
    ([*DENSE, "--shapes", "x=N,4H:ab!"], "cannot read the axis"),
    ([*DENSE, "--shapes", "x"], "cannot read 'x'"),
    ([*DENSE, "--shapes", "x=7:ifog"], "does not divide"),
    ([*DENSE, "--shapes", "x=(a b)"], "cannot read"),
    ([*DENSE, "--shapes", "x=N,T<V"], "no floating arrays"),
    ([*DENSE, *SHAPES, "--json", "no/such/folder.json"], "in a folder that exists"),
])
def test_bad_commands_exit_2_with_one_line(arguments, message, layers, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["a:b"], ["a:b", "c:d"], ["--shapes", "x=N"], ["a:b", "c:d", "e:f"]])
def test_incomplete_commands(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_a_module_in_the_current_folder_is_found(layers):
    command = [sys.executable, "-m", "gradcheck", *DENSE, *SHAPES]
    result = subprocess.run(command, cwd=layers, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
