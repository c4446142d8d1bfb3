"""The grader's end: starts the process under test, with limits, and calls the submission's functions through it."""
import contextlib
import functools
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from scripts.course.tasks import ROOT
from scripts.course.wire import Reference, encode, read

PATIENCE = 6                        # a busy machine is not the submission's fault, but sleeping is
SHOWN = 400                         # characters kept of what a submission prints
START = "import sys; sys.path.insert(0, sys.argv[3]); from scripts.course.child import main; main(*sys.argv[1:])"


class Limits(NamedTuple):
    """Time limits of one task, in processor time; by the clock it may take PATIENCE times as long."""
    seconds: float = 20.0           # of the checks
    warm_up: float = 40.0           # of the imports and first calls, which may compile
    megabytes: int = 2048


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

    def __init__(self, work, limits, forbidden=()):
        self.work, self.limits, self.notes, self.gone = Path(work), limits, [], None
        self._output, self._answers, self._dropped, self._names = [b"", 0], queue.Queue(), [], []
        self._asked, self._closing = threading.Semaphore(0), False
        self.printed = ""                   # by the submission: its beginning, known when it has ended
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", START, str(work), str(limits.megabytes), str(ROOT),
             *map(str, forbidden)], cwd=work, env=_environment(work), start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._set_clock("its imports and first calls", limits.warm_up)
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._listen, self._drain)]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def start(self):
        """Make the process import the submission. Raises Gone or SubmissionError."""
        self._names = self._ask("start")

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
        """Kill the process and its children, and note what happened to its folder."""
        if not self.work.is_dir() or not (self.work / "rnnlayers").is_dir():
            self.notes.append("deletes its working folder")
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL) if hasattr(os, "killpg") else self._process.kill()
        self._closing = True
        self._asked.release()
        self._process.wait()
        for thread in self._threads:
            thread.join(5)
        self.printed = self._shown()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    def _shown(self):
        text, size = self._output
        text = text.decode(errors="replace")[:SHOWN].strip()
        return f"{text}\n... {size:,} bytes in all" if size > SHOWN else text

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
            self._process.stdin.write(encode({"do": do, "args": args}))
            self._process.stdin.flush()
            self._asked.release()
            answer = self._wait()
        except TimeoutError:
            self._end(f"{_doing(do, args)} did not end: {self._clock} may take {self._seconds:g} s")
        except (OSError, ValueError):
            answer = None
        if not _is_answer(answer):
            how = self._how_it_ended() if answer is None else "sent what is no answer"
            self._end(f"{_doing(do, args)} {how}")
        return answer

    def _set_clock(self, name, seconds):
        self._clock, self._seconds = name, seconds
        self._since, self._used = time.monotonic(), _processor_seconds(self._process.pid) or 0.0

    def _wait(self):
        """The next answer. Raises TimeoutError when the time is up."""
        while True:
            try:
                return self._answers.get(timeout=0.25)
            except queue.Empty:
                self._check_time()

    def _check_time(self):
        clock, used = time.monotonic() - self._since, _processor_seconds(self._process.pid)
        used = clock if used is None else used - self._used
        if used > self._seconds or clock > PATIENCE * self._seconds:
            raise TimeoutError

    def _end(self, reason):
        self.gone = reason
        with contextlib.suppress(OSError):
            self._process.kill()
        raise Gone(reason)

    def _how_it_ended(self):
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return "sent what is no answer"
        if code < 0:
            return f"crashed the interpreter (signal {-code}, {signal.strsignal(-code)})"
        return f"ended the interpreter (exit code {code})"

    def _listen(self):
        """Read one answer per request and no more: a submission could write answers without end."""
        try:
            while self._asked.acquire() and not self._closing:
                self._answers.put(read(self._process.stdout))
        except (EOFError, OSError):                 # it ended
            self._answers.put(None)
        except ValueError:
            self._answers.put("no answer")

    def _drain(self):
        """Read what the submission prints; keep the beginning and count the rest."""
        with contextlib.suppress(OSError, ValueError):
            while data := self._process.stderr.read1(1 << 16):
                self._output[0] = (self._output[0] + data)[:4 * SHOWN]
                self._output[1] += len(data)


def _processor_seconds(pid):
    """Seconds of processor time that a process has used; None if the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


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


@contextlib.contextmanager
def folder_of(files):
    """A temporary folder with these files, path -> text."""
    with tempfile.TemporaryDirectory(prefix="task-", ignore_cleanup_errors=True) as folder:
        for path, text in files.items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        yield Path(folder)
