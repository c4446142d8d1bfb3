"""Image models by name: NAME.onnx with NAME.json beside it, which says how features are made with it."""
import os
from pathlib import Path
from typing import Any

from data.files import read_json

FOLDER = Path("datasets/encoders")


def fetched_encoders(folder: str | os.PathLike = FOLDER) -> list[Path]:
    """The image models that scripts.fetch_data made, the newest first; [] if there is none."""
    found = [path for path in Path(folder).glob("*.onnx") if path.with_suffix(".json").is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def find_encoder(name: str, folder: str | os.PathLike = FOLDER) -> Path:
    """The ONNX file that --encoder names: a path, or a fetched model's name. Raises FileNotFoundError."""
    path = Path(name) if os.path.isfile(name) else Path(folder, f"{name}.onnx")
    if not path.is_file():
        raise FileNotFoundError(f"{name}: no such file or image model: python -m scripts.fetch_data {name}")
    return path


def stated_options(path: str | os.PathLike) -> dict[str, Any]:
    """What the JSON beside a model says, as keywords of data.encoder.Encoder; {} without it."""
    beside = Path(path).with_suffix(".json")
    return dict(read_json(beside).get("encoder", {})) if beside.is_file() else {}
