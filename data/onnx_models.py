"""ONNX image models: opening one with onnxruntime; what its shapes and metadata state about pictures and features."""
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from onnxruntime import InferenceSession as Session

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
RANGES = {"NominalRange_0_255": "raw", "Normalized_0_1": "unit", "Normalized_1_1": "inception"}     # ONNX's own names
MAX_THREADS = 1024
INSIDE = re.compile(r"inside the (?:graph|model)(?:: *([^(;]*[^(; ]))?")     # "inside the graph: x/127.5 - 1 (...)"


class ImageInput(NamedTuple):
    """The input of a model that takes pictures."""
    name: str
    dtype: type
    batch: int | None               # number of pictures, if the model takes only this number
    size: tuple[int | None, ...]    # height and width, None if the model leaves them open
    channels_first: bool            # (n, 3, height, width), else (n, height, width, 3)


class Pixels(NamedTuple):
    """How a model expects its pixels."""
    normalise: str | None           # as --normalise; None if the metadata say nothing
    formula: str | None             # of a normalisation inside the graph
    bgr: bool                       # whether blue comes first


def open_model(path: str | os.PathLike, threads: int | None = None) -> Session:
    """An onnxruntime session on the CPU. Raises OSError, or ValueError if it cannot run the model."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file, expected an ONNX model")
    try:
        open(path, "rb").close()                        # onnxruntime tells damage and denial alike
    except PermissionError as error:
        raise PermissionError(f"{path}: cannot be read: permission denied") from error
    if threads is not None and not 1 <= threads <= MAX_THREADS:        # onnxruntime starts as many as it is told
        raise ValueError(f"--threads {threads}: expected 1 to {MAX_THREADS:,}, best no more than the number of cores")
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("image models need onnxruntime: pip install -e \".[vision]\"") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4                      # errors are raised, warnings do not matter
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")     # leaves the cores to BLAS when idle
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:                          # onnxruntime has a dozen error classes without a common base
        raise ValueError(f"{path}: not an ONNX model that can be run: {one_line(error)}") from error


def image_input(session: Session, path: str | os.PathLike) -> ImageInput:
    """The only input of a model. Raises ValueError if it does not take pictures of three channels."""
    inputs = session.get_inputs()
    shape, kind = inputs[0].shape if inputs else [], inputs[0].type if inputs else "nothing"
    if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]) or kind not in DTYPES:
        found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs) or "none"
        raise ValueError(f"{path}: expected one input of pictures, (n, 3, height, width) or (n, height, width, 3) of "
                         f"{', '.join(DTYPES)}; found {found}")
    first = shape[1] == 3
    batch, *size = (side if isinstance(side, int) else None for side in (shape[0], *shape[2 if first else 1:][:2]))
    return ImageInput(inputs[0].name, DTYPES[kind], batch, tuple(size), first)


def run_model(session: Session, model_input: ImageInput, x: np.ndarray, layers: Sequence[str],
              path: str | os.PathLike) -> list[np.ndarray]:
    """These outputs for x. Raises ValueError if the model fails."""
    try:
        return session.run(list(layers), {model_input.name: x})
    except Exception as error:                          # onnxruntime's error classes
        raise ValueError(f"{path}: the model fails on {x.shape}: {one_line(error)}") from error


def output_shapes(session: Session, model_input: ImageInput, size: tuple[int, int],
                  path: str | os.PathLike) -> dict[str, tuple[int, ...]]:
    """The shape of each output for one batch of black pictures of this size. Raises ValueError if the model fails."""
    shape = (3, *size) if model_input.channels_first else (*size, 3)
    names = [output.name for output in session.get_outputs()]
    black = np.zeros((model_input.batch or 1, *shape), model_input.dtype)
    return dict(zip(names, map(np.shape, run_model(session, model_input, black, names, path))))


def stated_layout(session: Session) -> str | None:
    """What a model's metadata state about its outputs of four axes: "NCHW", "NHWC" or None."""
    stated = session.get_modelmeta().custom_metadata_map.get("output_layout")
    return stated if stated in ("NCHW", "NHWC") else None


def stated_pixels(session: Session) -> Pixels:
    """What a model's metadata state about the pixels that it expects.

    The keys are ONNX's own, Image.NominalPixelRange and Image.BitmapPixelFormat, and `normalisation`: "inside the
    graph: FORMULA" for pixels of 0 to 255, or what --normalise takes.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    stated = metadata.get("normalisation", "")
    inside = INSIDE.match(stated)
    normalise = RANGES.get(metadata.get("Image.NominalPixelRange")) or ("raw" if inside else stated or None)
    return Pixels(normalise, inside and inside[1], metadata.get("Image.BitmapPixelFormat", "").startswith("Bgr"))


def one_line(text: object, limit: int = 300) -> str:
    """A text without line breaks, cut at `limit` characters."""
    return " ".join(str(text).split())[:limit]
