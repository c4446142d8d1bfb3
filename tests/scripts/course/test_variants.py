"""Correct solutions in the manner of students get full points whatever the id; with a mistake in them they do not."""
import numpy as np
import pytest

from gradcheck.snapshot import first_change, snapshot
from scripts import grade_variants
from scripts.course import model_checks, student_tree
from scripts.course.channel import Cache
from scripts.course.course_form import CHANGES, PATH, in_course_form
from scripts.course.draws import draw_for
from scripts.course.grading import Reference
from scripts.course.project import load_project
from scripts.course.variants import as_expected, graded, load_variants, read_variant, student
from tests.samples import sample

GROUPS = 6


@pytest.fixture(scope="module")
def project():
    return load_project()


VARIANTS = {variant.name: variant for variant in load_variants()}


def small_draws(version):
    """Ids whose draws are small: their gradient checks take little time."""
    def size(k):
        sizes = draw_for(student(k), version).sizes
        return sizes["H"] * (sizes["D"] + sizes["H"] + sizes["W"]) * sizes["N"] * sizes["T"]
    return sorted(range(200), key=size)[:GROUPS]


FIRST = {task: name for name, variant in reversed(VARIANTS.items()) for task in variant.tasks}
SLOW = {"bahdanau_stacked", "loss_in_parts", "loss_unpacked", "lstm_none", "attention_lstm_options"}
SAMPLE = [VARIANTS[name] for name in sample(VARIANTS, sorted({*FIRST.values()} - SLOW))]     # grade_variants: all


@pytest.mark.parametrize("group", range(GROUPS))
def test_correct_solutions_get_full_points(group, project):
    k = small_draws(project.version)[group]
    found = graded(project, SAMPLE[group::GROUPS], k)
    assert not [(variant.name, result) for variant, result in found if not as_expected(variant, result)]


def test_there_are_solutions_of_every_task(project):
    assert {task for variant in VARIANTS.values() for task in variant.tasks} == set(project.tasks)
    assert len(VARIANTS) >= 40 and sum(variant.times == 4 for variant in VARIANTS.values()) >= 8


WRONG = [                           # variant, text, text in its place
    ("adam_setdefault", "(np.sqrt(vhat) + config[\"epsilon\"])", "np.sqrt(vhat + config[\"epsilon\"])"),
    ("adam_setdefault", "(np.sqrt(vhat) + config[\"epsilon\"])", "np.sqrt(vhat)"),
    ("adam_setdefault", "(np.sqrt(vhat) + config[\"epsilon\"])", "(np.sqrt(vhat) + 1e-8)"),
    ("adam_setdefault", "\"epsilon\", 1e-8", "\"epsilon\", 1e-7"),
    ("adam_setdefault", "\"beta2\", 0.999", "\"beta2\", 0.99"),
    ("adam_setdefault", "vhat = config[\"v\"] / (1 - config[\"beta2\"] ** config[\"t\"])", "vhat = config[\"v\"]"),
    ("adam_setdefault", "    config[\"t\"] += 1\n", "    config[\"t\"] = 1\n"),
    ("adam_setdefault", "    config[\"t\"] += 1\n", "    config[\"t\"] += 2\n"),
    ("adam_alpha_t", "(np.sqrt(v) + eps)", "np.sqrt(v + eps)"),
    ("adam_alpha_t", "np.sqrt(1 - beta2 ** t) / (1 - beta1 ** t)", "1 / (1 - beta1 ** t)"),
    ("adam_alpha_t", "np.sqrt(1 - beta2 ** t) / (1 - beta1 ** t)", "1"),
    ("adam_alpha_t", "(dx * dx)", "dx"),
    ("adam_alpha_t", "t = t + 1", "pass"),
    ("sample_past_end", "np.argmax", "np.argmin"),
    ("sample_past_end", "captions[:, t] = word", "captions[:, t] = np.where(word == self._end, self._null, word)"),
    ("sample_past_end", "x, _ = word_embedding_forward(word, W_embed)",
     "x, _ = word_embedding_forward(0 * word + self._start, W_embed)"),
    ("sample_stops", "captions[~done, t] = word[~done]\n            done |= word == self._end",
     "done |= word == self._end\n            captions[~done, t] = word[~done]"),
    ("softmax_clip", "np.maximum(picked, 1e-300)", "np.maximum(picked, 0.1)"),
    ("softmax_clip", "dx_flat *= mask_flat[:, None]", ""),
    ("lstm_scalar_zeros", "dh[:, t] + dprev_h, dprev_c", "dh[:, t] + dprev_h, 0 * dprev_c"),
    ("rnn_einsum", "np.einsum(\"nh->h\", da)", "np.einsum(\"nh->h\", da) / len(da)"),
]


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_solution_with_a_mistake_loses_points(group, project):
    changed = []
    for name, old, new in sample(WRONG, WRONG[::2])[group::GROUPS]:
        variant = VARIANTS[name]
        assert variant.text.count(old) == 1
        changed.append(variant._replace(name=f"{name}: {new}", text=variant.text.replace(old, new)))
    for variant, result in graded(project, changed, small_draws(project.version)[group]):
        assert result.lost, variant.name


def test_a_loss_of_no_terms_may_be_the_whole_number_zero(project):
    """All targets of student 2 are masked where the checker cuts the inputs to one time step."""
    (_, result), = graded(project, [VARIANTS["smoothing_loops"]], 2)
    assert not result.lost


def test_some_caption_always_ends_early_and_some_does_not(project):
    for k in range(30):
        answers = model_checks.sample_answers(project.tasks["2.4"], Reference(), draw_for(student(k), project.version))
        captions, = answers["captions"]
        ended = (captions[:, :5] == model_checks.END).any(axis=1)
        assert ended.any() and not ended.all()


def test_students_write_the_lstm_with_the_courses_signatures(project, tmp_path, monkeypatch):
    monkeypatch.setattr(student_tree, "make_scene_dataset", lambda *_, **__: None)
    monkeypatch.setattr(student_tree, "find_leaks", lambda *_: [])
    step, sequence = "c: Array, Wx: Array, Wh: Array, b: Array\n", "h0: Array, Wx: Array, Wh: Array, b: Array) ->"
    for names, course in ((["3.1", "3.2"], "both"), (["3.2"], "sequence"), (["4.2"], "none")):
        student_tree.make_tree(project, tmp_path / names[0] / "tree", names)
        text = (tmp_path / names[0] / "tree" / PATH).read_text()
        assert (step in text) == (course == "both") and (sequence in text) == (course in ("both", "sequence"))
        assert ("attn" in text) == (course != "both") and ("c0" in text) == (course == "none")
    assert not np.any([old in in_course_form(PATH, project.texts[PATH], {"3.1", "3.2"}) for task in CHANGES
                       for old, _ in CHANGES[task]])
    with pytest.raises(ValueError, match="stands 0 times in .*adapt CHANGES"):
        in_course_form(PATH, "", {"3.1"})


def test_a_file_without_tasks_is_an_error(tmp_path):
    (tmp_path / "x.py").write_text("def f(): pass\n")
    with pytest.raises(ValueError, match="expected a docstring that says what the solution is, and TASKS"):
        read_variant(tmp_path / "x.py")


def test_the_command_fails_if_a_solution_loses(monkeypatch, tmp_path, capsys):
    right = VARIANTS["adam_get"]
    wrong = right._replace(name="adam_wrong", text=right.text.replace("+ eps)", ")"))
    for variants, code in (([right], 0), ([right, wrong], 1)):
        monkeypatch.setattr(grade_variants, "load_variants", lambda variants=variants: variants)
        monkeypatch.setattr(grade_variants, "ProcessPoolExecutor", Here)
        assert grade_variants.main(["--ids", "1", "--in-process", "--out", str(tmp_path / "x.md")]) == code
    out = capsys.readouterr().out
    assert "WRONG  adam_wrong: 4 of 4 ids: student 0 loses {'1.4':" in out and "0 wrong" in out
    assert "| adam_get | " in (tmp_path / "x.md").read_text()


def test_forgotten_caches_are_no_change_of_a_cache():
    """The grader forgets caches now and then; this once looked like a backward that writes to its cache."""
    forgotten = []
    cache = Cache(1, forgotten)
    before = snapshot(cache, "cache")
    Cache(2, forgotten).__del__()
    assert forgotten and first_change(before, snapshot(cache, "cache")) is None


class Here:
    """A pool of this process."""

    def __init__(self, jobs):
        self.map = map

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
