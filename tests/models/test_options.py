"""The table of options, and that all who take options read it."""
import inspect
from pathlib import Path

import numpy as np
import pytest

from models import CaptioningRNN, CaptioningSolver
from models.cells import CELLS
from models.checkpoint import load_checkpoint, save_checkpoint
from models.option_docs import docstring, page
from models.options import OPTIONS, STORED, did_you_mean, drops, keywords
from models.schedules import SCHEDULES
from rnnlayers import optim

DOCS = Path(__file__).resolve().parents[2] / "docs/options.md"


def make(word_to_idx, cell="lstm", **options):
    return CaptioningRNN(word_to_idx, 5, 4, 7, cell, seed=3, **options)


def test_each_option_stands_once_and_its_default_is_within_its_bound():
    names = [option.name for option in OPTIONS]
    assert len(names) == len(set(names))
    for option in OPTIONS:
        assert option.default is None or option.bound is None or option.bound.fits(option.default)
        assert option.default is None or not option.choices or option.default in option.choices
        assert option.help[0] != " " and "  " not in option.help and not option.help.endswith(".")
    assert set(SCHEDULES) < set(keywords("solver")["schedule"].choices)
    assert all(hasattr(optim, rule) for rule in keywords("solver")["update_rule"].choices)
    signature = inspect.signature(CaptioningRNN.__init__).parameters
    for option in OPTIONS:
        assert not option.argument or signature[option.name].default == option.default


def test_the_page_is_the_table():
    assert DOCS.read_text(encoding="utf-8") == page(), "run python -m models.option_docs > docs/options.md"


@pytest.mark.parametrize("owner, documented", [("model", CaptioningRNN.__init__), ("solver", CaptioningSolver)])
def test_docstrings_list_the_options(owner, documented):
    assert docstring(owner) in inspect.getdoc(documented)


def test_the_solver_takes_each_of_its_options(word_to_idx, toy_data):
    solver = CaptioningSolver(make(word_to_idx), toy_data)
    for name, option in keywords("solver").items():
        assert getattr(solver, name) == option.default


@pytest.mark.parametrize("options, message", [
    ({"droput": 0.3}, "CaptioningRNN: no option 'droput', did you mean 'dropout'\\?"),
    ({"qqq": 1}, "CaptioningRNN: no option 'qqq'; expected some of dropout, "),
])
def test_an_unknown_keyword_of_the_model_names_the_nearest(options, message, word_to_idx):
    with pytest.raises(TypeError, match=message):
        make(word_to_idx, **options)


@pytest.mark.parametrize("cell, options, message", [
    ("lstm", {"dropout": 1.0}, r"dropout is 1.0, expected a share in \[0, 1\)"),
    ("lstm", {"dropout": float("nan")}, "dropout is nan"),
    ("lstm", {"input_dropout": -0.1}, r"input_dropout is -0.1, expected None or a share in \[0, 1\)"),
    ("lstm", {"grid_dropout": 1}, "grid_dropout is 1"),
    ("lstm", {"smoothing": 1}, "smoothing is 1"),
    ("lstm", {"feature_clip": 0}, "feature_clip is 0, expected None or a number above 0"),
    ("bahdanau", {"penalty": -1.0}, "penalty is -1.0, expected a number of at least 0"),
    ("lstm", {"start": "c"}, "start is 'c', expected one of h, both"),
    ("rnn", {"start": "both"}, "start is 'both' with cell_type 'rnn', expected 'h'.* belong to cell_type 'lstm'"),
    ("lstm", {"penalty": 0.1}, "penalty is 0.1 with cell_type 'lstm', expected 0.0.* belong to cell_type 'bahdanau'"),
    ("attention", {"pooled_dim": 5}, "pooled_dim is 5 with cell_type 'attention'"),
    ("attention", {"pooled_stats": (np.zeros(5), np.ones(5))}, "pooled_stats is .* belong to cell_type 'bahdanau' or"),
    ("lstn", {}, "cell_type is 'lstn', expected one of rnn, lstm, .*, did you mean 'lstm'"),
    ("lstm", {"backend": "motor"}, "backend is 'motor'"),
])
def test_values_out_of_bounds(cell, options, message, word_to_idx):
    with pytest.raises(ValueError, match=message):
        make(word_to_idx, cell, **options)


def test_neutral_values_and_a_forget_bias_go_with_every_cell(word_to_idx):
    options = {"start": "h", "penalty": 0, "pooled_dim": None, "pooled_stats": None, "forget_bias": 1.0}
    for cell in CELLS:
        assert make(word_to_idx, cell, **options).penalty == 0


def test_word_vectors_are_dropped_as_the_outputs_unless_told_otherwise(word_to_idx):
    assert make(word_to_idx, dropout=0.3).input_dropout == 0.3
    assert make(word_to_idx, dropout=0.3, input_dropout=0.0).input_dropout == 0.0


@pytest.mark.parametrize("name", [option.name for option in OPTIONS if option.drops])
def test_any_dropout_makes_a_model_drop(name, word_to_idx):
    assert drops(make(word_to_idx, **{name: 0.1})) and not drops(make(word_to_idx)) and not drops(object())


def test_a_checkpoint_stores_the_same_keys_in_the_same_order(word_to_idx, tmp_path):
    assert [option.name for option in STORED] == [
        "start", "dropout", "input_dropout", "feature_dropout", "grid_dropout", "feature_clip", "pooled_dim", "penalty",
        "smoothing", "num_layers", "num_heads", "dim_feedforward", "max_length", "norm", "tie", "region_positions",
        "activation", "one_region", "residual"]
    model = make(word_to_idx, start="both", feature_clip=3.0, smoothing=0.2)
    save_checkpoint(tmp_path / "a.h5", model)
    back = load_checkpoint(tmp_path / "a.h5").model
    assert (back.start_from, back.feature_clip, back.smoothing) == ("both", 3.0, 0.2)


def test_the_nearest_name():
    assert did_you_mean("droput", ["epochs", "dropout"]) == ", did you mean 'dropout'?"
    assert did_you_mean("xyz", ["epochs", "dropout"]) == ""


@pytest.mark.parametrize("call, words", [
    (lambda words: CaptioningRNN(words, hiden_dim=3), "no option 'hiden_dim', did you mean 'hidden_dim'?"),
    (lambda words: CaptioningRNN(words, cell_type="LSTM"), "did you mean 'lstm'?"),
    (lambda words: CaptioningSolver(None, {}, schedule="cosin"), "did you mean 'cosine'?"),
    (lambda words: CaptioningSolver(None, {}, update_rule="adma"), "did you mean 'adam'?"),
])
def test_arguments_and_choices_name_the_nearest(call, words, word_to_idx):
    with pytest.raises((TypeError, ValueError)) as error:
        call(word_to_idx)
    assert words in str(error.value)
