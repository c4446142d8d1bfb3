"""The checker against the catalogue of wrong backwards; `python -m scripts.kill_matrix` runs the full matrix."""
from functools import partial

import pytest

from gradcheck.shapes import SIZES
from gradcheck.suite import SHAPES
from scripts.course import kill_matrix
from scripts.course.kill_matrix import judge_correct, judge_mutants
from scripts.course.mutants import MUTANTS, pair_with
from scripts.kill_matrix import main
from tests.cells import NAMES

SEEDS, FEW = 2, {**SIZES, "T": 3, "D": 5}


@pytest.fixture
def seeds(title, monkeypatch):
    """How many seeds; of a loop over time one, and three time steps. The full matrix has more, and the usual rules."""
    monkeypatch.setattr(kill_matrix.Truth, "judge_by_rules", lambda *_: ())
    if title.partition(", ")[0] not in NAMES:
        return SEEDS
    monkeypatch.setattr(kill_matrix, "inputs_of", partial(kill_matrix.inputs_of, sizes=FEW))
    return 1


@pytest.mark.parametrize("title", dict.fromkeys(mutant.pair for mutant in MUTANTS))
def test_every_mutant_is_rejected_and_most_are_explained(title, seeds):
    expected = {mutant.name: mutant.kind for mutant in MUTANTS if mutant.pair == title}
    for count in judge_mutants(title, seeds):
        assert count.rejected == count.runs == 2 * seeds, count
        assert count.named == (count.runs if expected[count.name] else 0), count


def test_the_catalogue_is_large_enough():
    assert len(MUTANTS) >= 40 and sum(mutant.kind != "" for mutant in MUTANTS) >= 30
    assert len({(mutant.pair, mutant.name) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("title", SHAPES)
def test_correct_code_is_never_rejected(title, seeds):
    runs, wrong, _, _ = judge_correct(title, seeds, rule_seeds=0)
    assert (runs, wrong) == (4 * seeds, 0)


def test_a_mutant_that_no_longer_fits_the_source_is_an_error():
    with pytest.raises(ValueError, match="stands 0 times"):
        pair_with(MUTANTS[0]._replace(old="no such line"))


def test_the_command_writes_its_table(tmp_path, monkeypatch, capsys):
    pairs = {"rnn_step": SHAPES["rnn_step"]}
    monkeypatch.setattr("scripts.kill_matrix.SHAPES", pairs)
    arguments = ["--seeds", "1", "--correct-seeds", "1", "--out", f"{tmp_path}/k.md"]
    monkeypatch.setattr("sys.argv", ["kill_matrix", *arguments])
    assert main() == 0 and "0 false alarms" in capsys.readouterr().out
    table = (tmp_path / "k.md").read_text(encoding="utf-8")
    assert "| rnn_step | derivative of tanh missing | 100 | 100 |" in table
