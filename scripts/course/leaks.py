"""Finds solutions in files that are about to be handed out: whole lines, and expressions under other variable names.

An expression is reported if it matches one of a solution that has at least WEIGHT operations (terms.COUNTED). Idioms
have fewer: np.stack(hs, axis=1) has 0, .sum(axis=0) 1, x @ W + b 2, a moving average 4.5. A softmax has 5.5, the
derivative of tanh with its upstream gradient and a weight 5. Three statements in a row that share variables count
together, because a backward is often several short products: the gradients of a linear layer have 5.
"""
import ast
from collections import defaultdict
from itertools import product
from typing import NamedTuple

from scripts.course.code_in import code_in, lines_in
from scripts.course.operations import TermsWithOperations
from scripts.course.regions import normal, region_code, solution_lines
from scripts.course.tasks import closure
from scripts.course.terms import Reader

WEIGHT = 5                          # operations
PIECES, SPAN = 3, 8                 # statements that are judged together, and the most lines they may span
EXCEPTIONS = {                      # (file, function) that may share an expression with a solution -> why
    ("gradcheck/mistakes.py", "derivative"):
        "multiplies every input with every upstream gradient to explain a wrong one; it does not say which is right",
    ("models/search.py", "log_softmax"): "decoding needs it; it is part of a forward and has no gradient",
    ("rnnlayers/optim.py", "rmsprop"): "the simpler update rule that students read before they write Adam",
}


class Pattern(NamedTuple):
    """Terms of a solution, whose leaves may stand for anything."""
    task: str
    place: str                      # "rnnlayers/rnn.py:39"
    terms: tuple                    # one, or PIECES
    operations: int                 # of all of them, as bits


def find_leaks(project, names, files):
    """Lines and expressions of the tasks' solutions in files (path -> bytes) -> sentences.

    Code that they share with tasks they build on is not reported, because those are handed out solved.
    """
    given = set(closure(names, project.tasks)) - set(names)
    return [*_same_lines(project, names, given, files), *_same_expressions(project, names, given, files)]


def _same_lines(project, names, given, files):
    wanted, known = {}, set()
    for path, regions in project.regions.items():
        for task, lines in solution_lines(project.texts[path], regions).items():
            wanted.update(dict.fromkeys(lines, task) if task in names else {})
            known.update(lines if task in given else ())
    for path, content in files.items():
        for line in map(normal, lines_in(path, content)):
            if line in wanted and line not in known:
                yield f"{path}: {line!r} is part of the solution of {wanted[line]}"


def _same_expressions(project, names, given, files):
    terms = TermsWithOperations(place[1] for places in project.places.values() for place in places)
    patterns = _wanted(project, names, given, terms)
    for path, content in files.items():
        leaks = {(first + line - 1, pattern.task, pattern.place)
                 for first, tree in code_in(path, content, _stating(project, path))
                 for pattern, line in _found(terms, patterns, tree)
                 if (path, _function(tree, line)) not in EXCEPTIONS}
        yield from (f"{path}:{line}: computes a part of the solution of {task}, {place}"
                    for line, task, place in sorted(leaks))


def _stating(project, path):
    """Names whose docstrings may state equations: in a task's file those of its forwards, and "", the module."""
    forwards = {region.function.rpartition(".")[2] for region in project.regions.get(path, ())
                if not region.function.endswith("backward")}
    return {"", *forwards} if path in project.regions else set()


def _wanted(project, names, given, terms):
    """Patterns of the tasks `names` without those that match a solution of `given` -> dict of Patterns."""
    code = [(region.task, f"{path}:{region.first + 1}", region_code(project.texts[path], region))
            for path, regions in project.regions.items() for region in regions]
    patterns = {(task, pattern.terms): pattern for task, place, tree in code if task in names
                for pattern in _patterns(terms, tree, task, place)}
    for task, _, tree in code:
        if task in given:
            for pattern, _ in _found(terms, patterns, tree):
                patterns.pop((pattern.task, pattern.terms), None)
    return patterns


def _function(tree, line):
    """The module's function, or the method, that contains a line, or ""."""
    return next((node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
                 and node.lineno <= line <= node.end_lineno), "")


# --- patterns of a solution -------------------------------------------------------------------------------------------

def _patterns(terms, tree, task, place):
    """The smallest expressions of a solution with enough operations, and its groups of statements."""
    reader, memo = Reader(terms).read(tree), {}
    for number in sorted({k for root in reader.roots for k in terms.inside(root)}):
        for term in _versions(terms, number, reader.named, memo):
            if terms.weight(term) >= WEIGHT and all(terms.weight(k) < WEIGHT for k in terms.all[term].of):
                yield Pattern(task, place, (term,), terms.operations(term))
    pieces = [_cut(terms, root, reader.named) for root in reader.roots]
    pieces = [piece for piece in pieces if terms.weight(piece)]
    for k in range(len(pieces) - PIECES + 1):
        group = sorted(pieces[k:k + PIECES], key=lambda piece: (-terms.weight(piece), piece))
        if sum(map(terms.weight, group)) >= WEIGHT and _linked(terms, group):
            yield Pattern(task, place, tuple(group), terms.union(group))


def _versions(terms, number, named, memo):
    """A term, with any choice of its named subterms replaced by leaves. Kept subterms are lighter than WEIGHT."""
    if number not in memo:
        choices = [[*([terms.number(f"leaf of {k}")] if k in named else ()),
                    *(term for term in _versions(terms, k, named, memo) if terms.weight(term) < WEIGHT)]
                   for k in terms.all[number].of]
        memo[number] = sorted({terms.number(terms.all[number].op, *of) for of in product(*choices)})
    return memo[number]


def _cut(terms, number, named):
    """A term, with all its named subterms replaced by leaves."""
    return terms.number(terms.all[number].op, *(
        terms.number(f"leaf of {k}") if k in named else _cut(terms, k, named) for k in terms.all[number].of))


def _linked(terms, group):
    """Whether each term shares a leaf with those before it, and a single operation all its leaves."""
    known = set()
    for piece in group:
        leaves = {k for k in terms.inside(piece) if terms.all[k].op.startswith("leaf")}
        if known and not (leaves & known if terms.weight(piece) > 1 else leaves <= known):
            return False
        known |= leaves
    return True


# --- what is found in code --------------------------------------------------------------------------------------------

def _found(terms, patterns, tree):
    """The patterns that match a module -> yields (pattern, line), each pair once."""
    reader, by_op = Reader(terms).read(tree), defaultdict(list)
    for number in reader.places:
        by_op[terms.all[number].op].append(number)
    known = terms.union(reader.places)
    for pattern in list(patterns.values()):
        if pattern.operations & ~known:                 # most patterns have one that this code lacks
            continue
        for line in set(_places(terms, pattern.terms, by_op, reader.places, {}, None)):
            yield pattern, line


def _places(terms, group, by_op, places, bound, near):
    """Lines at which the terms of a group match terms near each other, with the same meaning of their leaves."""
    wanted = terms.operations(group[0])
    for number in by_op.get(terms.all[group[0]].op, ()):
        if wanted & ~terms.operations(number):
            continue
        lines = [line for line in sorted(places[number]) if near is None or abs(line - near) < SPAN]
        for more in _match(terms, group[0], number, bound) if lines else ():
            for line in lines:
                if len(group) == 1:
                    yield line
                else:
                    yield from _places(terms, group[1:], by_op, places, more, near or line)


def _match(terms, pattern, number, bound):
    """Matches of a pattern with a term -> yields what each leaf stands for, leaf -> number."""
    if pattern == number and terms.all[pattern].op.startswith("const"):
        yield bound
        return
    wanted, found = terms.all[pattern], terms.all[number]
    if wanted.op.startswith("leaf"):
        if bound.get(pattern, number) == number and not found.op.startswith("const"):
            yield {**bound, pattern: number}
    elif wanted.op == found.op and not wanted.op.startswith("const"):
        if wanted.op in ("+", "*"):
            yield from _match_some(terms, wanted.of, found.of, bound)
        elif len(wanted.of) == len(found.of) or wanted.op.startswith("layer"):
            yield from _match_all(terms, wanted.of, found.of, bound)


def _match_all(terms, patterns, numbers, bound):
    """Matches in this order. Surplus arguments are ignored: a call may have *args."""
    if not patterns or not numbers:
        yield bound
        return
    for more in _match(terms, patterns[0], numbers[0], bound):
        yield from _match_all(terms, patterns[1:], numbers[1:], more)


def _match_some(terms, patterns, numbers, bound):
    """Matches of summands or factors in any order; there may be more of them."""
    if not patterns:
        yield bound
        return
    for k, number in enumerate(numbers):
        for more in _match(terms, patterns[0], number, bound):
            yield from _match_some(terms, patterns[1:], numbers[:k] + numbers[k + 1:], more)
