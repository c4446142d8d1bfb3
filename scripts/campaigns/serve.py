"""Attack scripts.serve with connections that are never done, malformed and foreign requests, and picture bombs."""
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from data.scene_dataset import make_scene_dataset
from scripts import ROOT
from scripts.campaigns import hostile_requests as hostile
from scripts.campaigns.count import Tally, until

REQUESTS, EARLY = 10_000, 500           # the memory after all of them, and after so many
SECONDS, GROWTH = 2.0, 20.0             # that an ordinary user may wait; MB
CROWDED = 0.6                           # of the time there are hostile connections beside the requests
SMALL = ("--model", "attention", "--hidden", "12", "--wordvec", "9", "--batch", "25", "--epochs", "1")


def campaign(minutes, seed):
    """-> the counts, a list of scripts.campaigns.count.Count."""
    with tempfile.TemporaryDirectory() as folder, _service(Path(folder)) as (process, address):
        attack = Attack(address, process.pid, seed)
        with hostile.Crowd(address):
            _steps(attack, process, CROWDED * minutes)
        attack.crowded = False                          # so that there is time for all requests
        _steps(attack, process, (1 - CROWDED) * minutes)
        attack.alive.add("" if process.poll() is None else f"it ended with {process.returncode}")
        return [tally.count() for tally in attack.tallies()]


def _steps(attack, process, minutes):
    for k in until(minutes):
        if process.poll() is not None or attack.sent >= REQUESTS:
            break
        attack.step(k)


@contextlib.contextmanager
def _service(folder):
    """scripts.serve with a small run on scenes, in a process of its own -> the process, (host, port)."""
    make_scene_dataset(folder / "scenes", seed=1, sizes={"train": 60, "val": 12, "test": 12})
    _command("scripts.train", "--data", folder / "scenes", "--out", folder / "run", *SMALL).wait()
    process = _command("scripts.serve", folder / "run", "--scenes", "--port", "0")
    try:
        line = next((line for line in process.stdout if line.startswith("http://")), None)
        if line is None:
            raise RuntimeError("scripts.serve did not start")
        address = urlsplit(line.split()[0])
        yield process, (address.hostname, address.port)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _command(module, *arguments):
    return subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class Attack:
    """Requests to a service, ordinary ones and others, and what came of them."""

    def __init__(self, address, pid, seed):
        self.address, self.pid, self.rng, self.sent, self._early = address, pid, np.random.default_rng(seed), 0, None
        self.crowded = True
        self.ordinary = Tally(f"ordinary requests that took over {SECONDS:g} s beside {hostile.CROWD} hostile ones")
        self.failed = Tally("requests answered with a status of 500 or more")
        self.foreign = Tally("requests of a foreign origin that were not refused")
        self.bombs = Tally("picture bombs answered with neither 200 nor 422")
        self.alive = Tally("times that the service had died or did not tell its health")
        self._pictures, self._bombs = hostile.scenes(20, seed), hostile.bombs()

    def tallies(self):
        """All that was counted, the memory last."""
        grown = Tally(f"growth of its memory by over {GROWTH:g} MB from {EARLY} to {self.sent:,} requests")
        memory = resident(self.pid)
        if self._early is not None and memory is not None:
            grown.add(f"{self._early:.0f} MB, then {memory:.0f} MB" if memory > self._early + GROWTH else "")
        return [self.ordinary, self.failed, self.foreign, self.bombs, self.alive, grown]

    def step(self, k):
        """Some attacks, and an ordinary user after each."""
        self._malformed()
        self._foreign()
        self._body()
        if k % 20 == 0:
            self._bomb(self._bombs[k // 20 % len(self._bombs)])
        for _ in range(4):
            self._ordinary()
        if self._early is None and self.sent >= EARLY:
            self._early = resident(self.pid)

    def _count(self, what, request, *args, **more):
        """Send a request -> its status, None if it was hung up on."""
        status = None
        with contextlib.suppress(OSError):
            status = request(self.address, *args, **more)
        self.sent += 1
        self.failed.add(f"{what}: {status}" if status is not None and status >= 500 else "")
        return status

    def _malformed(self):
        sent = hostile.MALFORMED[self.rng.integers(len(hostile.MALFORMED))]
        self._count(f"{sent[:60]!r}", hostile.raw, sent)
        upload = hostile.UPLOAD + self.rng.bytes(int(self.rng.integers(1, 200_000)))
        self._count("an upload that was broken off", hostile.raw, upload, read=False)

    def _foreign(self):
        origin = hostile.FOREIGN[self.rng.integers(len(hostile.FOREIGN))]
        status = self._count(f"origin {origin}", hostile.caption, self._pictures[0], Origin=origin)
        self.foreign.add("" if status == 403 else f"{origin}: {status}")

    def _body(self):
        kind, body = hostile.random_body(self.rng, self._pictures[1])
        what, headers = f"{kind} {body[:80]!r}", {"Content-Type": kind}
        self._count(what, hostile.ask, "POST", "/api/caption", body, **headers)

    def _bomb(self, bomb):
        status = self._count(f"a picture of {len(bomb):,} bytes", hostile.caption, bomb)
        self.bombs.add("" if status in (200, 422) else f"{len(bomb):,} bytes: {status}")

    def _ordinary(self):
        """A page, the health or a caption, within SECONDS."""
        path, began = ("/", "/page.js", "/api/health", "a caption")[self.rng.integers(4)], time.monotonic()
        if path == "a caption":
            status = self._count(path, hostile.caption, self._pictures[self.rng.integers(20)], beam=3)
        else:
            status = self._count(path, hostile.ask, "GET", path)
        taken = time.monotonic() - began
        if self.crowded:
            self.ordinary.add("" if status == 200 and taken <= SECONDS else f"{path}: {status} after {taken:.1f} s")
        if path == "/api/health":
            self.alive.add("" if status == 200 else f"its health: {status}")


def resident(pid):
    """Memory of a process and its children in MB; None where `ps` does not say it."""
    try:
        told = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return sum(int(rss) for own, parent, rss in map(str.split, told.splitlines()) if str(pid) in (own, parent)) / 1024
