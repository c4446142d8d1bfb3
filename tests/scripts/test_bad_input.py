"""Bad input: some of the calls of `python -m scripts.campaign input`, and each kind of fault that it found."""
import json
import os
import subprocess
import sys
from random import Random

import pytest

pytest.importorskip("resource", reason="calls are made by fork: Linux and macOS only")

from scripts.campaigns.bad_input import call as calls
from scripts.campaigns.bad_input.call import Ended, call, faults
from scripts.campaigns.bad_input.command_lines import actions_of, main_of, parser_of
from scripts.campaigns.bad_input.odd_values import changed_json
from scripts.campaigns.bad_input.usual import PATHS, USUAL
from scripts.commandline.catalogue import present
from tests.samples import ALL

ATTACK = """
import json
from scripts.campaigns.input import attack
print(json.dumps([count._asdict() for count in attack(range({calls}), 11)]))
"""


def test_calls_break_no_promise():
    """In a process of its own, since that of pytest has threads; the textbook layers have no kernels to load."""
    calls = 500 if ALL else 25                             # `.ci/run` has all
    done = subprocess.run([sys.executable, "-c", ATTACK.format(calls=calls)], capture_output=True, text=True,
                          timeout=550, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "RNNLAYERS_BACKEND": "textbook"})
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert {count["tried"] for count in counts} == {calls} and len(counts) == 7
    assert not [example for count in counts for example in count["examples"]]


def test_every_command_is_called_and_every_path_is_known():
    commands = {name for group in present().values() for name in group} - {"campaign"} | {"gradcheck"}
    assert {command.split()[0] for command in USUAL} == commands
    for command, usual in USUAL.items():
        dests = {action.dest for action in actions_of(command)}
        assert all(call.keys() <= dests for call in usual), command
    known = {dest for command in USUAL for action in actions_of(command) for dest in (
        action.dest, (command.split()[0], action.dest))}
    assert PATHS.keys() <= known


def test_a_parser_is_taken_out_of_main_and_main_works_after():
    main = main_of("score")
    assert "--per-image" in parser_of(main).format_help()
    with pytest.raises(SystemExit):
        main(["--help"])


def fail_with(error):
    def main():
        raise error
    return main


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")          # fork beside the threads of xdist
@pytest.mark.parametrize("main, broken", [
    (lambda: None, None), (lambda: 2, calls.SILENT), (lambda: 3, calls.CODES),
    (lambda: print("Traceback (most recent call last):", file=sys.stderr), calls.TRACEBACKS),
    (lambda: print("x" * 600, file=sys.stderr), calls.LONG), (lambda: os.kill(os.getpid(), 9), calls.CODES),
    (lambda: print("a/b.py:7: UserWarning: odd", file=sys.stderr), calls.WARNINGS), (calls.at_work, None),
    (fail_with(ValueError("odd")), None), (fail_with(RecursionError()), None), (fail_with(MemoryError()), None),
    (fail_with(OverflowError("int too long")), None), (fail_with(RuntimeError("HDF5")), None),
    (fail_with(KeyError("x")), calls.TRACEBACKS), (fail_with(TypeError("x")), calls.TRACEBACKS)])
def test_a_fault_is_seen(main, broken, tmp_path):
    (tmp_path / "work").mkdir()
    assert [*faults(call(main, [], tmp_path / "work"), {0, 2})] == ([] if broken is None else [broken])


def test_a_call_that_does_not_end_is_a_fault():
    assert [*faults(Ended(calls.TIMED_OUT, "", "", 20.1), {0, 2})] == [calls.SLOW]


def test_a_device_is_no_photo_to_send():
    with pytest.raises(FileNotFoundError, match="/dev/zero: no such file"):
        main_of("benchmark_serve")(["/dev/zero"])


def test_a_seed_makes_the_same_change_whatever_came_before():
    text = json.dumps({"a": [1, {"b": None}], "c": {"d": []}})
    first = [changed_json(Random(seed), text) for seed in range(300)]
    assert first == [changed_json(Random(seed), text) for seed in range(300)] and len(set(first)) > 50
