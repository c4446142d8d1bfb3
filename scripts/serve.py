"""Caption photos in the browser: a page and a small API, open to this machine only unless --host says otherwise.

Photos need the ONNX model that made the run's training features (--encoder); a run on scenes needs none (--scenes).
"""
import argparse
import contextlib
import io
import ipaddress
from pathlib import Path

from PIL import Image

from data.scenes import make_scenes
from scripts.commandline.command import run
from scripts.commandline.image_model import add_model, model_options
from scripts.commandline.run_options import add_run
from scripts.runs import load_run
from scripts.runs.photos import picture_features
from scripts.web.answers import Answers
from scripts.web.worker import Worker

SCENES, SEED = 12, 2024                 # another seed than the training scenes have


def parse(argv=None):
    parser = argparse.ArgumentParser(prog="python -m scripts.serve", description=__doc__)
    add_run(parser)
    parser.add_argument("--scenes", action="store_true", help="for a run on scenes: choose from newly drawn ones")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1, this machine)")
    parser.add_argument("--name", action="append", default=[], metavar="NAME", help="host name that browsers "
                        "use, if another web server on this machine forwards requests; may be repeated")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000; 0: any free one)")
    add_model(parser, "what the run was trained on")
    args = parser.parse_args(argv)
    if not args.scenes and not args.encoder:
        parser.error("expected --encoder MODEL.onnx, or --scenes for a run on scenes")
    if args.scenes and args.encoder:
        parser.error("--encoder and --scenes: expected one of them")
    return args


def names_of(args):
    """The names under which the service may be asked -> set, or None for any, where it listens to other machines."""
    local = {"localhost", "127.0.0.1", "::1"}
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(args.host).is_loopback:
            local.add(args.host)
    return {name.lower() for name in (*local, *args.name)} if args.host in local else None


def scene_files():
    """Scenes that no run was trained on, as PNG files -> list of bytes."""
    files = []
    for scene in make_scenes(SCENES, SEED):
        file = io.BytesIO()
        Image.fromarray(scene.image).save(file, "PNG")
        files.append(file.getvalue())
    return files


def make_service(args, make_app):
    """The run of the command line -> Flask application, its worker, a note or None."""
    checkpoint = load_run(args.run)
    features = picture_features(checkpoint, args.encoder, **model_options(args))
    model, worker = checkpoint.model, Worker()
    answers = Answers(model, features)
    scenes = scene_files()
    answers(scenes[0])                                      # compiles, and fails now rather than at the first request
    about = {"run": Path(args.run).resolve().name, "model": model.cell_type, "attention": model.attends,
             "encoder": args.encoder and Path(args.encoder).name}
    app = make_app(answers, worker, about, scenes if args.scenes else (), names_of(args))
    return app, worker, features.note


def main(argv=None):
    args = parse(argv)
    try:
        from scripts.web.server import listen, make_server
        from scripts.web.service import make_app
    except ImportError as error:
        raise ValueError(f"the page needs Flask and waitress ({error}): pip install -e \".[serve]\"") from error
    with listen(args.host, args.port) as listener:          # a port that is taken shows before the model is loaded
        app, worker, note = make_service(args, make_app)
        server = make_server(app, worker.in_flight, listener)
        if note:
            print(note)
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"http://{host}:{listener.getsockname()[1]}/ (Ctrl-C stops it)", flush=True)
        server.run()
        worker.close()


if __name__ == "__main__":
    run(main)
