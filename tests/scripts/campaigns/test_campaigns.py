"""scripts.campaign: its table and exit code, and that the campaigns find what is broken on purpose."""
import os
import time
from pathlib import Path

import pytest

from models import checkpoint
from models.checkpoint import restore_solver
from scripts import campaign
from scripts.campaigns import kill, soak
from scripts.campaigns.count import Count, Tally, until
from tests.command import without_next
from tests.samples import sample

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_tally_counts_and_keeps_the_first_faults():
    tally = Tally("lost files")
    for k in range(9):
        tally.add(f"file {k}" if k % 3 else "")
    assert tally.count() == Count("lost files", 9, 6, ("file 1", "file 2", "file 4", "file 5", "file 7"))
    assert tally.count().line() == "| lost files | 9 | 6 |"
    assert list(until(1, 3)) == [0, 1, 2] and list(until(0)) == [0]


@pytest.mark.parametrize("faults, status", [(0, 0), (2, 1)])
def test_the_command_prints_a_table_and_its_exit_code_tells_of_faults(faults, status, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(soak, "campaign", lambda *args: asked.append(args) or [
        Count("thing that broke", 1234, faults, ("a line",) * faults)])
    assert campaign.main(["soak", "--minutes", "0.5", "--seed", "3"]) == status and asked == [(0.5, 3)]
    printed = capsys.readouterr()
    assert f"| thing that broke | 1,234 | {faults} |" in printed.out
    assert without_next(printed.err) == "thing that broke: a line\n" * faults


def test_the_command_names_what_was_not_tried(monkeypatch, capsys):
    counts = [Count("one thing", 3, 0, ()), Count("another", 0, 0, ())]
    monkeypatch.setattr(soak, "campaign", lambda *_: counts)
    assert campaign.main(["soak", "--minutes", "0.1"]) == 0
    assert without_next(capsys.readouterr().err) == "not tried for lack of time, give more --minutes: another\n"


@pytest.mark.parametrize("argv, words", [(["soke"], "soak"), (["soak", "--minutes", "0"], "more than 0"), (
    ["soak", "--seed", "-1"], "at least 0"), (["soak", "--minutes", "nan"], "more than 0")])
def test_what_cannot_be_asked_is_refused(argv, words, capsys):
    with pytest.raises(SystemExit) as stop:
        campaign.main(argv)
    assert stop.value.code == 2 and words in capsys.readouterr().err


def write_in_two_halves(path, content):
    """What write_atomically is there to avoid."""
    half = Path(path).with_name(".half.part")           # so that the campaign sees when to kill
    half.touch()
    with open(path, "wb") as file:
        file.write(content[:len(content) // 2])
        file.flush()
        time.sleep(0.02)
        file.write(content[len(content) // 2:])
    half.unlink()


@needs_fork
@pytest.mark.parametrize("broken", sample([False, True], [True]))
def test_kills_are_harmless_unless_files_are_written_in_place(broken, monkeypatch, capsys):
    monkeypatch.setattr(kill, "CELLS", ("rnn",))
    monkeypatch.setattr(kill, "until", lambda minutes: range(1 + broken))
    monkeypatch.setattr(kill, "KILLS", 3)
    monkeypatch.setattr(kill, "OPTIONS", [*kill.OPTIONS, "--epochs", "6"])
    if broken:
        monkeypatch.setattr(checkpoint, "write_atomically", write_in_two_halves)
    damaged, stuck, different = kill.campaign(1, 5)
    assert "while writing" in capsys.readouterr().out
    assert damaged.tried >= 1 and stuck.tried >= 2 and different.tried == 1 + broken
    if broken:
        assert damaged.faults and stuck.faults
    else:
        assert not damaged.faults + stuck.faults + different.faults, (damaged, stuck, different)


@pytest.mark.parametrize("lost", [None, "iteration", "optim_configs", "averages"])
def test_the_soak_sees_a_solver_that_forgets(lost, monkeypatch, capsys):
    def forgetful(solver, found):
        kept = getattr(solver, lost) if lost else None
        restore_solver(solver, found)
        if lost:
            setattr(solver, lost, kept)
    monkeypatch.setattr(soak, "CELLS", {"gru": soak.CELLS["gru"]})
    monkeypatch.setattr(soak, "until", lambda minutes: range(6))
    monkeypatch.setattr(soak, "STEPS", 9)
    monkeypatch.setattr(soak, "restore_solver", forgetful)
    different, infinite, growing = soak.campaign(1, 2)
    assert "steps of gru" in capsys.readouterr().out
    assert bool(different.faults) == (lost is not None) and not infinite.faults and different.tried == infinite.tried
    assert growing.tried == 2 and not growing.faults
