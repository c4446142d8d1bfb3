"""Models that scripts.release made for others: what such a file says of itself, and where commands put their outputs.

A released model is a checkpoint whose run has `release`: defaults of decoding, and the model card. It has no training
state and no path of the machine that it comes from.
"""
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from models.checkpoint import Checkpoint
from models.decoding import BEAM

# attributes of features that say what made them; others may have anything in them
KEPT = ("model", "model_sha256", "layer", "onnx_output", "input", "resize", "probe", "output_layout", "pool", "grid",
        "region_order", "rounding_step")


def is_released(checkpoint: Checkpoint) -> bool:
    """Whether scripts.release made the file."""
    return "release" in checkpoint.run


def decoding_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Options of scripts.evaluation.captioner.Options that a released model has as defaults; {} of any other run."""
    return dict(checkpoint.run["release"]["decoding"]) if is_released(checkpoint) else {}


def search_of(checkpoint: Checkpoint, beam: int | None = None) -> dict[str, Any]:
    """Options of models.decoding.beam_search for a run: its own defaults, the beam that was asked for."""
    return {"beam": BEAM, **decoding_of(checkpoint), **({} if beam is None else {"beam": beam})}


def outputs_of(checkpoint: Checkpoint) -> Path:
    """The folder for what commands make of a run: its own; of a released model, one beside the file, named after it."""
    path = Path(checkpoint.path)
    return path.with_name(f"{path.name}.outputs") if is_released(checkpoint) else path.parent


def name_of(checkpoint: Checkpoint) -> str:
    """What a run is called: its folder, or a released file without its suffix."""
    path = Path(checkpoint.path).resolve()
    return path.stem if is_released(checkpoint) else path.parent.name


def run_to_release(run: Mapping[str, Any], decoding: Mapping[str, Any], card: str) -> dict[str, Any]:
    """What a released model stores of a run: its settings, epoch, and the data's identity without any path."""
    data = run["data"]
    features = {split: {"path": PureWindowsPath(entry["path"]).name, "fingerprint": entry["fingerprint"],
                        "attributes": _said(entry["attributes"])} for split, entry in data["features"].items()}
    kept = {name: data[name] for name in ("vocabulary", "tokens", "captions") if name in data}
    name = data_name(run)
    return {"settings": settings_without_paths(run), "epoch": run.get("epoch"),
            "data": {**kept, "name": name, "folder": f"datasets/{name}", "features": features},
            "release": {"decoding": dict(decoding), "card": card}}


def settings_without_paths(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings, with the name alone of a file of word vectors."""
    vectors = run["settings"].get("word_vectors")
    return {**run["settings"], **({"word_vectors": PureWindowsPath(vectors).name} if vectors else {})}


def data_name(run: Mapping[str, Any]) -> str:
    """The name of a run's data set, as part of a path."""
    return PureWindowsPath(str(run["data"].get("name", ""))).name or PureWindowsPath(run["data"]["folder"]).name


def _said(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes in KEPT, also those of pooled features; of a path its last part."""
    kept = {key: value for key, value in attributes.items() if key.removeprefix("pooled_") in KEPT}
    return {key: PureWindowsPath(value).name if key.endswith("model") and _is_path(value) else value
            for key, value in kept.items()}


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~", "\\")) or PureWindowsPath(text).is_absolute()
