"""The grader's end: starts the process under test, with limits, and calls the submission's functions through it."""
import contextlib
import functools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from scripts.course import cgroups, process_tree
from scripts.course.confinement import check
from scripts.course.pipes import Pipes
from scripts.course.supervisor import Settings
from scripts.course.task_folder import ROOT as EMPTY
from scripts.course.tasks import ROOT
from scripts.course.wire import Reference, encode

PATIENCE = 6                        # a busy machine is not the submission's fault, but sleeping is
WAIT, SOON, END = 0.25, 5.0, 20.0   # seconds between two looks at the clock; until a process ends, and all do
START = ("import sys; sys.path.insert(0, sys.argv[1]); "
         "__import__('scripts.course.supervisor', fromlist=['main']).main(sys.argv[2])")


class Limits(NamedTuple):
    """Time limits of one task, in processor time; by the clock it may take PATIENCE times as long."""
    seconds: float = 20.0           # of the checks
    warm_up: float = 40.0           # of the imports and first calls, which may compile
    megabytes: int = 2048
    confinement: str = "any"        # of confinement.LEVELS: what the kernel has to confine


class Gone(Exception):
    """The process under test exited or was killed; the text says how."""


class SubmissionError(Exception):
    """What the submission raised; subclasses carry the names of its exceptions."""


class Cache:
    """A forward's cache, which stays in the process under test."""

    def __init__(self, number, dropped):
        self.number, self._drop = number, dropped.append     # a function: no part of the cache's content

    def __del__(self):
        self._drop(self.number)


class Remote:
    """The functions of the submission in the folder `work`, as attributes: remote.rnn_step_forward(x, ...)."""

    def __init__(self, work, limits, forbidden=(), without=(), probe=False):
        self.work, self.limits, self.notes, self.gone = Path(work), limits, [], None
        self._dropped, self._names, self._mark, self._checked = [], [], secrets.token_hex(8), 0.0
        self.printed = ""                   # by the submission: its beginning, known when it has ended
        self._line, theirs = socket.socketpair() if sys.platform == "linux" else (None, None)
        settings = Settings(str(work), str(self.work.with_name(EMPTY)), limits.megabytes, str(ROOT),
                            [*map(str, forbidden)], theirs and theirs.fileno(), self._mark, os.getpid(), [*without],
                            probe)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", START, str(ROOT), json.dumps(settings)], cwd=work,
            env={**_environment(work), "RNNLAYERS_TASK": self._mark}, start_new_session=True, bufsize=0,
            pass_fds=[theirs.fileno()] if theirs else (), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        if theirs:
            theirs.close()
            self._line.settimeout(PATIENCE * limits.warm_up)
        self._set_clock("its imports and first calls", limits.warm_up)
        self._pipes = Pipes(self._process)
        self._answers = self._pipes.answers

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def start(self):
        """Make the process import the submission. Raises Gone or SubmissionError, ValueError if it is not confined."""
        check(self.limits.confinement, self.confined())
        self._names = self._ask("start")

    def confined(self):
        """The confinement.PARTS that the kernel confines; to be asked once, before anything else."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self._line.recv(1000).partition(b"\n")[0]) if self._line else []
        return []

    def start_clock(self):
        """Start measuring the time of the checks, after imports and first calls."""
        self._set_clock("the checks", self.limits.seconds)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"the submission has no function {name}")
        return functools.partial(self._call, name)

    def writes(self, forward, backward, args, before=(), after=()):
        """A sentence naming the arrays of the caller that a pair writes to, or ""."""
        return str(self._ask("writes", forward, backward, tuple(args), tuple(before), tuple(after)))

    def evaluations(self, forward, backward, args, before=(), after=()):
        """See child.Server.evaluations -> two whole numbers."""
        moved, turned = self._ask("evaluations", forward, backward, tuple(args), tuple(before), tuple(after))
        return int(moved), int(turned)

    def backward_with(self, forward, backward, args, before, cache, after):
        """See child.Server.backward_with."""
        return self._ask("backward_with", forward, backward, tuple(args), tuple(before), cache, tuple(after))

    def captioner(self, *args):
        """See child.Server.captioner."""
        return self._ask("captioner", *args)

    def close(self):
        """End the process and all that it started, and note what happened to its folder."""
        if not self.work.is_dir() or not (self.work / "rnnlayers").is_dir():
            self.notes.append("deletes its working folder")
        self._kill()
        self.printed = self._pipes.close()
        if self._line:
            self._line.close()

    def _call(self, name, *args):
        opaque = name.endswith("_forward")
        args = [Reference(arg.number) if isinstance(arg, Cache) else arg for arg in args]
        result = self._ask("call", name, args, opaque)
        if opaque and isinstance(result, tuple) and result and isinstance(result[-1], Reference):
            return (*result[:-1], Cache(result[-1].number, self._dropped))
        return result

    def _ask(self, do, *args):
        if len(self._dropped) > 50:
            numbers, self._dropped[:] = list(self._dropped), []
            self._exchange("drop", numbers)
        answer = self._exchange(do, *args)
        self.notes = answer["notes"][:100]
        if "raised" in answer:
            raise _error(answer, self.limits)
        return answer["value"]

    def _exchange(self, do, *args):
        if self.gone:
            raise Gone(self.gone)
        try:
            self._check_time()                                      # many short calls take long too
            self._pipes.ask(encode({"do": do, "args": args}))
            answer = self._wait()
        except TimeoutError:
            self._end(f"{_doing(do, args)} did not end: {self._clock} may take {self._seconds:g} s")
        except ValueError:
            answer = None
        if not _is_answer(answer):
            how = self._how_it_ended() if answer is None else "sent what is no answer"
            self._end(f"{_doing(do, args)} {how}")
        return answer

    def _set_clock(self, name, seconds):
        self._clock, self._seconds = name, seconds
        self._since, self._used = time.monotonic(), self._processor_seconds() or 0.0

    def _processor_seconds(self):
        """Seconds of processor time of the process and all that it started; None if the system does not say."""
        pids = [self._process.pid, *process_tree.below(self._process.pid)]
        return process_tree.usage(pids).seconds if os.path.exists(f"/proc/{pids[0]}") else None

    def _wait(self):
        """The next answer, "" where one has begun and does not end. Raises TimeoutError when the time is up."""
        while not self._pipes.is_dribbling():
            with contextlib.suppress(TimeoutError):
                return self._pipes.answer(WAIT)
            self._check_time()
        return ""

    def _check_time(self):
        now = time.monotonic()
        if now - self._checked < WAIT / 5:
            return
        self._checked, clock, used = now, now - self._since, self._processor_seconds()
        used = clock if used is None else used - self._used
        if used > self._seconds or clock > PATIENCE * self._seconds:
            raise TimeoutError

    def _end(self, reason):
        self.gone = reason
        self._kill()
        raise Gone(reason)

    def _how_it_ended(self):
        reason = self._reason()
        if reason:
            return f"was ended: {reason}"
        try:
            code = self._process.wait(SOON)
        except subprocess.TimeoutExpired:
            return "sent what is no answer"
        if code < 0:
            return f"crashed the interpreter (signal {-code}, {signal.strsignal(-code)})"
        return f"ended the interpreter (exit code {code})"

    def _reason(self):
        """Why the supervisor has ended the process, "" if it has not."""
        if not self._line:
            return ""
        with contextlib.suppress(OSError):
            self._line.settimeout(SOON)
            return b"".join(iter(lambda: self._line.recv(1000), b"")).rpartition(b"\n")[2].decode()
        return ""

    def _kill(self):
        """End all processes of the task: by their supervisor, and whatever has got away from it."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if self._line:
                self._line.shutdown(socket.SHUT_WR)
                self._process.wait(END)
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL) if hasattr(os, "killpg") else self._process.kill()
            self._process.wait()
        cgroups.end_named(self._mark)
        process_tree.end_all(lambda: process_tree.with_mark(self._mark))


def _doing(do, args):
    return {"call": lambda: args[0], "writes": lambda: args[0], "evaluations": lambda: args[1] or args[0],
            "backward_with": lambda: args[1], "start": lambda: "importing rnnlayers",
            "captioner": lambda: f"CaptioningRNN.{args[4]}", "drop": lambda: "the last call"}.get(do, lambda: do)()


def _is_answer(answer):
    """Whether a value has the form of child.answer's answers: a submission may itself write to the pipe."""
    if not isinstance(answer, dict) or not isinstance(answer.get("notes"), list):
        return False
    texts = [] if "value" in answer else [answer.get(key) for key in ("raised", "message", "where")]
    return all(isinstance(text, str) and len(text) <= 1000 for text in [*answer["notes"][:100], *texts])


def _error(answer, limits):
    """An exception with the name and text of the one that the submission raised."""
    name, where = answer["raised"], answer["where"]
    message = answer["message"] or ("" if name != "MemoryError" else f"more than {limits.megabytes} MB")
    kind = type(name if name.isidentifier() else "Error", (SubmissionError,), {})
    return kind(f"{message}{f' ({where})' if where else ''}")


def _environment(work):
    """The environment of the process under test: only the system's paths, nothing else of the grader's."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(work), "TMPDIR": str(work), "MPLCONFIGDIR": str(work), "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RNNLAYERS_BACKEND": "textbook", "LC_ALL": "C.UTF-8"}
