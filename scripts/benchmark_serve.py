"""Measure a running scripts.serve: several clients send photos over and over; prints latencies and errors.

    python -m scripts.benchmark_serve photo.jpg [--clients 4] [--requests 200] [--url http://127.0.0.1:8000]
"""
import argparse
import base64
import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from scripts.commandline.command import run
from scripts.commandline.run_options import check_least

JSON = {"Content-Type": "application/json"}


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark_serve", description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos to send, in turn")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the service (default %(default)s)")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="clients at the same time (default 4)")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="requests in total (default 200)")
    parser.add_argument("--beam", type=int, default=3, metavar="K", help="beam of each request (default 3)")
    args = parser.parse_args(argv)
    check_least(args, clients=1, requests=1, beam=1)
    return args


def body_of(path, beam):
    """A photo as the service takes it in JSON -> bytes."""
    return json.dumps({"image": base64.b64encode(Path(path).read_bytes()).decode(), "beam": beam}).encode()


def ask(url, body):
    """One request -> seconds, None or what went wrong."""
    began, wrong = time.perf_counter(), None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, JSON), timeout=120) as response:
            json.load(response)["caption"]
    except (OSError, ValueError, KeyError) as error:
        wrong = str(error)
    return time.perf_counter() - began, wrong


def main(argv=None):
    args = parse(argv)
    bodies = [body_of(path, args.beam) for path in args.photos]
    url = args.url.rstrip("/") + "/api/caption"
    began = time.perf_counter()
    with ThreadPoolExecutor(args.clients) as pool:
        answers = list(pool.map(lambda i: ask(url, bodies[i % len(bodies)]), range(args.requests)))
    seconds = time.perf_counter() - began
    errors = [wrong for _, wrong in answers if wrong]
    times = 1000 * np.array([taken for taken, wrong in answers if not wrong] or [np.nan])
    print(f"{args.requests} requests by {args.clients} clients in {seconds:.1f} s, {args.requests / seconds:.1f} a "
          f"second, {len(errors)} errors")
    print("milliseconds: " + ", ".join(f"{name} {np.percentile(times, q):.0f}" for name, q in (
        ("median", 50), ("90 %", 90), ("99 %", 99), ("slowest", 100))))
    if errors:
        raise ValueError(f"{len(errors)} of {args.requests} requests failed, the first one: {errors[0]}")


if __name__ == "__main__":
    run(main)
