"""The table of hostile submissions as a page of Markdown."""
from scripts.campaigns.hostile_kinds import Kind
from scripts.campaigns.trial import Result

HEAD = """# Hostile submissions

Made by `python -m scripts.hostile_table --out docs/hostile.md`; `python -m scripts.campaign grade` counts the promises
that break, and [the instructors' page](instructors.md) says what holds on which platform. Each submission solves task
2.1 (10 points) and also tries what the second column says; where it tries to hand on a solution, the next student has
none. *All* is a Linux with full confinement (`--confinement full`), *no namespaces* a Linux as in most containers, and
*hook* a Linux whose kernel confines nothing. Other systems have only the hook, and nothing there ends processes that
escape it. "Held" means that no promise broke, with the points that the submission got; a dash marks a kind that could
harm the machine that made this page.

| kind | what it tries | all | no namespaces | hook |
|---|---|---|---|---|
"""
BROKEN = {                          # of trial.PROMISES, in the words of the table
    "wrong": "points for wrong work", "handed on": "hands its solution on", "next": "the next student loses points",
    "left": "something outlives it", "foreign": "reaches others", "network": "reaches the network",
    "time": "takes too long", "cost": "costs the grader too much", "crash": "crashes the grader"}


def page(kinds: list[Kind], results: dict[str, dict[str, Result]]) -> str:
    """The page: kinds, and the results of each form by the kinds' names."""
    rows = [[kind.name, kind.tries, *(_outcome(found.get(kind.name)) for found in results.values())] for kind in kinds]
    counts = [f"{form}: {sum(not result.faults for result in found.values())} of {len(found)} held"
              for form, found in results.items()]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return HEAD + "\n".join(lines) + f"\n\n{'; '.join(counts)}.\n"


def _outcome(result):
    if result is None:
        return "–"
    broken = ", ".join(BROKEN[name] for name in result.faults)
    return f"**{broken}**" if broken else f"held, {result.points:g}"
