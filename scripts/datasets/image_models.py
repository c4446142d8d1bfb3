"""Image models to make features with: where they are, and how a file becomes NAME.onnx with NAME.json beside it."""
import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.encoder import Encoder, open_picture, probe_picture
from data.encoders import FOLDER, find_encoder, stated_options
from data.files import sha256
from data.onnx_models import image_input, open_model, stated_pixels
from data.prepare import naming_output
from scripts.commandline.outputs import check_new
from scripts.datasets.downloads import File, download
from scripts.datasets.grids import with_grid

SIDE = 224                          # of the pictures of a model that takes any size
PROBE = Path(__file__).parents[2] / "data" / "espresso.jpg"
# A cup of espresso, cut from "coffee" in scikit-image's test pictures: by Rachel Michetti, CC0
SEEN = {967: "espresso", 968: "cup", 504: "coffee mug"}         # ImageNet's classes of it
PAGE = "https://huggingface.co/onnxmodelzoo"                    # the model zoo's home since 2025
CLASSIFICATION = "https://media.githubusercontent.com/media/onnx/models/main/validated/vision/classification"


class ImageModel(NamedTuple):
    file: File
    normalise: str                  # as --normalise, unless the file's own metadata say it
    licence: str
    channels: int                   # of its grid


def _zoo(folder: str, name: str, size: int, digest: str) -> File:
    """A file of the model zoo: its sizes and digests are those of the zoo's Git LFS pointers."""
    return File(f"{PAGE}/{name}/resolve/main/{name}.onnx", size, digest, (f"{CLASSIFICATION}/{folder}/{name}.onnx",))


MODELS = {
    "mobilenet": ImageModel(_zoo("mobilenet/model", "mobilenetv2-12", 13_964_571,
                                 "c0c3f76d93fa3fd6580652a45618618a220fced18babf65774ed169de0432ad5"),
                            "imagenet", "Apache-2.0", 1280),
    "resnet50": ImageModel(_zoo("resnet/model", "resnet50-v1-12", 102_576_593,
                                "3f03fdef724b22947eed826f1eef1dc5c34151bb4c37d634f1db89dfa2dd1526"),
                           "imagenet", "Apache-2.0", 2048),
    "efficientnet-lite4": ImageModel(_zoo("efficientnet-lite4/model", "efficientnet-lite4-11", 51_946_641,
                                          "d111689907c06eea7c82e4833ddef758da6453b9d4cf60b7e99ca05c7cbd9c12"),
                                     # (x - 127) / 128
                                     "0.498039,0.498039,0.498039/0.501961,0.501961,0.501961", "MIT", 1280),
}


def fetch_encoder(name: str, out: str | os.PathLike = FOLDER, file: str | None = None) -> list[str]:
    """Make out/NAME.onnx and out/NAME.json from a download, or from `file` -> lines to print.

    Nothing is written unless the model sees what is in the built-in photograph. An interrupted download waits in
    out/NAME.download. Raises ValueError or OSError, and FileExistsError if the model is there already.
    """
    model, target = MODELS[name], Path(out, f"{name}.onnx").resolve()
    check_absent(Path(out, target.name))
    check_onnx()
    waiting = target.with_suffix(".download")
    if file is None:
        waiting.mkdir(parents=True, exist_ok=True)
    source = Path(file or download(model.file, waiting, PAGE, f", or give a file that you have by --file: python -m "
                                    f"scripts.fetch_data {name} --file ONNX"))
    open_model(source)                                  # what is no model shows here, under its own name
    hidden = next(folder for folder in target.parents if folder.exists()) / f".{name}."
    with naming_output(Path(out, target.name), str(hidden)), tempfile.TemporaryDirectory(
            prefix=hidden.name, dir=hidden.parent) as folder:
        made = Path(folder, target.name)
        try:
            info, lines = make_encoder(name, source, made)
        except ValueError as error:                     # under a name that the user knows
            raise ValueError(str(error).replace(str(made), str(source))) from error
        made.with_suffix(".json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(made.with_suffix(".json"), target.with_suffix(".json"))
        os.replace(made, target)                        # last: a JSON alone is no encoder
    shutil.rmtree(waiting, ignore_errors=True)
    if "licence" not in info:
        lines.append(f"note: its SHA-256 is not the one of {model.file.url.rpartition('/')[2]}: it is called {name} "
                     "because you say so")
    return [f"{Path(out, target.name)}: {lines[0]}", *lines[1:]]


def check_absent(path: Path) -> None:
    """Raises FileExistsError if the model `path` is there, which says so if its JSON is missing or damaged."""
    with contextlib.suppress(ValueError):
        if not path.is_file() or stated_options(path):
            check_new("--out", path)
            return
    raise FileExistsError(f"{path}: is there, but {path.with_suffix('.json').name} beside it is missing or damaged: "
                          f"remove {path} and run the same command again")


def make_encoder(name: str, source: Path, made: Path) -> tuple[dict[str, Any], list[str]]:
    """Write the model `made`, whose grid is an output, and test it -> the content of its JSON, and lines to print.

    Raises ValueError if it does not see what is in the built-in photograph, or is another network than `name`.
    """
    model, session = MODELS[name], open_model(source)
    height, width = (side or SIDE for side in image_input(session, source).size)
    content, layer = with_grid(source.read_bytes(), (height, width), made)
    made.write_bytes(content)
    normalise = None if stated_pixels(session).normalise else model.normalise
    encoder = Encoder(made, layer, size=(height, width), normalise=normalise)
    seen = what_it_sees(encoder, source)
    zoo, found = sha256(source) == model.file.sha256, encoder.shape[-1]
    if not zoo and found != model.channels and (encoder.grid or found not in (1000, 1001)):
        raise ValueError(f"{source}: is another network than {name}: its features are {found} numbers, expected "
                         f"{model.channels}: give its path to --encoder instead")
    options = {"layer": encoder.layer, "size": f"{width}x{height}", "normalise": encoder.normalise,
               "bgr": encoder.bgr, "resize": encoder.resize}
    if encoder.grid:
        options["output_layout"] = encoder.outputs.layout(encoder.layer)
    whose = {"from": model.file.url, "licence": model.licence} if zoo else {"from": f"{source.name}, a local file"}
    info = {"encoder": options, "sha256": sha256(made), "sees": seen, **whose}
    lines = [f"{source.name}, which sees {seen} in the built-in photograph; its features are {encoder.layer}, "
             f"{encoder.outputs.told(encoder.layer)}"]
    if layer is None:
        lines.append(f"note: {source.name} has no pooling over all positions, whose input would be the grid")
    return info, lines


def what_it_sees(encoder: Encoder, source: Path) -> str:
    """The name of the class that a model gives the photograph of an espresso.

    Raises ValueError for a wrong one, and for a model that gives another picture the same scores.
    """
    classes = (encoder.outputs.vectors(1000) or encoder.outputs.vectors(1001) or [None])[-1]
    if classes is None:
        raise ValueError(f"{source}: has no output of ImageNet's 1,000 classes, by which it could be tested: give its "
                         "path to --encoder instead")
    scores, others = Encoder(encoder.path, classes, size=encoder.size, normalise=encoder.normalise).encode(
        [open_picture(PROBE, 2 * max(encoder.size)), probe_picture()])
    if np.allclose(scores, others, rtol=0, atol=1e-5 * float(np.abs(scores).max())):
        raise ValueError(f"{source}: gives two different pictures the same scores: it is damaged")
    best = int(np.argmax(scores)) - (len(scores) - 1000)        # class 0 of 1,001 is the background
    if best not in SEEN:
        expected = ", ".join(f"{number} {name}" for number, name in SEEN.items())
        raise ValueError(f"{source}: sees ImageNet's class {best} in a photograph of an espresso, expected one of "
                         f"{expected}: it is damaged, or its pixels are not normalised as {encoder.normalise!r}")
    return SEEN[best]


def check_onnx() -> None:
    """Raises ValueError without the package onnx, which reads the graph of a model, before anything is downloaded."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ValueError("image models are fetched with the package onnx: pip install -e \".[fetch]\"") from None


def ready(name: str) -> None:
    """Fetch the image model `name` if it is not here, and open it. Raises as fetch_encoder, find_encoder, Encoder."""
    if name in MODELS and not Path(name).is_file() and not Path(FOLDER, f"{name}.onnx").is_file():
        print(*fetch_encoder(name), sep="\n")
    Encoder(find_encoder(name))
