"""The course kit: the pipe between the grader and a submission, and the process behind it."""
import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scripts.course.channel import _is_answer
from scripts.course.outcomes import compared, judged
from scripts.course.tasks import ROOT
from scripts.course.wire import Reference, Unknown, encode, read

RNN = "rnnlayers/rnn.py"


def test_a_message_arrives_as_it_was_and_runs_nothing(rng):
    value = {"a": (1, 2.5, None, "x"), "b": [rng.standard_normal((2, 0, 3)), np.float32(2)], "c": Reference(4)}
    back = read(io.BytesIO(encode({**value, "d": object(), "e": np.array([None])})))
    assert back["a"] == value["a"] and back["c"] == Reference(4)
    assert back["b"][0].shape == (2, 0, 3) and back["b"][1].dtype == np.float32 and back["b"][1].ndim == 0
    assert isinstance(back["d"], Unknown) and isinstance(back["e"], Unknown)
    for broken in (b"\xff" * 20, encode(3)[:-1], b"\x05" + bytes(7) + b"\x01\0\0\0{"):
        with pytest.raises((ValueError, EOFError)):
            read(io.BytesIO(broken))


@pytest.mark.parametrize("answer", [5, {"notes": 5, "value": None}, {"notes": [[]], "value": None}, {"notes": []},
                                    {"notes": ["x" * 2000], "value": None}, {"notes": [], "raised": 3}])
def test_what_has_another_form_is_no_answer(answer):
    assert _is_answer({"notes": ["x"], "value": None}) and not _is_answer(answer)


@pytest.mark.parametrize("found", [10**400, True, "x", None, np.ones(2, bool), np.array([None] * 2)])
def test_numbers_are_compared_with_whatever_comes(found):
    assert judged("x", 1, lambda: compared(found, np.zeros(np.shape(found)), "x")).problem


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such thing")
def test_what_loops_ends_with_its_grader(tmp_path):
    (tmp_path / "rnnlayers").mkdir()
    (tmp_path / RNN).write_text("print(flush=True)\nwhile True: pass\n")
    code = ("import sys; from scripts.course.channel import Limits, Remote; "
            "remote = Remote(sys.argv[1], Limits()); print(remote._process.pid, flush=True); remote.start()")
    (tmp_path / "rnnlayers/__init__.py").write_text("import rnnlayers.rnn\n")
    grader = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    child = Path("/proc", grader.stdout.readline().decode().strip(), "stat")
    assert child.exists()
    time.sleep(1.5)                                                 # it has begun to loop
    grader.kill()
    grader.communicate()
    time.sleep(0.5)
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] in "ZX"
