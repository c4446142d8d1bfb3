"""The settings of a training run: defaults for kinds of data, presets, and how the command line asks for them.

Names, types, bounds and meanings stand in models/options.py.
"""
import argparse
import math
from collections.abc import Mapping
from typing import Any

from models.cells import CELL_TYPES, CELLS, VECTOR
from models.options import MODEL, SOLVER, Setting, keywords, not_taken, settings
from scripts.commandline.parser import choice

SETTINGS = settings()
SETTINGS["model"] = SETTINGS["model"]._replace(choices=tuple(CELL_TYPES))
DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}
HELP = {name: setting.help for name, setting in SETTINGS.items()}
BOUNDS = {**dict.fromkeys(CELL_TYPES, 0.5), "rnn": 0.1}             # training loss that --overfit has to reach
# Strong decay and dropout keep an attention model from learning images by heart: it has to attend at every word.
DEFAULTS_SCENES = {
    **DEFAULTS, "model": "attention", "hidden": 128, "wordvec": 128, "lr": 4e-3, "dropout": 0.5, "weight_decay": 1.0,
}
SCENES_SEEN_ONCE = {"hidden": 256, "dropout": 0.1, "weight_decay": 0.5}    # a cell that does not attend has to remember
OWN_SCENES: dict[str, dict[str, Any]] = {
    **{name: SCENES_SEEN_ONCE for name, cell in CELLS.items() if cell.features == VECTOR},
    "transformer": {"lr": 2e-3, "epochs": 2},
}
OWN = {"transformer": {"dropout": 0.1, "init": "fan_in"}}       # it drops at many places, inside its layers
DEFAULTS_OVERFIT = {    # the course's settings, and clipping: without it some seeds of the rnn jump late and miss 0.1
    **DEFAULTS, "wordvec": 256, "batch": 25, "epochs": 50, "lr": 5e-3, "schedule": "exponential", "dropout": 0.0,
    "forget_bias": 0.0,
}
LR_OVERFIT = {"transformer": 1e-3}
DECAY_OVERFIT = {**dict.fromkeys(CELL_TYPES, 0.995), "rnn": 0.95}
EPOCHS_OVERFIT = {"attention": 120}         # 80 are too few for some seeds
# What --from keeps of the other run: what decides the shapes of the weights, and what the model does to features.
SHAPING = ("model", "hidden", "wordvec", "start", "layers", "heads", "feedforward", "norm", "activation", "tie",
           "residual", "region_positions")
TAKEN_OVER = (*SHAPING, "feature_clip")
COLUMN = {"loss": "val_loss", "cider": "val_cider"}
# The best on the development split, docs/flickr8k.md.
PRESETS = {
    "flickr8k-lstm": {
        "model": "lstm", "start": "both", "input_dropout": 0.3, "feature_dropout": 0.3, "feature_clip": 5.0,
        "smoothing": 0.1, "weight_decay": 0.4, "average": 0.995, "batch": 128, "lr": 1.6e-3, "epochs": 8,
        "score_every": 2, "select": "cider",
    },
    "flickr8k-bahdanau": {
        "model": "bahdanau", "input_dropout": 0.4, "feature_dropout": 0.4, "grid_dropout": 0.2, "feature_clip": 5.0,
        "penalty": 0.01, "smoothing": 0.1, "weight_decay": 0.6, "average": 0.995, "batch": 128, "lr": 1.6e-3,
        "epochs": 9, "score_every": 1, "select": "cider",
    },
    "flickr8k-transformer": {
        "model": "transformer", "hidden": 256, "wordvec": 256, "layers": 2, "heads": 4, "norm": "pre", "dropout": 0.1,
        "feature_dropout": 0.2, "grid_dropout": 0.1, "feature_clip": 5.0, "smoothing": 0.1, "weight_decay": 0.4,
        "average": 0.995, "init": "fan_in", "batch": 64, "lr": 1e-3, "epochs": 5, "score_every": 1, "select": "cider",
    },
}


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting, and --preset."""
    parser.add_argument("--preset", choices=tuple(PRESETS), type=choice(tuple(PRESETS)),
                        help="settings that do well on Flickr8k (docs/flickr8k.md); options given explicitly override "
                        "the preset")
    for name, setting in SETTINGS.items():
        parser.add_argument(flag(name), help=setting.help + _shown(name), **_form(setting))


def _form(setting):
    """How an option is read: --name and --no-name, one of some choices, or a value."""
    if setting.kind is bool:
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if setting.choices:
        return {"choices": setting.choices, "type": choice(setting.choices)}
    return {"type": setting.kind, "metavar": setting.metavar}


def flag(name: str) -> str:
    """A setting's name on the command line."""
    return "--" + name.replace("_", "-")


def typed(name: str, value: Any) -> str:
    """A setting as it is typed, such as --layers 2 or --no-tie."""
    return " ".join(_words(name, value))


def _shown(name):
    """A setting's defaults for --help: the general one, those of scenes, and those of single models."""
    default, own = DEFAULTS[name], _own_defaults(name)
    if default is None and own:
        default = next(option.default for key, option in keywords(MODEL).items() if _setting(key) == name)
    if default is None or isinstance(default, bool):
        return ""
    shown = {"default": default}
    if DEFAULTS_SCENES[name] != DEFAULTS[name]:
        shown["scenes"] = DEFAULTS_SCENES[name]
    for value in dict.fromkeys(own[name] for own in OWN_SCENES.values() if name in own):
        models = [model for model, settings in OWN_SCENES.items() if settings.get(name) == value]
        shown[f"scenes with {', '.join(models)}"] = value
    return f" ({'; '.join(f'{where} {value}' for where, value in {**shown, **own}.items())})"


def _own_defaults(name):
    """Model -> its own default of a setting, for the models that have one."""
    tables = {model: {**{_setting(option): value for option, value in cell.defaults.items()}, **OWN.get(model, {})}
              for model, cell in CELLS.items()}
    return {model: table[name] for model, table in tables.items() if name in table}


def settings_of(args: argparse.Namespace, scenes: bool, taken: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The run's settings: what was asked for, else the defaults for this data. Raises ValueError.

    taken: settings of the run that --from names; what was asked for must have the same cell and sizes.
    """
    asked = {name: getattr(args, name) for name in DEFAULTS if getattr(args, name) is not None}
    asked = {**PRESETS.get(args.preset, {}), **asked}
    if taken is not None:
        _check_taken(args, asked, taken)
        asked = {**taken, **asked}
    chosen = {**_defaults(args, asked.get("model"), scenes), **asked}
    _fit_width(args.hidden, chosen)
    chosen = filled(chosen)
    for name, setting in SETTINGS.items():
        check_setting(setting, chosen[name])
    _check_cell(chosen, args.preset)
    if chosen["overfit"] is not None and (chosen["score_every"] or chosen["select"] != "loss" or chosen["patience"]):
        raise ValueError("--score-every, --select cider and --patience do not go with --overfit: it learns by heart, "
                         "nothing is validated")
    if taken is not None and chosen["word_vectors"] is not None:
        raise ValueError(f"--word-vectors {chosen['word_vectors']} with --from {args.from_run}: that run has word "
                         "vectors, leave one of the two out")
    if chosen["select"] == "cider":
        chosen["score_every"] = chosen["score_every"] or 1
    if args.score_beam is not None and not chosen["score_every"]:
        raise ValueError(f"--score-beam {args.score_beam}: it belongs to --score-every")
    return chosen


def _defaults(args, model, scenes):
    """The defaults for this data; model: the one that was asked for, or None."""
    if args.overfit is not None:
        model = model or DEFAULTS["model"]
        usual = CELLS[model].defaults.get("num_layers", 1)
        epochs = EPOCHS_OVERFIT.get(model, DEFAULTS_OVERFIT["epochs"]) * math.ceil((args.layers or usual) / usual)
        return {**DEFAULTS_OVERFIT, "lr": LR_OVERFIT.get(model, DEFAULTS_OVERFIT["lr"]),
                "lr_decay": DECAY_OVERFIT[model], "epochs": epochs}
    own = OWN.get(model, {})
    if not scenes or args.preset is not None:
        return {**DEFAULTS, **own}
    return {**DEFAULTS_SCENES, **own, **OWN_SCENES.get(model, {})}


def filled(chosen: dict[str, Any]) -> dict[str, Any]:
    """With the model's own numbers where nothing was asked for, so that a run's settings say what it has."""
    cell = CELLS[chosen["model"]]
    own = {**{name: option.default for name, option in keywords(MODEL).items()}, **cell.defaults,
           "dim_feedforward": 4 * chosen["wordvec"]}
    names = [name for name in cell.options if keywords(MODEL)[name].setting is not None]
    return {**chosen, **{_setting(name): own[name] for name in names if chosen[_setting(name)] is None}}


def check_setting(setting: Setting, value: Any) -> None:
    """Raises ValueError for a value that is out of bounds."""
    bound = setting.bound
    if value is not None and bound is not None and not (math.isfinite(value) and bound.fits(value)):
        raise ValueError(f"{flag(setting.name)} {value}: expected {bound.words}")


def _check_taken(args: argparse.Namespace, asked: Mapping[str, Any], taken: Mapping[str, Any]) -> None:
    """Raises ValueError where the weights of --from would not fit what was asked for."""
    for name in SHAPING:
        if asked.get(name, taken[name]) != taken[name]:
            by = f" (of --preset {args.preset})" if getattr(args, name) is None else ""
            raise ValueError(f"{typed(name, asked[name])}{by} with --from {args.from_run}: its weights have "
                             f"{typed(name, taken[name])}; leave one of the two out")


def _check_cell(chosen: dict[str, Any], preset: str | None) -> None:
    """Raises ValueError for an option that the model does not have, from the command line or a preset."""
    for name in not_taken(_model_options(chosen), CELLS[chosen["model"]].options):
        others, setting = " or ".join(cell for cell, cls in CELLS.items() if name in cls.options), _setting(name)
        remedy = (f"; the preset {preset} sets it, {typed(setting, DEFAULTS[setting])} takes it back"
                  if setting in PRESETS.get(preset or "", {}) else "")
        raise ValueError(f"{typed(setting, chosen[setting])} with --model {chosen['model']}: it belongs to "
                         f"{others}{remedy}")


def _fit_width(hidden: int | None, chosen: dict[str, Any]) -> None:
    """Make the hidden state as wide as the word vectors where it has to be. ValueError if --tie has another width.

    hidden: what --hidden asks for.
    """
    W, own = chosen["wordvec"], CELLS[chosen["model"]].output == "W"
    if not own and not chosen["tie"]:
        return
    chosen["hidden"] = W
    if not own and hidden not in (None, W):
        raise ValueError(f"--hidden {hidden} with --tie: the hidden state has to be as wide as the word "
                         f"vectors, --wordvec {W}; leave --hidden out")


def model_keywords(chosen: dict[str, Any]) -> dict[str, Any]:
    """The keywords of CaptioningRNN that a run's settings give; what is None is left to the cell."""
    return {name: value for name, value in _model_options(filled(chosen)).items() if value is not None}


def _model_options(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Option of the model -> the value of its setting, for those that have one and are not arguments."""
    return {name: chosen[_setting(name)] for name, option in keywords(MODEL).items() if option.setting is not None}


def _setting(name: str) -> str:
    """The setting of an option of the model."""
    setting = keywords(MODEL)[name].setting
    return setting.name or name if setting is not None else name


def solver_keywords(chosen: dict[str, Any]) -> dict[str, Any]:
    """The keywords of CaptioningSolver that a run's settings give."""
    same = {name: chosen[option.setting.name or name] for name, option in keywords(SOLVER).items() if option.setting}
    return {**same, "optim_config": {"learning_rate": chosen["lr"]}, "clip": chosen["clip"] or None,
            "score_every": chosen["score_every"] or 1, "select": COLUMN[chosen["select"]]}


def train_options(chosen: Mapping[str, Any], scenes: bool) -> list[str]:
    """The options of scripts.train that give a run's settings again, without those that are defaults for its data."""
    given = argparse.Namespace(overfit=chosen.get("overfit"), preset=None, layers=chosen.get("layers"))
    default = _defaults(given, chosen["model"], scenes)
    own = filled({**default, "model": chosen["model"], "wordvec": chosen.get("wordvec", default["wordvec"])})
    default = {**own, "wordvec": default["wordvec"]}
    return [word for name in SETTINGS if name in chosen and (name == "model" or chosen[name] != default[name])
            if chosen[name] is not None for word in _words(name, chosen[name])]


def _words(name, value):
    """A setting as the words of a command line."""
    if isinstance(value, bool):
        return [flag(name) if value else flag(f"no_{name}")]
    return [flag(name), str(value)]
