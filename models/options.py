"""Every option of the captioner, of its training and of scripts.train, once: name, type, default, bound, meaning.

A new option is a row of OPTIONS: CaptioningRNN, CaptioningSolver, checkpoints, the command line and docs/options.md
(`python -m models.option_docs`) read it here.
"""
import copy
import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from models.decoding import BEAM

MODEL, SOLVER, COMMAND = "model", "solver", "command"       # CaptioningRNN, CaptioningSolver, scripts.train alone


class Bound(NamedTuple):
    """Which values an option may have."""
    fits: Callable[[Any], bool]
    words: str                          # "a share in [0, 1)"


class Setting(NamedTuple):
    """How an option appears in scripts.train; a field left out is the same as in the keyword."""
    default: Any
    name: str = ""
    bound: Bound | None = None
    choices: tuple[str, ...] = ()
    metavar: str | None = "X"
    help: str = ""
    kind: type = int


class Option(NamedTuple):
    """A keyword of CaptioningRNN or CaptioningSolver, or an option of scripts.train alone."""
    name: str
    owners: tuple[str, ...]
    kind: type
    default: Any                        # of the keyword; neutral: the course's behaviour
    help: str
    bound: Bound | None = None
    choices: tuple[str, ...] = ()
    setting: Setting | None = None      # None: not on the command line
    argument: bool = False              # one of the course's six arguments, which CaptioningRNN names itself
    cell_specific: bool = False         # only some cells take another value than the default
    drops: bool = False                 # a dropout rate: above 0, training needs random numbers
    stored: int = 0                     # place in the configuration that a checkpoint stores, 0: not stored
    attribute: str = ""                 # the model's attribute that holds it, where its name is another


AT_LEAST_0 = Bound(lambda x: x >= 0, "at least 0")
AT_LEAST_1 = Bound(lambda x: x >= 1, "at least 1")
LAYERS = Bound(lambda x: 1 <= x <= 32, "1 to 32")
SIZE = Bound(lambda x: 1 <= x <= 2**14, "1 to 16,384")       # weights beyond fit no memory
POSITIVE = Bound(lambda x: x > 0, "a number above 0")
NOT_NEGATIVE = Bound(lambda x: x >= 0, "a number of at least 0")
FINITE = Bound(math.isfinite, "a finite number")
SHARE = Bound(lambda x: 0 <= x < 1, "a share in [0, 1)")

OPTIONS = (     # in the order of scripts.train --help, and of the settings that a run stores
    Option("cell_type", (MODEL,), str, "rnn", "cell that predicts the next word from the image and the words before it",
           setting=Setting("lstm", "model"), argument=True),
    Option("hidden_dim", (MODEL,), int, 128, "size of the hidden state", AT_LEAST_1,
           setting=Setting(512, "hidden", SIZE), argument=True),
    Option("wordvec_dim", (MODEL,), int, 128, "size of the word vectors", AT_LEAST_1,
           setting=Setting(512, "wordvec", SIZE), argument=True),
    Option("dtype", (MODEL,), type, np.float32, "floating-point type of the parameters", argument=True),
    Option("update_rule", (SOLVER,), str, "sgd", "update rule of rnnlayers.optim",
           choices=("sgd", "sgd_momentum", "rmsprop", "adam")),
    Option("optim_config", (SOLVER,), dict, {}, "hyperparameters of the update rule, such as learning_rate"),
    Option("batch_size", (SOLVER,), int, 100, "captions in a training step", AT_LEAST_1, setting=Setting(64, "batch")),
    Option("num_epochs", (SOLVER,), int, 10, "passes over the training captions", AT_LEAST_0,
           setting=Setting(8, "epochs", AT_LEAST_1)),
    Option("lr", (COMMAND,), float, None, "learning rate of Adam; with cosine and one-cycle, its peak", POSITIVE,
           setting=Setting(1e-3)),
    Option("sampling", (SOLVER,), str, "replacement", "replacement: each batch drawn anew, as in the course; epochs: "
           "every caption once, in batches of similar length", choices=("replacement", "epochs")),
    Option("schedule", (SOLVER,), str, "exponential", "schedule of the learning rate",
           choices=("constant", "exponential", "cosine", "one-cycle"), setting=Setting("one-cycle")),
    Option("warmup", (SOLVER,), float, 0.1, "share of the steps in which cosine and one-cycle raise the learning rate",
           SHARE, setting=Setting(0.1)),
    Option("lr_decay", (SOLVER,), float, 1.0, "factor of the learning rate after each epoch, with the exponential "
           "schedule", POSITIVE, setting=Setting(1.0)),
    Option("clip", (SOLVER,), float, None, "largest norm of the whole gradient", POSITIVE,
           setting=Setting(5.0, bound=NOT_NEGATIVE, help="largest norm of the whole gradient, 0 for no clipping")),
    Option("dropout", (MODEL,), float, 0.0, "dropout rate of the cell's outputs, or of a transformer's inner outputs",
           SHARE, setting=Setting(0.5),
           drops=True, stored=2),
    Option("input_dropout", (MODEL,), float, None, "dropout rate of the word vectors; if not given, as the "
           "outputs", SHARE, setting=Setting(None), drops=True, stored=3),
    Option("feature_dropout", (MODEL,), float, 0.0, "dropout rate of the image vector that initialises the state",
           SHARE, setting=Setting(0.0), drops=True, stored=4),
    Option("grid_dropout", (MODEL,), float, 0.0, "dropout rate of the features attended to; drops a feature in all "
           "regions of an image", SHARE, setting=Setting(0.0), drops=True, stored=5),
    Option("feature_stats", (MODEL,), tuple, None, "(mean, std), each (D,), that standardise features"),
    Option("pooled_stats", (MODEL,), tuple, None, "(mean, std), each (P,), that standardise pooled features",
           cell_specific=True),
    Option("feature_clip", (MODEL,), float, None, "bound of standardised features, in standard deviations", POSITIVE,
           setting=Setting(None), stored=6),
    Option("pooled_dim", (MODEL,), int, None, "width P of pooled features beside the grid, which initialise the state "
           "or join the memory", AT_LEAST_1, cell_specific=True, stored=7),
    Option("smoothing", (MODEL,), float, 0.0, "label smoothing: share of the target's probability spread over all "
           "words", SHARE, setting=Setting(0.0), stored=9),
    Option("average", (SOLVER,), float, 0.0, "decay of a moving average of the weights, which is validated, scored and "
           "kept as best; 0 for none", SHARE, setting=Setting(0.0)),
    Option("weight_decay", (SOLVER,), float, 0.0, "decoupled weight decay of the matrices", NOT_NEGATIVE,
           setting=Setting(0.0)),
    Option("forget_bias", (MODEL,), float, 0.0, "initial bias of the forget gates, in cells that have them", FINITE,
           setting=Setting(1.0)),
    Option("seed", (MODEL, SOLVER), int, None, "random seed or Generator; None draws from NumPy's global state",
           setting=Setting(0, bound=NOT_NEGATIVE, help="random seed of weights, batch order and dropout")),
    Option("start", (MODEL,), str, "h", "states of an LSTM that the image initialises: h, or both h and c "
           "(through tanh)", choices=("h", "both"), setting=Setting("h"), cell_specific=True, stored=1,
           attribute="start_from"),
    Option("penalty", (MODEL,), float, 0.0, "weight of the doubly stochastic regulariser: attend to each region about "
           "once (bahdanau)", NOT_NEGATIVE, setting=Setting(0.0), cell_specific=True, stored=8),
    Option("num_layers", (MODEL,), int, 1, "layers, one on top of the other", LAYERS,
           setting=Setting(None, "layers", metavar="K"), cell_specific=True, stored=10),
    Option("num_heads", (MODEL,), int, 4, "heads of the transformer's attention", AT_LEAST_1,
           setting=Setting(None, "heads", metavar="K", help="heads of the transformer's attention; if not given, 4"),
           cell_specific=True, stored=11),
    Option("dim_feedforward", (MODEL,), int, 2048, "width of the transformer's feed-forward layers", AT_LEAST_1,
           setting=Setting(None, "feedforward", SIZE, help="width of the transformer's feed-forward layers; if not "
                           "given, four times --wordvec"), cell_specific=True, stored=12),
    Option("max_length", (MODEL,), int, 50, "most words that the transformer is fed in a caption", AT_LEAST_1,
           cell_specific=True, stored=13),
    Option("norm", (MODEL,), str, "post", "where the transformer normalises: post, after each residual sum, or pre, "
           "before each sublayer", choices=("post", "pre"), setting=Setting(None), cell_specific=True, stored=14),
    Option("activation", (MODEL,), str, "gelu", "activation of the transformer's feed-forward layers: gelu, or relu "
           "(the course's to 2024)", choices=("gelu", "relu"), setting=Setting(None), cell_specific=True, stored=17),
    Option("init", (MODEL,), str, "normal", "how the transformer's weights are drawn: normal, with the course's "
           "deviation 0.02, or fan_in, with variance 1 / rows and words as large as the positions, which learns faster",
           choices=("normal", "fan_in"), setting=Setting(None), cell_specific=True),
    Option("tie", (MODEL,), bool, False, "whether the word vectors are the output weights too, which takes as many "
           "hidden units as wordvec_dim", setting=Setting(False, help="use the word vectors as output weights too; the "
                                                           "hidden state is then as wide as they are"), stored=15),
    Option("residual", (MODEL,), bool, False, "whether a layer above the first adds its input to its output",
           cell_specific=True, stored=19, setting=Setting(False, help="with --layers: each layer above the first adds "
                                                          "its input to its output")),
    Option("region_positions", (MODEL,), int, None, "learned vectors for the places of so many regions in the "
           "transformer's memory", AT_LEAST_1, cell_specific=True, stored=16, setting=Setting(
               False, help="learn a vector for the place of each region, which is added to the transformer's memory")),
    Option("one_region", (MODEL,), bool, False, "whether features are one vector per picture: the transformer's memory "
           "then has one region, and it does not attend", cell_specific=True, stored=18),
    Option("word_vectors", (COMMAND,), str, None, "file of pretrained word vectors in the text form of GloVe: a word "
           "and its numbers on each line; other words are drawn", setting=Setting(None, metavar="FILE")),
    Option("backend", (MODEL,), str, None, "'engine' or 'textbook'; None: $RNNLAYERS_BACKEND, else the engine if it is "
           "installed"),
    Option("validate", (SOLVER,), bool, False, "measure the validation loss after each epoch and keep best_params"),
    Option("scorer", (SOLVER,), FunctionType, None, "called with the model, returns a dict of more columns of history"),
    Option("score_every", (SOLVER,), int, 1, "epochs between two calls of the scorer, which also scores the last epoch",
           AT_LEAST_1, setting=Setting(None, metavar="K", help="caption and score the validation images every K epochs "
                                       "and after the last: val_cider and val_bleu4 in history.csv")),
    Option("score_beam", (COMMAND,), int, None, "beam size of the captions that --score-every scores", AT_LEAST_1,
           setting=Setting(BEAM, metavar="K")),
    Option("select", (SOLVER,), str, "val_loss", "column of history that decides the best epoch: smallest val_loss, "
           "largest of another",
           setting=Setting("loss", choices=("loss", "cider"), help="what decides the best epoch, for best.h5 and "
                           "--patience: the validation loss, or the CIDEr of --score-every (1 if not given)")),
    Option("patience", (SOLVER,), int, None, "stop after this many measurements without a better one", AT_LEAST_1,
           setting=Setting(None, help="stop after this many epochs (with --select cider: evaluations) without a better "
                           "one")),
    Option("callbacks", (SOLVER,), tuple, (), "called with the solver after every step; setting solver.stop ends "
           "training"),
    Option("print_every", (SOLVER,), int, 10, "steps between two printed losses"),
    Option("verbose", (SOLVER,), bool, True, "print losses"),
    Option("overfit", (COMMAND,), int, None, "sanity check: overfit N captions with the cs231n course's "
           "settings; exit 1 if that fails", AT_LEAST_1, setting=Setting(None, metavar="N")),
)
ARGUMENTS = ("word_to_idx", "input_dim", "wordvec_dim", "hidden_dim", "cell_type", "dtype")      # the course's
STORED = tuple(sorted((option for option in OPTIONS if option.stored), key=lambda option: option.stored))


def keywords(owner: str) -> dict[str, Option]:
    """The options that one owner takes as keywords, name -> Option."""
    return {option.name: option for option in OPTIONS if owner in option.owners and not option.argument}


def default(name: str) -> Any:
    """The default of a keyword."""
    return next(option.default for option in OPTIONS if option.name == name)


def settings() -> dict[str, Setting]:
    """The options of scripts.train, name -> Setting with every field filled in."""
    named = {}
    for option in OPTIONS:
        if option.setting is not None:
            own = option.setting
            name = own.name or option.name
            flag = isinstance(own.default, bool)
            named[name] = own._replace(name=name, bound=None if flag else own.bound or option.bound,
                                       kind=bool if flag else option.kind, choices=own.choices or option.choices,
                                       help=own.help or option.help)
    return named


def model_options(given: Mapping[str, Any], cell_type: str, cells: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Keywords of CaptioningRNN, checked, with defaults for those not given.

    cells: cell type -> its cell-specific options. Raises TypeError on a name that is no option, ValueError on a value
    out of bounds or one that this cell does not take.
    """
    table = keywords(MODEL)
    for name in given:
        if name not in table:
            raise TypeError(f"CaptioningRNN: no option {name!r}{did_you_mean(name, [*ARGUMENTS, *table])}; expected "
                            f"some of {', '.join(table)}")
    options = _filled(table, given)
    for name in not_taken(options, cells[cell_type]):
        others = " or ".join(repr(cell) for cell, names in cells.items() if name in names)
        raise ValueError(f"{name} is {options[name]!r} with cell_type {cell_type!r}, expected {table[name].default!r}: "
                         f"other values belong to cell_type {others}")
    if options["input_dropout"] is None:
        options["input_dropout"] = options["dropout"]
    return options


def not_taken(values: Mapping[str, Any], cell_options: Sequence[str]) -> list[str]:
    """The names of values that ask for something that a cell with these cell-specific options does not have."""
    return [name for name, option in keywords(MODEL).items() if option.cell_specific and name in values
            and name not in cell_options and not _neutral(option, values[name])]


def solver_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of CaptioningSolver, checked, with defaults for those not given. Raises ValueError."""
    table = keywords(SOLVER)
    unknown = [name for name in given if name not in table]
    if unknown:
        named = ", ".join(f"{name!r}{did_you_mean(name, table)}" for name in unknown)
        raise ValueError(f"Unrecognized arguments {named}; expected some of {', '.join(table)}")
    rule, rules = given.get("update_rule", "sgd"), table["update_rule"].choices
    if rule not in rules:                                           # in the course's words
        raise ValueError(f"Invalid update_rule {rule!r}, expected one of {', '.join(rules)}{did_you_mean(rule, rules)}")
    return _filled(table, given)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """What to add to an error about a misspelt name: ", did you mean 'dropout'?", or nothing where none is near."""
    lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(str(name).lower(), lower, 1)
    return f", did you mean {lower[near[0]]!r}?" if near else ""


def attribute(name: str) -> str:
    """The attribute of a CaptioningRNN that holds the option of this name."""
    return keywords(MODEL)[name].attribute or name


def drops(model: Any) -> bool:
    """Whether training this model drops anything, and so needs random numbers."""
    return any(getattr(model, option.name, 0) for option in OPTIONS if option.drops)


def _filled(table: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all options of the table, those given checked."""
    for name, value in given.items():
        check_value(table[name], value)
    return {name: given.get(name, copy.copy(option.default)) for name, option in table.items()}


def check_value(option: Option, value: Any) -> None:
    """Raises ValueError where an option cannot have this value."""
    if value is None and option.default is None:
        return
    if option.choices and value not in option.choices:
        raise ValueError(f"{option.name} is {value!r}, expected one of {', '.join(option.choices)}"
                         f"{did_you_mean(value, option.choices)}")
    number = _is_number(option.kind, value)
    if option.bound is not None and not (number and option.bound.fits(value)):
        alternative = "None or " if option.default is None else ""
        whole = "" if number or option.kind is not int else "a whole number, "
        raise ValueError(f"{option.name} is {value!r}, expected {alternative}{whole}{option.bound.words}")


def _is_number(kind: type, value: Any) -> bool:
    """Whether a value is a number that an option of this kind, int or float, may have."""
    numbers = (int, np.integer) if kind is int else (int, float, np.integer, np.floating)
    return isinstance(value, numbers) and not isinstance(value, bool)


def _neutral(option: Option, value: Any) -> bool:
    """Whether a value changes nothing: the default, None or 0 (a checkpoint may hold either)."""
    return value is None or np.isscalar(value) and value in (option.default, 0)
