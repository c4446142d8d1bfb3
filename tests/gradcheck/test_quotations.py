"""docs/derivations.md quotes what the checker prints about classic mistakes: make the mistakes, and compare."""
import re
from pathlib import Path

import numpy as np
import pytest

from gradcheck import check_pair
from scripts.course.kill_matrix import names_of_axes, random_inputs
from scripts.course.mutants import MUTANTS, pair_with

PAGE = Path(__file__).parents[2] / "docs/derivations.md"
MADE = {                        # section -> pair and mutants which print, together, all that the section quotes
    4: {"word_embedding": ["assigned"]},
    5: {"rnn_step": ["derivative of tanh missing"],
        "lstm_step": ["derivative of tanh(c) missing", "derivative of gate o missing"]},
    7: {"rnn_step": ["Wh for its transpose", "dWh from the next state"]},
    9: {"lstm_step": ["dnext_c ignored", "dc without dnext_h", "derivative of tanh(c) missing", "dprev_c without f",
                      "cell state after the step", "a sigmoid's derivative for g"],
        "lstm": ["gates f and o exchanged"]},
    13: {"dot_product_attention": ["sqrt(H) missing", "dweights ignored"]},
    17: {"initial_state": ["derivative of tanh missing", "cell path forgotten"]},
    20: {"gru_step": ["the direct path forgotten", "the reset gate forgotten on the way back", "dz with the wrong sign",
                      "the reset gate on prev_h", "dWh from the inputs' gradient"]},
}


def quoted(section):
    """What a section quotes from the checker, in one line each."""
    text = PAGE.read_text(encoding="utf-8")
    mistakes = re.search(rf"^## {section}\. .*?\*Classic mistakes?\.\*(.*?)^## ", text, re.M | re.S)[1]
    return [" ".join(words.split()) for words in re.findall(r'"([^"]+)"', mistakes)]


def printed(pair, name):
    """The causes that the checker prints for a mutant; one of `lstm` in its step alone, which is quicker."""
    mutant = next(m for m in MUTANTS if (m.pair, m.name) == (pair, name))
    pair = "lstm_step" if pair == "lstm" else pair
    forward, backward = pair_with(mutant._replace(pair=pair))
    inputs = random_inputs(pair, np.random.default_rng(0), "float64", 1.0)
    report = check_pair(forward, backward, inputs, axes=names_of_axes(pair), rng=0)
    return " ".join(diagnosis.sentence for diagnosis in report.diagnoses)


@pytest.mark.parametrize("section", MADE)
def test_every_quotation_is_printed(section):
    causes = [printed(pair, name) for pair, names in MADE[section].items() for name in names]
    quotations = quoted(section)
    assert [words for words in quotations if not any(words in cause for cause in causes)] == []
    assert [cause for cause in causes if not any(words in cause for words in quotations)] == []
