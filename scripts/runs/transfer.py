"""Starting a run from another run's weights, scripts.train --from: what is taken over, and what is said about it."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.dataset import Dataset
from data.encoder import differences
from models import CaptioningRNN
from models.checkpoint import Checkpoint
from models.transfer import WIDTHS, common_words, transferred
from scripts.runs.folders import epoch_of
from scripts.runs.photos import SCENES, TELLING, pooled_attributes
from scripts.runs.settings import DEFAULTS, TAKEN_OVER, filled

PARTS = {"D": "the grid", "P": "the picture as a whole"}    # what the parameters of each width read, if they differ


def settings_taken(source: Checkpoint) -> dict[str, Any]:
    """The settings that a run keeps from the one that it starts from. Raises ValueError for a model without a run."""
    if not source.run.keys() >= {"data", "settings"}:
        raise ValueError(f"{source.path}: a model without a run, expected a checkpoint that scripts.train wrote")
    settings = filled({**DEFAULTS, **source.run["settings"]})
    return {name: settings[name] for name in TAKEN_OVER}


def take_over(model: CaptioningRNN, source: Checkpoint, dataset: Dataset) -> dict[str, Any]:
    """Give a fresh model a run's weights, and statistics where its features are the same -> what a run stores of it."""
    reasons = _reasons(model, source, dataset)
    same = [letter for letter, reason in reasons.items() if not reason]
    model.params = transferred(model, source.model, same)
    if "D" in same:
        model.feature_stats = source.model.feature_stats
    if "P" in same and model.pooled_dim:
        model.pooled_stats = source.model.pooled_stats
    return {"path": str(Path(source.path).resolve()), "words": len(model.word_to_idx),
            "epoch": epoch_of(source),
            "kept_words": len(common_words(model, source.model)[0]), "picture": _picture(reasons)}


def describe_start(start: Mapping[str, Any]) -> str:
    """One line about what take_over did."""
    path = Path(start["path"])
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    epoch = "" if start["epoch"] is None else f" (epoch {start['epoch']})"
    return (f"from {path}{epoch}: {start['kept_words']:,} of {start['words']:,} words kept their vectors, "
            f"{start['words'] - start['kept_words']:,} are new; the picture's side was {start['picture']}")


def _reasons(model: CaptioningRNN, source: Checkpoint, dataset: Dataset) -> dict[str, str]:
    """For each width that the cell has, why its features are not those of the source; empty where they are."""
    axes = {axis[-1] for letters in model.cell.shapes().values() for axis in letters.split()}
    widths = [letter for letter in WIDTHS if letter in axes]
    before, reader = source.run["data"]["features"]["train"], dataset.features["train"]
    if before["fingerprint"] == reader.fingerprint():
        return dict.fromkeys(widths, "")
    then, now = _features(source.model, before["attributes"]), _features(model, reader.attributes())
    return {letter: _reason(*then[letter], *now[letter]) for letter in widths}


def _features(model: CaptioningRNN, attributes: Mapping[str, str]) -> dict[str, tuple[str, int, Mapping[str, str]]]:
    """What the parameters of each width read: kind, width and attributes of the features."""
    grid = "the grid", model.input_dim, attributes
    pooled = "pooled features", model.pooled_dim, pooled_attributes(attributes)
    return {"D": grid, "P": pooled if model.pooled_dim else grid}


def _reason(kind: str, width: int, then: Mapping[str, str], kind_now: str, width_now: int, now: Mapping[str, str]
            ) -> str:
    if kind != kind_now:
        return f"they came from {kind}, now from {kind_now}"
    if width != width_now:
        return f"features of another encoder ({width} numbers a region or picture, now {width_now})"
    for whose, stated in (("that run's", then), ("this data's", now)):
        if not stated.keys() >= TELLING and stated.get("model") != SCENES:
            return f"{whose} features do not say which encoder made them"
    found = differences(then, now)
    if SCENES in (then.get("model"), now.get("model")):
        found = [f"{key} was {then.get(key)!r}, is {now.get(key)!r}" for key in ("model", "layer")
                 if then.get(key) != now.get(key)]
    return f"features of another encoder ({'; '.join(found)})" if found else ""


def _picture(reasons: Mapping[str, str]) -> str:
    """What became of the parameters that read features, in words."""
    told = {letter: f"drawn anew: {reason}" if reason else "kept (same encoder), with its means and deviations"
            for letter, reason in reasons.items()}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "; ".join(f"for {PARTS[letter]} {text}" for letter, text in told.items())
