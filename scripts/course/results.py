"""Feedback on a graded submission: lines on a terminal, Gradescope's results.json, and a CSV for a class.

A submission sees the inputs of the hidden checks. What it prints, raises or does may tell its author, so that below
FULL nothing is shown but words of ours: which properties hold, or points alone.
"""
import csv
import io
import json

from scripts.commandline.outputs import json_kind, text_kind

RESULTS = json_kind("results.json of scripts.grade", "score", "output", "tests")
GRADES = text_kind("table of scripts.grade", r"student,[^\n]*,total,remark\n")
LINES = 40                          # of feedback, for one task
FULL, PROPERTIES, SCORE = LEVELS = ("full", "properties", "score")


def printable(value, most=80):
    """A value as a line that terminals and tables can show."""
    return "".join(char if char.isprintable() else "?" for char in str(value).expandtabs()[:most])


def feedback(graded, level=FULL):
    """The feedback on a task at one of LEVELS -> list of at most LINES lines."""
    if level == SCORE:
        return []
    lines = [*_blocked(graded), *(_properties(graded) if level == PROPERTIES else _details(graded))]
    lines = [printable(line, 200) for line in lines]
    return lines if len(lines) <= LINES else [*lines[:LINES - 1], f"... {len(lines) - LINES + 1} more lines"]


def _blocked(graded):
    """The tasks that a task builds on and that are wrong, and how it was graded."""
    if graded.blocked:
        how = graded.how or "graded with the submission's own functions, do that first"
        return [f"blocked by {', '.join(graded.blocked)}: {how}"]
    return [graded.how] if graded.how else []


def _properties(graded):
    """Lines without a word, number or choice of words of the submission's."""
    return [*(f"{outcome.name}: lost" for outcome in graded.outcomes if outcome.problem),
            *(f"{outcome.name}: more precise than the inputs, which costs nothing" for outcome in graded.outcomes
              if outcome.hint and not outcome.problem)]


def _details(graded):
    """Lines about what was wrong, with numbers, and what the submission raised, printed and did."""
    lines, said, reported = [f"the submission {note}" for note in graded.notes], set(), set()
    for outcome in graded.outcomes:
        case = outcome.name.rpartition(": ")[0]
        reported |= {case} if outcome.report else set()
        problem = "" if case in reported and outcome.problem == "wrong" else outcome.problem
        if not outcome.problem or problem in said:
            continue
        said.add(problem)
        lines += [f"{outcome.name}: {problem}"] if problem else []
        lines += outcome.report.split("\n") if outcome.report else []
    lines += dict.fromkeys(f"hint: {outcome.hint}" for outcome in graded.outcomes if outcome.hint)
    if graded.printed:
        lines += ["printed:", *(f"  {line}" for line in graded.printed.split("\n")[:8])]
    return lines


def summary(graded, level=FULL):
    """A task in a line."""
    lost = [outcome.name for outcome in graded.outcomes if outcome.problem]
    words = "ok" if not lost else f"{len(lost)} of {len(graded.outcomes)} properties lost: {', '.join(lost)}"
    words = "" if level == SCORE else words if len(words) < 72 else words[:68] + " ..."
    return (f"{graded.task.name}  {graded.task.title:38.38s} {graded.score:6.2f} / {graded.task.points:<3d} {words}"
            ).rstrip()


def total(graded):
    """Points reached, and points available."""
    return round(sum(task.score for task in graded), 2), sum(task.task.points for task in graded)


def results_json(graded, notes=(), level=FULL):
    """Gradescope's results.json (bytes), with a test for each property, or at SCORE for each task.

    A task's feedback is shown with its first property that failed or hints. What the autograder prints is for
    instructors.
    """
    tests = [test for task in graded for test in (_task_test(task) if level == SCORE else _tests(task, level))]
    content = {"score": total(graded)[0], "output": "\n".join(notes), "stdout_visibility": "hidden", "tests": tests}
    return (json.dumps(content, indent=1) + "\n").encode()


def _tests(task, level):
    lines = feedback(task, level)
    for outcome, (got, of) in zip(task.outcomes, task.points):
        show = bool(outcome.problem or outcome.hint) and bool(lines)
        yield {"name": f"{task.task.name} {outcome.name}", "score": got, "max_score": of,
               "output": "\n".join(lines) if show else "", "number": task.task.name}
        lines = [] if show else lines


def _task_test(task):
    yield {"name": f"{task.task.name} {task.task.title}", "score": task.score, "max_score": task.task.points,
           "output": "", "number": task.task.name}


def class_csv(rows, names):
    """Rows (student, list of Graded or None, remark), one per submission -> the CSV as bytes."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", *names, "total", "remark"])
    for student, graded, remark in rows:
        scores = {task.task.name: task.score for task in graded or ()}
        table.writerow([_plain(student), *(scores.get(name, 0) for name in names),
                        total(graded)[0] if graded else 0, _plain(remark)])
    return text.getvalue().encode(errors="backslashreplace")     # file names may not be UTF-8


def _plain(text):
    """The text, changed so that no spreadsheet takes it for a formula."""
    text = " ".join(str(text).split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
