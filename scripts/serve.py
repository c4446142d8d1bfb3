"""Caption photos in the browser: a page and a small API, open to this machine only unless --host says otherwise.

Photos need the ONNX model that made the run's training features: --encoder, or without it the one that
scripts.fetch_data fetched. A run on scenes needs none (--scenes).
"""
import re

from scripts.commandline.command import run
from scripts.commandline.decoding_options import add_unknown
from scripts.commandline.image_model import add_model, model_options
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_run, check_least

NAME = re.compile(r"([^\s/?#@:\[\]\\,]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")      # a host as browsers name it


def parse(argv=None):
    parser = Parser(prog="python -m scripts.serve", description=__doc__)
    add_run(parser)
    parser.add_argument("--scenes", action="store_true",
                        help="for a run on scenes: offer newly drawn scenes to choose from")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1, this machine)")
    parser.add_argument("--name", action="append", default=[], metavar="NAME", help="host name that browsers "
                        "use, if another web server on this machine forwards requests; may be repeated")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000; 0: any free one)")
    add_unknown(parser)
    add_model(parser, "what the run was trained on")
    args = parser.parse_args(argv)
    if args.scenes and args.encoder:
        parser.error("--encoder and --scenes: expected one of them")
    if args.threads is not None:
        check_least(args, threads=1)
    for name in args.name:
        if not NAME.fullmatch(name):
            parser.error(f"--name {name!r}: expected a host name such as captions.example, with a port "
                         "captions.example:8443, an IPv6 address in brackets")
    args.host = args.host[1:-1] if args.host.startswith("[") and args.host.endswith("]") else args.host
    return args


def main(argv=None):
    args = parse(argv)
    try:
        from scripts.web.application import host_names, make_service
        from scripts.web.memory import keep_little
        from scripts.web.server import Limits, listen, make_server
    except ImportError as error:
        raise ValueError(f"the page needs Flask and waitress ({error}): pip install -e \".[serve]\"") from error
    keep_little()
    with listen(args.host, args.port) as listener:          # a port that is taken shows before the model is loaded
        app, worker, note = make_service(args.run, args.encoder, model_options(args), args.scenes,
                                         host_names(listener.getsockname()[0], args.name), args.allow_unknown)
        all_from_one = Limits(address=Limits().connections)          # the front server's address
        server = make_server(app, worker.in_flight, listener, all_from_one if args.name else Limits())
        if note:
            print(note)
        host = f"[{args.host}]" if ":" in args.host else args.host
        try:
            print(f"http://{host}:{listener.getsockname()[1]}/ (Ctrl-C stops it)", flush=True)
            server.run()
        finally:
            worker.close()


if __name__ == "__main__":
    run(main)
