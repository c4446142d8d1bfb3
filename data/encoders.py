"""Image models by name, and NAME.json beside NAME.onnx, which says how features are made with it.

    {"encoder": {"layer": "464", "size": "224x224", "normalise": "imagenet", "bgr": false, "resize": "bilinear"},
     "sha256": "..."}

`encoder` has the options of scripts.extract_features without their dashes; `sha256`, of the model, may be absent.
"""
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.files import read_json, sha256

FOLDER = Path("datasets/encoders")
NAMES = ("mobilenet", "resnet50", "efficientnet-lite4")         # what scripts.fetch_data fetches
OPTIONS = {"layer": str, "size": str, "normalise": str, "bgr": bool, "resize": str, "output_layout": str}


def fetched_encoders(folder: str | os.PathLike = FOLDER) -> list[Path]:
    """The image models that scripts.fetch_data made, NAME.onnx with NAME.json beside it, the newest first."""
    found = [path for path in Path(folder).glob("*.onnx") if path.with_suffix(".json").is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def find_encoder(name: str, folder: str | os.PathLike = FOLDER) -> Path:
    """The file that --encoder means: a path as it is, or the image model of this name in `folder`.

    Raises FileNotFoundError that says how a model of a name is fetched.
    """
    path, fetched = Path(name), Path(folder, f"{name}.onnx")
    if path.is_file() or path.suffix == ".onnx" or path.name != name:
        return path
    if fetched.is_file():
        return fetched
    known = name if name in NAMES else f"NAME fetches one of {', '.join(NAMES)}"
    raise FileNotFoundError(f"{name}: no such file, and no image model of that name in {folder}: "
                            f"python -m scripts.fetch_data {known}")


def stated_options(path: str | os.PathLike) -> dict[str, Any]:
    """What the JSON beside a model says, as keywords of data.encoder.Encoder; {} without one that has `encoder`.

    Raises ValueError for unknown options, and if the JSON is about another file.
    """
    beside = Path(path).with_suffix(".json")
    content = read_json(beside) if beside.is_file() else None
    if not isinstance(content, dict) or "encoder" not in content:
        return {}
    options = content["encoder"]
    if not isinstance(options, dict) or not all(_fits(key, value) for key, value in options.items()):
        raise ValueError(f"{beside}: encoder is {options!r:.200}, expected some of {', '.join(OPTIONS)}: text, size "
                         "like 224x224, bgr true or false")
    if content.get("sha256", "") not in ("", sha256(path)):
        raise ValueError(f"{beside}: is about another file than {path}, whose SHA-256 differs from the one it states: "
                         "fetch the model again, or remove the JSON and give the options yourself")
    return {**options, "size": size(options["size"])} if "size" in options else dict(options)


def _fits(key: str, value: object) -> bool:
    return isinstance(value, OPTIONS.get(key, ())) and (key != "size" or bool(re.fullmatch(r"\d+(x\d+)?", str(value))))


def completed(path: str | os.PathLike, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an Encoder: those that are given, not None, and what is stated beside the model for the others."""
    stated, given = stated_options(path), {key: value for key, value in given.items() if value is not None}
    if given.get("layer", stated.get("layer")) != stated.get("layer"):
        stated.pop("output_layout", None)               # it is that of another output
    return {**stated, **given}


def size(text: str) -> tuple[int, int]:
    """WxH, or one number for a square -> (height, width). Raises ValueError."""
    width, _, height = text.partition("x")
    return int(height or width), int(width)
