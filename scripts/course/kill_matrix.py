"""How often each mutant of a backward pass is rejected, by the gradient checker and by the usual rules."""
import copy
import re
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gradcheck import check_pair
from gradcheck.axes import axes_of as named_axes
from gradcheck.budget import Budget
from gradcheck.check import judge_all, measure_all
from gradcheck.contract import check_contract, measurable
from gradcheck.numeric import Trouble
from gradcheck.pair import Pair
from gradcheck.report import Report
from gradcheck.shapes import axes_names, draw_inputs, parse_shapes
from gradcheck.suite import SHAPES, axes_of, inputs_of, pair_of
from scripts.course import strangers
from scripts.course.mutants import MUTANTS, home, pair_with
from scripts.course.mutants_transformer import TRANSFORMER
from scripts.course.strange_mutants import STRANGE

TITLES = [*SHAPES, *strangers.SHAPES]
CATALOGUE = [*MUTANTS, *TRANSFORMER, *STRANGE]

SCALES = (1.0, 0.01)                # of the weights


class Count(NamedTuple):
    """How often, over seeds and scales, one backward was rejected."""
    name: str
    pair: str
    runs: int
    rejected: int
    named: int                      # rejected with the expected diagnosis
    rules: tuple                    # by each of the usual checkers' RULES


def _relative(a, n):
    return np.abs(a - n) / np.maximum(1e-8, np.abs(a) + np.abs(n))


def _ten_entries(a, n, rng):
    i = rng.integers(0, a.size, 10)
    return _relative(a[i], n[i]).max() > 1e-4


def _one_entry(a, n, rng):
    i = rng.integers(0, a.size)
    return not np.allclose(a[i], n[i], rtol=1e-2, atol=1e-2)


def _projection(a, n, rng):
    v = rng.standard_normal(a.size)
    return not np.allclose(a @ v, n @ v, rtol=1e-6, atol=1e-6)


RULES = {           # of the usual checkers, for one array: (analytic, numeric by central differences, rng) -> rejected?
    "course: relative error 1e-6": lambda a, n, rng: _relative(a, n).max(initial=0) > 1e-6,
    "rtol 1e-3, atol 1e-5": lambda a, n, rng: not np.allclose(a, n, rtol=1e-3, atol=1e-5),
    "ten random entries": _ten_entries,
    "one random entry": _one_entry,
    "one projection": _projection,
}


def judge_backwards(title, backwards, seeds):
    """Judge backwards (name -> (forward, backward, expected kind)) of one pair -> list of Count.

    The numeric gradient depends only on forward, so it is computed once for each seed and scale.
    """
    counts = {name: Count(name, title, 0, 0, 0, (0,) * len(RULES)) for name in backwards}
    for seed in range(seeds):
        for scale in SCALES:
            truth = Truth(title, seed, scale)
            for name, (forward, backward, kind, words) in backwards.items():
                report = truth.judge(forward, backward)
                count, rules = counts[name], truth.judge_by_rules(forward, backward)
                counts[name] = count._replace(
                    runs=count.runs + 1, rejected=count.rejected + (not report.ok),
                    named=count.named + _is_named(report, kind, words),
                    rules=tuple(old + bool(new) for old, new in zip(count.rules, rules)))
    return list(counts.values())


def _is_named(report, kind, words):
    """Whether the report names this kind of mistake alone, in these words."""
    if kind == "contract":
        return report.problem is not None
    return bool(report.diagnoses) and all(
        diagnosis.kind == kind and re.search(words, diagnosis.sentence) for diagnosis in report.diagnoses)


def random_inputs(title, rng, dtype, scale):
    """Inputs of a pair, ours or not; scale multiplies its weights."""
    if title in SHAPES:
        return inputs_of(title, rng, dtype, scale)
    shapes = parse_shapes(strangers.SHAPES[title])
    return draw_inputs(shapes, np.dtype(dtype), rng, {name: scale for name in shapes if name[0] in "WUwbt"})


def names_of_axes(title):
    """The axes of a pair's inputs, as check_pair takes them."""
    return axes_of(title) if title in SHAPES else axes_names(parse_shapes(strangers.SHAPES[title]))


def right_pair(title):
    """Forward and backward of a pair as they should be."""
    title = title.partition(", ")[0]
    return pair_of(title, home(title))


class Truth:
    """Numeric gradients of one pair at one seed and weight scale."""

    def __init__(self, title, seed, scale):
        self.title, self.seed = title, seed
        self.inputs = random_inputs(title, np.random.default_rng(seed), "float64", scale)
        self.axes, self.budget = named_axes(self.inputs, names_of_axes(title)), Budget((10**9, 10**9))
        correct = self._pair(*right_pair(title))
        self.douts, grads = check_contract(correct, np.random.default_rng(seed))
        self._measure = lambda method: measure_all(correct, self.axes, method, self.budget,
                                                   np.random.default_rng(seed), self.douts, grads)
        self.numbers = self._measure("auto")

    @cached_property
    def central(self):
        """Measured anew by central differences, as the usual rules have them."""
        return self._measure("central")

    def _pair(self, forward, backward):
        pair = Pair(forward, backward, self.inputs, None, self.budget.watch)
        pair.axes = self.axes
        return pair

    def judge(self, forward, backward):
        """The checker's own Report."""
        pair, report, rng = self._pair(forward, backward), Report(self.title, "float64"), np.random.default_rng
        try:
            douts, grads = check_contract(pair, rng(self.seed))
        except Trouble as breach:
            report.problem = str(breach)
            pair, douts, grads = measurable(pair, rng(self.seed))
        judge_all(pair, self.numbers, douts, grads, rng(self.seed), report)
        return report

    def judge_by_rules(self, forward, backward):
        """Whether each usual rule rejects it, by one upstream gradient and without checks of the contract."""
        pair, rng = self._pair(forward, backward), np.random.default_rng(self.seed)
        grads = pair.backward(copy.deepcopy(self.douts[0]), pair.forward()[1])
        arrays = [(np.ravel(grads[name]), self.central.measured[name].numeric[0]) for name in pair.names]
        return [any(rule(a, n, rng) for a, n in arrays) for rule in RULES.values()]


def judge_mutants(title, seeds):
    """Counts for all mutants of a pair."""
    mutants = {m.name: (*pair_with(m), m.kind, m.words) for m in CATALOGUE if m.pair == title}
    return judge_backwards(title, mutants, seeds) if mutants else []


def judge_correct(title, seeds, rule_seeds):
    """False alarms on the correct pair -> (runs, rejected by the checker, runs of the rules, rejected by each)."""
    forward, backward = right_pair(title)
    wrong = runs = 0
    for seed in range(seeds):
        for scale in SCALES:
            for dtype in ("float64", "float32"):
                inputs = random_inputs(title, np.random.default_rng(seed), dtype, scale)
                wrong += not check_pair(forward, backward, inputs, axes=names_of_axes(title), rng=seed).ok
                runs += 1
    count, = judge_backwards(title, {"correct": (forward, backward, "", "")}, rule_seeds)
    return runs, wrong, count.runs, count.rules


def page(counts, correct, seeds, correct_seeds):
    """The whole result in Markdown."""
    runs = counts[0].runs
    always = sum(count.named == count.runs for count in counts)
    lines = [
        "# The kill matrix", "",
        "How the gradient checker and the rules of the usual checkers judge wrong backwards",
        "(`scripts/course/mutants.py`, `mutants_transformer.py`, and `strange_mutants.py` for layers in other people's",
        "style) and correct ones. Made by",
        f"`python -m scripts.kill_matrix --seeds {seeds} --correct-seeds "
        f"{correct_seeds} --out ...`.", "",
        f"- {len(counts)} mutants, {seeds} seeds, weight scales 1 and 0.01: each was judged {runs} times. "
        f"Rejected in all runs: {sum(count.rejected == count.runs for count in counts)}.",
        f"- The right mistake was named in all runs for {always} of them, in some for "
        f"{sum(0 < count.named < count.runs for count in counts)}.",
        f"- Correct code: {sum(c[0] for c in correct.values())} checks ({correct_seeds} seeds, both scales, "
        f"float64 and float32), {sum(c[1] for c in correct.values())} rejected.", "",
        "The usual rules see one upstream gradient and central differences with h = 1e-5 in float64; relative error is",
        "|a - n| / max(1e-8, |a| + |n|). Ten entries of each array are held to 1e-4 of it, one entry to rtol and atol",
        "1e-2, a projection to rtol and atol 1e-6. Columns are per cent of the runs.", "",
        _row("pair", "mutant", "rejected", "named", *RULES), _row(*["---"] * 2, *["---:"] * (2 + len(RULES))),
    ]
    lines += [_row(count.pair, count.name, _percent(count.rejected, runs), _percent(count.named, runs),
                   *(_percent(rule, runs) for rule in count.rules)) for count in counts]
    lines += [_row("all mutants", "", _percent(sum(count.rejected for count in counts), runs * len(counts)),
                   _percent(sum(count.named for count in counts), runs * len(counts)),
                   *(_percent(sum(part), runs * len(counts)) for part in zip(*(count.rules for count in counts)))),
              "", "Correct code, rejected:", "",
              _row("pair", "checks", "rejected", *RULES), _row("---", *["---:"] * (2 + len(RULES)))]
    lines += [_row(title, checks, _percent(wrong, checks), *(_percent(rule, rule_runs) for rule in rules))
              for title, (checks, wrong, rule_runs, rules) in correct.items()]
    return "\n".join(lines) + "\n"


def _row(*cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _percent(part, whole):
    return f"{100 * part / max(1, whole):.4g}"
