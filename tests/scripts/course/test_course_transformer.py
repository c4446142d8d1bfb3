"""The course kit on part 6: dicts of parameters, special cases, encodings without a backward, methods as solutions."""
import numpy as np
import pytest

from scripts.course.draws import PUBLIC
from scripts.course.grading import goldens_of, grade
from scripts.course.handout import handed_out
from scripts.course.in_process import InProcess
from scripts.course.outcomes import compared, compared_all
from scripts.course.pair_calls import arguments_of, gradients_of, inputs
from scripts.course.project import load_project
from scripts.course.submission import Submission
from scripts.course.tasks import ROOT, closure
from scripts.course.variants import load_variants, texts_with
from tests.samples import long

LAYERS, HEADS, CELL = "rnnlayers/transformer.py", "rnnlayers/multihead_attention.py", "models/cells/transformer.py"


@pytest.fixture(scope="module")
def project():
    return load_project()


@pytest.fixture(scope="module")
def graded(project):
    """Function: a task, changes (path, text, text in its place), the solution of another task -> Graded."""
    goldens = goldens_of(project, PUBLIC)

    def run(task, *changes, solution=None):
        texts = dict(project.texts) if solution is None else texts_with(project, solution)
        for path, old, new in changes:
            assert texts[path].count(old) == 1
            texts[path] = texts[path].replace(old, new)
        given = [name for name in closure([task], project.tasks)
                 if name != task and (solution is None or name not in solution.tasks)]
        one, = grade(project, Submission("x", texts, [], ""), [task], PUBLIC, goldens, given, open_tree=InProcess)
        return one
    return run


def lost(one):
    return [outcome.name for outcome in one.outcomes if outcome.problem]


def test_a_dict_of_parameters_is_packed_and_its_gradients_are_written_out():
    values = inputs("decoder_layer", PUBLIC)
    x, memory, params, heads, *_ = arguments_of("decoder_layer", values.values())
    assert x is values["x"] and memory is values["memory"] and heads == 2
    assert params["norm_self.gamma"] is values["norm_self_gamma"] and len(params) == 26
    flat = gradients_of("decoder_layer", (x, memory, params))
    assert len(flat) == 28 and flat[2] is params["self.Wq"]
    assert arguments_of("layernorm", "abc") == ("a", "b", "c")


def test_the_widths_fit_the_heads_and_every_query_sees_a_key():
    values = inputs("decoder_layer", PUBLIC._replace(sizes={**PUBLIC.sizes, "W": 7}))
    assert values["x"].shape[2] == 8 and values["memory_mask"][..., 0].all()
    assert not inputs("multihead_attention, a blocked row", PUBLIC)["attn_mask"][0, 1].any()


def test_a_gradient_of_zero_is_judged_beside_the_others():
    rounding, others = np.full(3, 1e-15), np.ones(3)
    assert compared(rounding, -rounding, "dbk")
    assert compared_all([rounding, others], [-rounding, others], ["dbk", "dbv"]) == ["", ""]
    assert compared_all([others, others], [rounding, others], ["dbk", "dbv"])[0].startswith("dbk[0] is 1")


def test_a_reader_of_the_cache_and_a_special_case_are_properties_of_their_own(graded):
    assert lost(graded("6.2", (HEADS, "return cache.heads.weights", "return 2 * cache.heads.weights"))) == [
        "attention_weights"]
    assert lost(graded("6.5", (LAYERS, "dx = dout + dy ", "dx = dy "))) == ["decoder_layer, pre norm"]
    assert lost(graded("6.4", (LAYERS, "(_dropped(dhidden, cache.keep)", "(dhidden"))) == ["feed_forward, with dropout"]


def test_a_wrong_gradient_is_explained_by_the_checker(graded):
    one = graded("6.2", (HEADS, "return *dinputs, *dweights, dWo, dbo", "return *dinputs, *dweights, dWo, 2 * dbo"))
    assert set(lost(one)) == {"multihead_attention: dbo", "multihead_attention, causal: dbo",
                              "multihead_attention, a blocked row", "multihead_attention, with dropout"}
    assert "likely cause: dbo: 2 times the gradient everywhere" in one.outcomes[11].report


def test_an_encoding_is_judged_in_several_sizes(graded):
    narrow = graded("6.3", (LAYERS, "angles = np.arange(T)[:, None]", "W = 8; angles = np.arange(T)[:, None]"))
    assert lost(narrow) == ["positional_encoding: another width", "positional_encoding: many positions"]


def test_one_layers_memory_gradient_costs_the_projection_alone(graded):
    one = graded("6.7", (CELL, "dmemory = dmemory + dmemory_k", "dmemory = dmemory_k"))
    assert lost(one) == ["dW_proj", "db_proj", "dropout"]
    assert "CaptioningTransformer.loss: WRONG" in "\n".join(outcome.report for outcome in one.outcomes)


@long
def test_a_captioner_that_serves_the_rnn_alone_does_not_cost_the_transformer(graded):
    """The loss of 2.3 is right in its task; 6.7 takes the reference's in its place."""
    solution = next(variant for variant in load_variants() if variant.name == "loss_unpacked")
    one = graded("6.7", solution=solution)
    assert one.score == 14 and one.how == "graded with the reference's functions of 2.3"


def test_students_get_what_the_transformer_needs():
    files = handed_out(ROOT)
    assert {"models/captioning_transformer.py", CELL, LAYERS, "rnnlayers/erf.py", "scripts/course/pair_calls.py",
            "scripts/course/encoding_checks.py"} <= set(files)
