"""Latency of a running service: several clients send photos over and over."""
import base64
import json
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

JSON = {"Content-Type": "application/json"}


class Load(NamedTuple):
    """What came of many requests."""
    seconds: float                  # from the first to the last
    times: list[float]              # seconds of each request that was answered
    errors: list[str]

    def lines(self, clients: int) -> list[str]:
        """Rate, errors and percentiles of the latency."""
        requests = len(self.times) + len(self.errors)
        times = 1000 * np.array(self.times or [np.nan])
        return [f"{requests} requests by {clients} clients in {self.seconds:.1f} s, {requests / self.seconds:.1f} a "
                f"second, {len(self.errors)} errors",
                "milliseconds: " + ", ".join(f"{name} {np.percentile(times, q):.0f}" for name, q in (
                    ("median", 50), ("90 %", 90), ("99 %", 99), ("slowest", 100)))]


def send(url: str, bodies: Sequence[bytes], clients: int, requests: int) -> Load:
    """Send the bodies in turn to /api/caption of a service, from so many clients at the same time."""
    url, began = url.rstrip("/") + "/api/caption", time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(lambda i: ask(url, bodies[i % len(bodies)]), range(requests)))
    return Load(time.perf_counter() - began, [taken for taken, wrong in answers if not wrong],
                [wrong for _, wrong in answers if wrong])


def body_of(path: str | Path, beam: int) -> bytes:
    """A photo as the service takes it in JSON."""
    return json.dumps({"image": base64.b64encode(Path(path).read_bytes()).decode(), "beam": beam}).encode()


def ask(url: str, body: bytes) -> tuple[float, str | None]:
    """One request -> seconds, and what went wrong or None."""
    began, wrong = time.perf_counter(), None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, JSON), timeout=120) as response:
            json.load(response)["caption"]
    except (OSError, ValueError, KeyError) as error:
        wrong = str(error)
    return time.perf_counter() - began, wrong
