"""One hostile submission, graded among others: what it got, and what of the grader's promises broke."""
import itertools
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from scripts.campaigns.hostile_files import packed
from scripts.campaigns.hostile_kinds import CALLS, Kind
from scripts.course import process_tree, sweep
from scripts.course.channel import PATIENCE, Limits, Remote
from scripts.course.draws import PUBLIC
from scripts.course.grading import goldens_of, grade
from scripts.course.project import load_project
from scripts.course.results import printable, total
from scripts.course.submission import read_submission
from scripts.course.tasks import ROOT

NUMBERS = itertools.count()
TASK, RNN = "2.1", "rnnlayers/rnn.py"
MEMORY, OWN_SECONDS = 200 << 20, 15.0       # what a submission may cost the grader: bytes, processor time
PROMISES = {                                # short name -> what may not happen
    "wrong": "points for wrong work",
    "handed on": "solutions handed on to the next student",
    "next": "points lost by the next student",
    "left": "processes, shared objects or files that outlive their task",
    "foreign": "files and processes of others changed, or read",
    "network": "connections that reach somebody",
    "time": "submissions that take longer than their limits",
    "cost": "submissions that cost the grader 200 MB or 15 s of processor time",
    "crash": "submissions that crash the grader",
}
VICTIM = "import ctypes, time; here = ctypes.create_string_buffer(b'secret of the victim'); " \
         "print(ctypes.addressof(here), flush=True); time.sleep(100000)"


class Result(NamedTuple):
    """How a trial ended."""
    points: float
    words: str                      # what the grader reports first
    faults: dict[str, str]          # short name of a promise -> what broke it


class Trial:
    """A class, a process, files and listeners that hostile submissions may try to reach. To be closed."""

    def __init__(self, without=(), with_next=True):
        self.without, self.with_next = without, with_next
        self._folder = tempfile.TemporaryDirectory(prefix="trial-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.project = load_project()
        self.goldens = goldens_of(self.project._replace(tasks={TASK: self.project.tasks[TASK]}), PUBLIC)
        self.right = (ROOT / RNN).read_text("utf-8")
        self.outside, self.ada = self.folder / "outside", self.folder / "class/ada"
        self.outside.mkdir()
        (self.ada / "rnnlayers").mkdir(parents=True)
        (self.ada / RNN).write_text(self.right, "utf-8")
        (self.folder / "tasks").mkdir()
        for folder in (self.folder, self.folder / "tasks"):
            os.chmod(folder, 0o755)
        number = next(NUMBERS)
        self._marks, self._mark = [], f"{os.getpid()}_{number}"
        first = 1 << 30 | os.getpid() % (1 << 16) << 12 | number % 64 << 6
        self._keys = range(first, first + 64)           # of the objects of System V that this trial's kinds make
        self.listeners = [self._listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))]
        port = self.listeners[0].getsockname()[1]
        self.listeners += [self._listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
                           self._listener(socket.AF_UNIX, socket.SOCK_STREAM, f"\0hostile-{self._mark}")]
        self.victim, self.count = None, 0
        self._port = port

    def close(self):
        """End the victim, close the listeners, remove the files."""
        if self.victim:
            self.victim.kill()
            self.victim.communicate()
        for listener in self.listeners:
            listener.close()
        self._folder.cleanup()

    def run(self, kind: Kind) -> Result:
        """Grade a kind of submission, then a student with a right solution, or one who has none of his own.

        Without with_next, a student with a right solution is left out.
        """
        temporary, tempfile.tempdir = tempfile.tempdir, str(self.folder / "tasks")
        try:
            return self._run(kind)
        finally:
            tempfile.tempdir = temporary

    def _run(self, kind):
        self._prepare()
        self.count += 1
        folder = self.folder / f"class/eve{self.count}"
        folder.mkdir()
        text = self._filled(_text(kind, self.right))
        path, before, faults = packed(kind.files, folder, text, self.outside), self._state(), {}
        _forget_peak()
        began, used, memory = time.monotonic(), time.process_time(), _memory()
        points, words = self._graded(path, kind, faults)
        seconds, used = time.monotonic() - began, time.process_time() - used
        after = self._state()
        if points > kind.most + 0.01:
            faults["wrong"] = f"{points:g} points"
        if seconds > 2 * PATIENCE * 2 * kind.seconds + 30:
            faults["time"] = f"{seconds:.0f} s"
        if used > OWN_SECONDS or _memory() - memory > MEMORY:
            faults["cost"] = f"{used:.0f} s, {(_memory() - memory) >> 20} MB"
        faults |= {promise: f"{before[promise]} became {after[promise]}"[:300] for promise in before
                   if before[promise] != after[promise]}
        secret = [word for word in ("secret of the victim", self._secret()) if word in words]
        faults |= {"foreign": f"it knows {secret[0]!r}"} if secret else {}
        faults |= {"network": "a connection arrived"} if any(map(_has_visitor, self.listeners)) else {}
        if self.with_next or kind.second:
            self._next(kind, faults)
        self._tidy(before["left"][2])
        return Result(points, words, faults)

    def _next(self, kind, faults):
        other = self.folder / f"class/next{self.count}"
        (other / "rnnlayers").mkdir(parents=True)
        text = self._filled(_with_calls(kind.second)) if kind.second else self.right
        (other / RNN).write_text(text, "utf-8")
        points, words = self._graded(other, kind, faults)
        if kind.second and points:
            faults["handed on"] = f"{points:g} points"
        if not kind.second and points < 10:
            faults["next"] = f"{points:g} of 10 points: {words}"

    def _graded(self, path, kind, faults):
        """Points, and the first words of the report."""
        limits = Limits(kind.seconds, 2 * kind.seconds)
        try:
            submission = read_submission(path, self.project.files([TASK]))
            task, = grade(self.project, submission, [TASK], PUBLIC, self.goldens, limits=limits, open_tree=self._open)
        except ValueError as error:
            return 0.0, f"not read: {error}".replace(str(self.folder), "")
        except Exception as error:
            faults["crash"] = f"{type(error).__name__}: {error}"
            return 0.0, "the grader failed"
        said = [*task.notes, *(outcome.problem for outcome in task.outcomes if outcome.problem), task.printed]
        return total([task])[0], printable("; ".join(dict.fromkeys(filter(None, said))), 2000)

    def _open(self, work, limits, forbidden):
        remote = Remote(work, limits, [self.folder / "class", *forbidden], without=self.without)
        self._marks.append(remote._mark)
        return remote

    def _processes(self):
        return [pid for mark in self._marks for pid in process_tree.with_mark(mark)]

    def _prepare(self):
        for path in (self.outside / "file", self.outside / "solution.py"):
            path.write_text(self.right if path.suffix else "content", "utf-8")
            os.chmod(path, 0o640)
            os.utime(path, (10**9, 10**9))
        if self.victim is None or self.victim.poll() is not None:
            self.victim = subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, text=True)
            self._address = self.victim.stdout.readline().strip()

    def _filled(self, text):
        os.environ["HOSTILE_SECRET"] = self._secret()
        values = {"outside": self.outside, "root": ROOT, "class": self.folder / "class", "victim": self.victim.pid,
                  "address": self._address, "grader": os.getpid(), "port": self._port, "mark": self._mark,
                  "key": self._keys[0], "home": os.path.expanduser("~")}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def _secret(self):
        return f"known to the grader {os.getpid()}"

    def _state(self):
        """What must be the same before and after: what is left of tasks, and what is somebody else's."""
        shared = [str(path) for place in ("/dev/shm", "/dev/mqueue", "/tmp") for path in Path(place).glob("hostile*")]
        shared += os.listdir(self.folder / "tasks")
        objects = [entry for user in {os.getuid(), *_users()} for entry in sweep.objects(user, keys=self._keys)]
        files = [(path.relative_to(self.folder).as_posix(), *_metadata(path))
                 for path in [self.outside, *sorted(self.outside.iterdir())]]
        return {"left": [self._processes(), shared, objects],
                "foreign": [files, self._process()]}

    def _process(self):
        """What others could change of the victim, and of the grader."""
        found = []
        for pid in (self.victim.pid, os.getpid()):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
            found.append((state, os.getpriority(os.PRIO_PROCESS, pid), sorted(os.sched_getaffinity(pid)),
                          os.sched_getscheduler(pid), resource.prlimit(pid, resource.RLIMIT_NOFILE)))
        return found

    def _tidy(self, objects):
        """Remove what a broken promise has left, so that it counts once. objects: those that were there before."""
        process_tree.end_all(self._processes)
        self._marks.clear()
        sweep.remove([entry for entry in self._state()["left"][2] if entry not in objects])
        for place in ("/dev/shm", "/dev/mqueue", "/tmp"):
            for path in Path(place).glob("hostile*"):
                path.unlink()
        for path in self.outside.iterdir():
            path.unlink()
        if self.victim.poll() is None:
            self.victim.send_signal(signal.SIGCONT)
            os.setpriority(os.PRIO_PROCESS, self.victim.pid, 0)

    @staticmethod
    def _listener(family, kind, address):
        made = socket.socket(family, kind)
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen()
        made.setblocking(False)
        return made


def _text(kind, right):
    """The submission's rnn.py."""
    solution = {"right": right, "none": "", "wrong": right.replace("np.tanh(", "np.sinh(")}.get(
        kind.solution, kind.solution)
    if kind.step:
        solution, count = re.subn(r"(def rnn_step_forward\(.*:\n)", lambda match: match[0] + kind.step, solution)
        assert count == 1
    solution = f"{right}\n{solution}" if kind.solution not in ("right", "none", "wrong") else solution
    return f"{_with_calls(kind.code)}\n# the solution\n{solution}"


def _with_calls(code):
    return CALLS + code if any(word in code for word in ("call(", "child(", "attempt(")) else code


def _users():
    from scripts.course.privileges import FIRST, MANY
    return range(FIRST, FIRST + MANY) if os.getuid() == 0 else ()


def _metadata(path):
    found = os.lstat(path)
    names = os.listxattr(path, follow_symlinks=False) if hasattr(os, "listxattr") else []
    times = () if path.is_dir() else found.st_mtime_ns
    return oct(found.st_mode), found.st_uid, found.st_gid, found.st_nlink, times, names


def _has_visitor(listener):
    try:
        if listener.type & socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(10)
    except BlockingIOError:
        return False
    return True


def _memory():
    """The most main memory that this process has had since _forget_peak()."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) << 10


def _forget_peak():
    Path("/proc/self/clear_refs").write_text("5")
