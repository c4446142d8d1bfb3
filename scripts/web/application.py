"""The service of one run: its model, features, host names and scenes, put together."""
import io
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image

from data.scenes import make_scenes
from scripts.runs import load_run, vocabulary_of
from scripts.runs.newest import fetched_encoder
from scripts.runs.photos import picture_features
from scripts.runs.released import decoding_of
from scripts.web.answers import BEAM, Answers
from scripts.web.service import NUMBERS, make_app
from scripts.web.sites import LOCAL
from scripts.web.worker import Worker

SCENES, SEED = 12, 2024                 # another seed than the training scenes have


def host_names(address: str, names: Iterable[str]) -> set[str] | None:
    """The host names that requests may use; None for any, if the service listens to other machines.

    address: that the socket is bound to, as a number; names: more host names that browsers use.
    """
    if not ipaddress.ip_address(address).is_loopback:
        return None
    return {name.lower() for name in (*LOCAL, address, *names)}


def scene_files() -> list[bytes]:
    """Scenes that no run was trained on, as PNG files."""
    files = []
    for scene in make_scenes(SCENES, SEED):
        file = io.BytesIO()
        Image.fromarray(scene.image).save(file, "PNG")
        files.append(file.getvalue())
    return files


def make_service(run: str, encoder: str | None, options: dict[str, Any], scenes: bool,
                 names: set[str] | None, allow_unknown: bool = False) -> tuple[Flask, Worker, str | None]:
    """The application that serves a run, its worker, and a note to print or None.

    encoder: the ONNX model, None for scenes or a fetched one; options: of data.encoder.Encoder; scenes: offer drawn
    ones; names: of host_names; allow_unknown: captions may have <UNK>.
    """
    checkpoint = load_run(run)
    fetched = None if encoder or scenes else fetched_encoder(checkpoint)
    if not (encoder or fetched or scenes):
        raise ValueError("expected --encoder MODEL.onnx, or --scenes for a run on scenes")
    features = picture_features(checkpoint, encoder or fetched, **options)
    model, worker = checkpoint.model, Worker()
    search = decoding_of(checkpoint)
    beam = min(search.pop("beam", BEAM), NUMBERS["beam"][2])
    answers = Answers(model, features, vocabulary_of(checkpoint).tokens, allow_unknown, beam, search)
    files = scene_files()
    answers(files[0])                                       # compiles, and fails now rather than at the first request
    about = {"run": Path(run).resolve().name, "model": model.cell_type, "attention": model.attends, "beam": beam,
             "encoder": Path(encoder or fetched).name if encoder or fetched else None}
    note = f"image model: {fetched}" if fetched else features.note
    return make_app(answers, worker, about, files if scenes else (), names), worker, note
