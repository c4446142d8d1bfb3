"""Measure a running scripts.serve: several clients send photos repeatedly; latencies and errors are printed.

    python -m scripts.benchmark_serve photo.jpg [--clients 4] [--requests 200] [--url http://127.0.0.1:8000]
"""
import os

from models.decoding import BEAM
from scripts.benchmarks.serving import body_of, send
from scripts.commandline.command import run
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import check_least


def parse(argv=None):
    parser = Parser(prog="python -m scripts.benchmark_serve", description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos to send, in turn")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the service (default %(default)s)")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="clients at the same time (default 4)")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="requests in total (default 200)")
    parser.add_argument("--beam", type=int, default=BEAM, metavar="K", help=f"beam of each request (default {BEAM})")
    args = parser.parse_args(argv)
    check_least(args, clients=1, requests=1, beam=1)
    for photo in args.photos:
        if not os.path.isfile(photo):                       # a device would be read without end
            raise FileNotFoundError(f"{photo}: no such file")
    return args


def main(argv=None):
    args = parse(argv)
    load = send(args.url, [body_of(path, args.beam) for path in args.photos], args.clients, args.requests)
    print(*load.lines(args.clients), sep="\n")
    if load.errors:
        raise ValueError(f"{len(load.errors)} of {args.requests} requests failed, the first one: {load.errors[0]}")


if __name__ == "__main__":
    run(main)
