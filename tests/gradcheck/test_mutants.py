"""The checker against the catalogue of wrong backwards; `python -m scripts.kill_matrix` runs the full matrix."""
from functools import partial

import pytest

from scripts.course import kill_matrix
from scripts.course.kill_matrix import CATALOGUE, TITLES, judge_correct, judge_mutants
from scripts.course.mutants import pair_with
from scripts.course.strange_mutants import STRANGE
from scripts.kill_matrix import main
from tests.cells import FEW, NAMES
from tests.samples import sample

SLOW = {*NAMES, "gru_net", "lstm_step", "gru_step", "decoder_layer", "encoder_layer", "multihead_attention",
        "additive_attention"}                   # many weights or mistakes
ALSO = ("lstm", "multihead_attention")          # in the sample although they are slow
PAIRS = dict.fromkeys(mutant.pair for mutant in CATALOGUE)


def quick(titles):
    """Those that are not slow, and one recurrent and one transformer's pair that are."""
    return [title for title in titles if title in ALSO or title.partition(", ")[0] not in SLOW]


@pytest.fixture
def small(title, monkeypatch):
    """One seed at one scale without the usual rules; of a loop over time, three steps. The full matrix has more."""
    monkeypatch.setattr(kill_matrix.Truth, "judge_by_rules", lambda *_: ())
    monkeypatch.setattr(kill_matrix, "SCALES", (0.01,))
    if title.partition(", ")[0] in SLOW:
        monkeypatch.setattr(kill_matrix, "inputs_of", partial(kill_matrix.inputs_of, sizes=FEW))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("title", sample(PAIRS, quick(PAIRS)))
def test_every_mutant_is_rejected_and_most_are_explained(title):
    expected = {mutant.name: mutant.kind for mutant in CATALOGUE if mutant.pair == title}
    for count in judge_mutants(title, seeds=1):
        assert count.rejected == count.runs == len(kill_matrix.SCALES), count
        assert count.named == (count.runs if expected[count.name] else 0), count


def test_the_catalogue_is_large_enough():
    assert len(CATALOGUE) >= 150 and sum(mutant.kind != "" for mutant in CATALOGUE) >= 30
    assert len({(mutant.pair, mutant.name) for mutant in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("title", sample(TITLES, quick(TITLES)))
def test_correct_code_is_never_rejected(title):
    runs, wrong, _, _ = judge_correct(title, seeds=1, rule_seeds=0)
    assert (runs, wrong) == (2 * len(kill_matrix.SCALES), 0)


def test_likenesses_of_mistakes_in_other_peoples_layers_are_named():
    """At least 24 in eight layers, of which at least 20 have to be named; how many are is what the test above says."""
    assert len({mutant.pair for mutant in STRANGE}) == 8 and len(STRANGE) >= 24
    assert sum(mutant.kind != "" for mutant in STRANGE) >= 20 and all(mutant.words for mutant in STRANGE)


def test_a_mutant_that_no_longer_fits_the_source_is_an_error():
    with pytest.raises(ValueError, match="stands 0 times"):
        pair_with(CATALOGUE[0]._replace(old="no such line"))


def test_the_command_writes_its_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("scripts.kill_matrix.TITLES", ["rnn_step"])
    arguments = ["--seeds", "1", "--correct-seeds", "1", "--out", f"{tmp_path}/k.md"]
    monkeypatch.setattr("sys.argv", ["kill_matrix", *arguments])
    assert main() == 0 and "0 false alarms" in capsys.readouterr().out
    table = (tmp_path / "k.md").read_text(encoding="utf-8")
    assert "| rnn_step | derivative of tanh missing | 100 | 100 |" in table


@pytest.mark.parametrize("options, message", [
    (["--seeds", "0"], "--seeds 0: expected at least 1"), (["--correct-seeds", "0"], "--correct-seeds 0: expected"),
    (["--jobs", "0"], "--jobs 0: expected at least 1")])
def test_a_matrix_of_nothing_is_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main([*options, "--out", str(tmp_path / "k.md")])
