"""What scripts.train stores of a run in its checkpoints, checked where it is read: a file may hold anything."""
from typing import Any

import numpy as np

from data.forms import check_form
from data.tokenizer import TOKENS
from models.checkpoint import Checkpoint
from scripts.commandline.run_options import MOST
from scripts.runs.settings import SETTINGS, check_setting

NONE = type(None)
FAR = 1e15                              # beyond it float32 overflows in what comes after
TRAIN = {"attributes": {str: str}}
IDENTITY = {"folder": str, "vocabulary": str, "captions": str,
            "features": {str: {"path": str, "fingerprint": str, "attributes": {str: str}}}}
RUN = {"data?": {"tokens?": str, "features": {"train": TRAIN}}, "settings?": dict, "epoch?": (int, NONE),
       "from?": {"path": str, "words": int, "kept_words": int, "epoch": (int, NONE), "picture": str},
       "release?": {"decoding": {"beam": int, "max_length": int, "normalisation": float}, "card": str}}


def checked(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint. Raises ValueError if its words, statistics or run are not as scripts.train has them."""
    where, model = f"{checkpoint.path}: its run", checkpoint.model
    ids = [*model.word_to_idx.values()]
    if ids != [*range(len(ids))]:
        raise ValueError(f"{checkpoint.path}: the ids of its words are not 0 to {len(ids) - 1} in order")
    for stats in filter(None, (model.feature_stats, model.pooled_stats)):
        mean, deviation = np.abs(stats[0]), stats[1]
        if not ((mean < FAR).all() and (deviation > 1 / FAR).all() and (deviation < FAR).all()):
            raise ValueError(f"{checkpoint.path}: the features' means and deviations are not those of any features")
    check_form(checkpoint.run, RUN, where)
    for name, value in checkpoint.run.get("settings", {}).items():
        if name in SETTINGS:
            check_value(name, value, where)
    if "release" in checkpoint.run:
        _check_decoding(checkpoint.run["release"]["decoding"], where)
    tokens = checkpoint.run.get("data", {}).get("tokens", "treebank")
    if tokens not in TOKENS:
        raise ValueError(f"{where}, tokens: is {tokens!r:.60}, expected one of {', '.join(TOKENS)}")
    return checkpoint


def identity_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a checkpoint stores of its data set. Raises ValueError where there is none, or it is not one's identity."""
    if "data" not in checkpoint.run:
        raise ValueError(f"{checkpoint.path}: a model without a run, expected a checkpoint that scripts.train wrote")
    check_form(checkpoint.run["data"], IDENTITY, f"{checkpoint.path}: its run, data")
    return checkpoint.run["data"]


def _check_decoding(decoding: dict[str, Any], where: str) -> None:
    for name in ("beam", "max_length"):
        if not 1 <= decoding[name] <= MOST[name]:
            raise ValueError(f"{where}, {name}: is {decoding[name]}, expected 1 to {MOST[name]:,}")
    if not abs(decoding["normalisation"]) <= 10:
        raise ValueError(f"{where}, normalisation: is {decoding['normalisation']}, expected a number from -10 to 10")


def check_value(name: str, value: Any, where: str) -> None:
    """Raises ValueError if a setting's value has another type than scripts.train gives it, or is out of bounds."""
    setting = SETTINGS[name]
    check_form(value, (setting.kind, NONE), f"{where}, {name}")
    if value is None and setting.default is not None:
        raise ValueError(f"{where}, {name}: is null, expected {setting.kind.__name__}")
    if setting.choices and value not in (*setting.choices, None):
        raise ValueError(f"{where}, {name}: is {value!r:.60}, expected one of {', '.join(setting.choices)}")
    check_setting(setting, value)
