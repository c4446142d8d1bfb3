"""Image features from an ONNX model, with a fingerprint of how they were made.

The fingerprint is `Encoder.attributes`, which a feature file keeps as its attributes: the model's SHA-256, its output,
the preprocessing of a picture, and some features of a built-in picture.
"""
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.encoders import completed
from data.files import sha256
from data.model_outputs import Outputs, as_features
from data.onnx_models import image_input, open_model, run_model, stated_pixels
from data.photos import open_picture as open_picture  # part of this module's interface
from data.pictures import MAX_PIXELS, to_rgb

# Means and deviations of red, green and blue; the model gets (x / 255 - mean) / deviation.
NORMALISE = {"unit": "0,0,0/1,1,1", "inception": "0.5,0.5,0.5/0.5,0.5,0.5",
             "imagenet": "0.485,0.456,0.406/0.229,0.224,0.225",
             "caffe": "/".join([",".join(str(mean / 255) for mean in (123.68, 116.779, 103.939)),
                                ",".join([str(1 / 255)] * 3)])}      # 0 to 255 less the means, blue first
ALIASES = {"tf": "inception", "none": "raw"}            # Keras' names; attributes have the older ones
NAMES = ", ".join(("raw", *NORMALISE, *ALIASES))
RESIZE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
          "lanczos": Image.Resampling.LANCZOS}
Picture = Image.Image | np.ndarray
COMPARED = ("model_sha256", "onnx_output", "input", "resize")
PROBE_TOLERANCE = 0.02              # of the largest entry: processors and float16 cause less, other models more


class Encoder:
    """An ONNX image model: encode(pictures) -> float32 (n, L, D), regions row by row, or (n, D).

    path: the model; layer: one of its outputs, by default the one that data.model_outputs.Outputs.choose names; pool:
    take the mean over the regions; threads: of onnxruntime, by default one a core. What the model's shapes and metadata
    leave open: size, (height, width); normalise, one of NAMES, or numbers in the form of NORMALISE; bgr, whether blue
    comes first; resize, a name in RESIZE, by default bilinear; output_layout, "NCHW" or "NHWC" of an output of four
    axes. What is not given is taken from the JSON beside the model (data/encoders.py), if there is one.
    `grid` is (height, width) of the regions, None without regions; `shape` is that of one picture's features;
    `outputs` is what the model's outputs are taken for.
    Raises FileNotFoundError, or ValueError that says what the model lacks.
    """

    def __init__(self, path: str | os.PathLike, layer: str | None = None, pool: bool = False,
                 threads: int | None = None, *, size: Sequence[int] | None = None, normalise: str | None = None,
                 bgr: bool | None = None, resize: str | None = None, output_layout: str | None = None) -> None:
        self.path, self.pool = Path(path), pool
        self.grid: tuple[int, int] | None = None
        self._session = open_model(path, threads)
        given = {"layer": layer, "size": size, "normalise": normalise, "bgr": bgr, "resize": resize,
                 "output_layout": output_layout}
        layer, size, normalise, bgr, resize, output_layout = map(completed(path, given).get, given)
        self.resize = resize or "bilinear"
        if self.resize not in RESIZE:
            raise ValueError(f"{path}: resize {self.resize!r:.80}, expected one of {', '.join(RESIZE)}")
        pixels = stated_pixels(self._session)
        self._input = image_input(self._session, path)
        self.size = _size(self._input.size, size, path)
        named = normalise or pixels.normalise
        self.bgr = pixels.bgr or named == "caffe" if bgr is None else bgr
        self.normalise, self._formula = ALIASES.get(named or "", named), pixels.formula
        self._numbers = _numbers(self.normalise, path)
        self.outputs = Outputs(self._session, self._input, self.size, path, output_layout)
        self.layer = self.outputs.choose(layer)
        self._layout, self._asked = self.outputs.layout(self.layer), output_layout
        probe = self.encode([probe_picture()])[0]
        self.shape = probe.shape
        self._probe = probe.ravel()[np.linspace(0, probe.size - 1, 16).astype(int)]

    def encode(self, images: Sequence[Picture]) -> np.ndarray:
        """Features of n pictures, each a PIL.Image of any mode or uint8 (height, width, 3) in RGB -> float32.

        (n, L, D), or (n, D) with `pool` or if the output has no regions. Raises ValueError for other inputs, and if a
        feature is not finite.
        """
        return self._features(*self._outputs(images, [self.layer]))

    def encode_both(self, other: "Encoder", images: Sequence[Picture]) -> tuple[np.ndarray, np.ndarray]:
        """Features of this encoder and of one that differs only in layer and pool, from one run of the model."""
        mine, others = self._outputs(images, [self.layer, other.layer])
        return self._features(mine), other._features(others)

    def _outputs(self, images: Sequence[Picture], layers: list[str]) -> list[np.ndarray]:
        """The outputs of these names, each for all pictures."""
        x = np.stack([self._pixels(image) for image in images])
        rows = self._input.batch or len(x)
        batches = [self._run(x[i:i + rows], rows, layers) for i in range(0, len(x), rows)]
        return [np.concatenate(parts) for parts in zip(*batches)]

    def _features(self, y: np.ndarray) -> np.ndarray:
        """One output as features: checked, regions row by row, their mean with `pool`."""
        features = self._regions(y)
        if not np.isfinite(features).all():
            raise ValueError(f"{self.path}: {self.layer} has NaN or infinity, expected finite features")
        return features.mean(axis=1) if self.pool and features.ndim == 3 else features

    def attributes(self) -> dict[str, Any]:
        """What identifies the features, as attributes of an HDF5 file: strings and small arrays."""
        known: dict[str, Any] = {"model": self.path.stem, "model_sha256": sha256(self.path), "onnx_output": self.layer,
                 "input": self._input_text(), "resize": f"squeezed, {self.resize}", "probe": self._probe}
        if self.grid and self._asked:
            known["output_layout"] = self._asked
        if self.grid and self.pool:
            known["pool"] = "mean over the regions"
        elif self.grid:
            known["grid"] = np.array(self.grid, np.int32)
            known["region_order"] = f"row-major: region = {self.grid[1]}*row + column, row 0 at the top"
        return known

    def _input_text(self) -> str:
        order = "BGR" if self.bgr else "RGB"
        if self._numbers is not None:
            done = "x/255, mean {:g} {:g} {:g}, deviation {:g} {:g} {:g}".format(*self._numbers.ravel())
        else:
            done = "raw 0..255" + (f"; {self._formula} inside the model" if self._formula else "")
        return f"{self.size[1]}x{self.size[0]} {order}, {done}"

    def _pixels(self, image: Picture) -> np.ndarray:
        """One picture as the model's input, (3, height, width) or (height, width, 3)."""
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ValueError(f"a picture is {image.dtype} {image.shape}, expected uint8 (height, width, 3)")
            image = Image.fromarray(image)
        # The whole picture is squeezed into the input's size, so that the grid of regions covers all of it.
        height, width = self.size
        x = np.asarray(to_rgb(image).resize((width, height), RESIZE[self.resize], reducing_gap=3.0), np.float32)
        if self._numbers is not None:
            mean, deviation = self._numbers
            x = (x / 255 - mean) / deviation
        x = x[:, :, ::-1] if self.bgr else x
        return (x.transpose(2, 0, 1) if self._input.channels_first else x).astype(self._input.dtype)

    def _run(self, x: np.ndarray, rows: int, layers: list[str]) -> list[np.ndarray]:
        """These outputs for x; a model with a fixed batch size gets the last picture repeatedly."""
        full = np.concatenate([x, np.repeat(x[-1:], rows - len(x), axis=0)])
        outputs = run_model(self._session, self._input, full, layers, self.path)
        for layer, y in zip(layers, outputs):
            if np.shape(y)[:1] != (len(full),) or not np.size(y):
                found = f"{np.shape(y)} for {len(full)} pictures"
                raise ValueError(f"{self.path}: {layer} is {found}, expected one row for each picture")
        return [y[:len(x)] for y in outputs]

    def _regions(self, y: np.ndarray) -> np.ndarray:
        """The output as float32 (n, D), or (n, L, D) with regions row by row; sets `grid`."""
        try:
            features, self.grid = as_features(np.asarray(y, np.float32), self._layout)
        except ValueError as error:
            raise ValueError(f"{self.path}: {self.layer} {error}") from None
        return features


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the attributes of training features differ from an encoder's, in words; empty if they agree.

    Only attributes that both have are compared; the features of the built-in picture up to rounding. Values may be
    text, as FeatureReader.attributes returns them.
    """
    found = [f"{key} was {then[key]!r}, is {now[key]!r}" for key in COMPARED
             if key in then and key in now and str(then[key]) != str(now[key])]
    if not found and "probe" in then and "probe" in now:
        before, after = (np.asarray(json.loads(p) if isinstance(p, str) else p) for p in (then["probe"], now["probe"]))
        if np.abs(before - after).max() > PROBE_TOLERANCE * np.abs(before).max():
            found.append("the features of the built-in picture differ")
    return found


def probe_picture() -> np.ndarray:
    """The built-in picture, uint8 (96, 128, 3): two gradients and a chequerboard."""
    y, x = np.mgrid[:96, :128]
    return np.stack([x * 255 // 127, y * 255 // 95, (x // 16 + y // 16) % 2 * 255], axis=-1).astype(np.uint8)


def _size(stated: tuple[int | None, ...], asked: Sequence[int] | None, path: str | os.PathLike) -> tuple[int, int]:
    """Height and width of pictures, from the model's input and --size. Raises ValueError if they disagree."""
    size = tuple(side for side in asked or stated if side is not None)
    if len(size) < 2:
        raise ValueError(f"{path}: takes pictures of any size, expected --size with the size it was trained with")
    if any(s not in (None, a) for s, a in zip(stated, size)) or min(size) < 1:
        raise ValueError(f"{path}: takes pictures of height and width {stated}, found --size {size}")
    if math.prod(size) > MAX_PIXELS:
        raise ValueError(f"{path}: pictures of height and width {size}, expected at most {MAX_PIXELS:,} pixels")
    return size[0], size[1]


def _numbers(normalise: str | None, path: str | os.PathLike) -> np.ndarray | None:
    """Means and deviations, float32 (2, 3), or None for raw pixels. Raises ValueError if they are not known."""
    if normalise is None:
        raise ValueError(f"{path}: its metadata do not say how pixels are normalised, expected --normalise with one of "
                         f"{NAMES}, or numbers like {NORMALISE['imagenet']}")
    if normalise == "raw":
        return None
    numbers: np.ndarray
    try:
        numbers = np.array([row.split(",") for row in NORMALISE.get(normalise, normalise).split("/")], np.float32)
    except ValueError:
        numbers = np.zeros(0)
    if numbers.shape != (2, 3) or not np.isfinite(numbers).all() or (numbers[1] == 0).any():
        raise ValueError(f"normalisation {normalise!r:.200}: expected one of {NAMES}, or means and "
                         f"deviations of red, green and blue like {NORMALISE['imagenet']}")
    return numbers
