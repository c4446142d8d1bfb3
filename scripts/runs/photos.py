"""Features of pictures, made in the same way as a run's training features."""
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from data.encoder import Encoder, differences
from data.files import sha256
from data.scene_features import scene_features
from data.scenes import SIDE
from models.images import grid_shape

TELLING = {"model_sha256", "onnx_output", "input"}       # each of these attributes tells the origin of features
SCENES = "data.scene_features"          # what the scenes' feature files name as their model


def picture_features(checkpoint, path, **options):
    """The function from pictures to the input of a checkpoint's model -> SceneFeatures or PhotoFeatures.

    path: an ONNX model, None for a run on scenes; options: of data.encoder.Encoder, where the model does not say.
    Raises FileNotFoundError, or ValueError that names the differences from the features that the run was trained on.
    """
    then = training_attributes(checkpoint)
    scenes = then.get("model") == SCENES
    if scenes and path is not None:
        raise ValueError(f"{checkpoint.path}: was trained on scenes, which need no --encoder, found --encoder {path}")
    if not scenes and path is None:
        raise ValueError(f"{checkpoint.path}: expected --encoder with the ONNX model that made its training features"
                         f" ({then.get('model', 'of unknown origin')})")
    return SceneFeatures(checkpoint.model) if scenes else PhotoFeatures(checkpoint, then, path, options)


def training_attributes(checkpoint):
    """The attributes of the features that a run was trained on. Raises ValueError for a model without a run."""
    if "data" not in checkpoint.run:
        raise ValueError(f"{checkpoint.path}: a model without a run, expected a checkpoint that scripts.train wrote")
    return checkpoint.run["data"]["features"]["train"]["attributes"]


class SceneFeatures:
    """Turns pictures, a list of PIL.Image in RGB, into the input of a model that was trained on scenes."""
    note, size = None, (SIDE, SIDE)

    def __init__(self, model):
        self.model, self.grid = model, (grid_shape(49) if model.attends else None)

    def __call__(self, pictures):
        images = np.stack([np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for p in pictures])
        grid, pooled = map(as_stored, scene_features(images))
        return ((grid, pooled) if self.model.pooled_dim else grid) if self.model.attends else pooled


class PhotoFeatures:
    """Turns pictures, a list of PIL.Image in RGB, into the input of a model that was trained on photographs.

    then: attributes of the training features; `note`: a line if these do not record their origin, else None.
    """

    def __init__(self, checkpoint, then, path, options):
        self.model, self.then, model = checkpoint.model, then, checkpoint.model
        options = {"layer": then.get("onnx_output"), "output_layout": then.get("output_layout"),
                   **{k: v for k, v in options.items() if v is not None}}
        self.encoder = _encoder(checkpoint.path, path, then, options)
        self.size, self.grid = self.encoder.size, self.encoder.grid if model.attends else None
        if model.attends and self.grid is None:
            raise ValueError(f"{path}: {self.encoder.layer} has no regions, expected --layer with an output that has")
        _check(checkpoint.path, self.encoder, then, model.input_dim)
        self.note = None if TELLING & then.keys() else (
            f"{checkpoint.path}: its training features do not record which model made them; {self.encoder.layer} "
            f"of {path} is accepted on trust: with another model the captions would make no sense")
        self.pooled, self.pooled_then = None, {}
        if model.pooled_dim:
            self.pooled_then = pooled_attributes(then)
            options["layer"] = self.pooled_then.get("onnx_output") or _pooled_output(self.encoder, model.pooled_dim)
            self.pooled = Encoder(path, pool="pool" in self.pooled_then, **options)
            _check(checkpoint.path, self.pooled, self.pooled_then, model.pooled_dim)

    def __call__(self, pictures):
        if self.pooled is None:
            features = as_stored(self.encoder.encode(pictures), self.then)
            return features if self.model.attends else _vector(features)
        grid, pooled = self.encoder.encode_both(self.pooled, pictures)
        return as_stored(grid, self.then), _vector(as_stored(pooled, self.pooled_then))


def pooled_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes of the pooled features among those of a pair, data.features.PairReader."""
    return {key.removeprefix("pooled_"): value for key, value in attributes.items() if key.startswith("pooled_")}


def _encoder(run, path, then, options):
    """The Encoder of a run. Raises ValueError, which for another model's file says that it is another one."""
    try:
        return Encoder(path, pool="pool" in then, **options)
    except ValueError as error:
        found = differences(then, {"model_sha256": sha256(path)}) if Path(path).is_file() else []
        if found:
            raise ValueError(f"{path}: not what made the features that {run} was trained on: {found[0]}") from error
        raise


def _check(run, encoder, then, width):
    found = differences(then, encoder.attributes())
    if encoder.shape[-1] != width:
        found.append(f"numbers a region or picture were {width}, are {encoder.shape[-1]}")
    if found:
        raise ValueError(f"{encoder.path}: not what made the features that {run} was trained on: {'; '.join(found)}")


def _pooled_output(encoder, width):
    """The layer of pooled features, for a run that does not record it: the only one of that width."""
    names = encoder.outputs.vectors(width)
    if len(names) != 1:
        raise ValueError(f"{encoder.path}: the run's pooled features have {width} numbers a picture and it does not "
                         f"say which output they are; expected one of that width, found {', '.join(names) or 'none'}")
    return names[0]


def _vector(features):
    """One vector per picture: the mean over regions, as FeatureReader has it."""
    return features.mean(axis=1) if features.ndim == 3 else features


def as_stored(features: np.ndarray, attributes: dict | None = None) -> np.ndarray:
    """Features rounded as a feature file with these attributes stores them -> float32."""
    step = float((attributes or {}).get("rounding_step", 0))
    features = np.round(features / step) * step if step else features
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    return (half if np.isfinite(half).all() else features).astype(np.float32)
