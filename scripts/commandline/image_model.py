"""Options of an image model, for commands that take pictures."""
import contextlib
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.encoder import NAMES, RESIZE, Encoder
from data.encoders import find_encoder, size
from data.model_outputs import LAYOUTS
from data.photos import list_pictures
from scripts.commandline.command import one_line
from scripts.commandline.progress import tqdm


def add_encoder(parser: ArgumentParser) -> None:
    """Add the options of encoder_of, for a command that makes features."""
    add_model(parser, "the last with regions, else the last")
    parser.add_argument("--pool", action="store_true", help="average over the regions: one vector per picture")


def encoder_of(args: Namespace) -> Encoder:
    """The Encoder that the options of add_encoder describe."""
    return Encoder(args.encoder, pool=args.pool, **model_options(args))


def add_model(parser: ArgumentParser, layer: str) -> None:
    """Add the options of an image model, for any command that takes pictures; layer: which output is the default."""
    parser.add_argument("--encoder", metavar="ONNX", type=find_encoder, help="image model in ONNX form, or the name "
                        "of one that scripts.fetch_data fetched; the JSON beside it has defaults of the options below")
    parser.add_argument("--layer", metavar="NAME", help=f"output of the image model to use (default: {layer})")
    parser.add_argument("--size", metavar="WxH", type=size, help="size of the pictures, if the model accepts any")
    parser.add_argument("--output-layout", choices=LAYOUTS, help="where an output of four axes has its features: "
                        "before height and width, or after them (default: inferred from its shape)")
    parser.add_argument("--normalise", metavar="HOW", help=f"one of {NAMES} (raw: 0 to 255; tf is inception, "
                        "none is raw, caffe implies --bgr), or means and deviations R,G,B/R,G,B on a scale of 0 to 1 "
                        "(default: as in the model's metadata)")
    parser.add_argument("--bgr", action="store_true", default=None, help="the model expects BGR, not RGB")
    parser.add_argument("--resize", choices=RESIZE,
                        help="how pictures are resized (default bilinear)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of onnxruntime (default: one per core)")


def model_options(args: Namespace) -> dict[str, Any]:
    """The options of add_model as Encoder takes them."""
    return {name: getattr(args, name) for name in ("layer", "threads", "size", "normalise", "bgr", "resize",
                                                  "output_layout")}


def listed(paths: list[str]) -> tuple[dict[str, Path], list[str]]:
    """The pictures of --images by name, and a line for each that is left out as wrong; prints what is left out."""
    pictures, wrong, left_out = list_pictures(paths)
    for line in [*(f"error: {line}" for line in wrong), *([left_out] if left_out else [])]:
        print(one_line(line), file=sys.stderr)
    return pictures, wrong


@contextlib.contextmanager
def noting_errors(failed: list[str], where: str = "") -> Iterator[None]:
    """Print a ValueError that is raised inside the block, append its text to `failed`, and go on."""
    try:
        yield
    except ValueError as error:
        tqdm.write(one_line(f"error: {where}{error}"), file=sys.stderr)
        failed.append(str(error))
