"""The commands that may come after a command: it prints them as its last lines, to be pasted."""
import shlex
import sys
from typing import TextIO

from scripts.commandline.catalogue import present
from scripts.commandline.invocation import pasteable

# command -> lines of what may come next, with the fields that next_steps is given
STEPS = {
    "extract_features": ("prepare_data csv --captions captions.csv --features {out} --out datasets/mine",
                         "train --data datasets/mine --model lstm"),
    "convert_features": ("prepare_data csv --captions captions.csv --features {out} --out datasets/mine",
                         "train --data datasets/mine --model lstm"),
    "train": ("report {run}", "evaluate {run} --split {split}", "caption {run} --split {split} --n 8"),
    "report": ("evaluate {run}", "diagnose {run}"),
    "diagnose": ("report {run}", "evaluate {run}"),
    "show_attention": ("check_attention {run}", "report {run}"),
    "check_attention": ("show_attention {run} --out figures", "report {run}"),
    "evaluate": ("report {run}", "diagnose {run}"),
    "check_scenes": ("report {run}", "evaluate {run}"),
    "make_assignment": ("prove_assignment", "make_autograder --platform gradescope --out autograder.zip"),
    "grade": ("pack_submission", "train --overfit 50"),
    "grade --class": ("make_autograder --platform gradescope --out autograder.zip", "grade_matrix --one"),
    "make_autograder": ("prove_assignment", "grade_matrix --one"),
    "prove_assignment": ("make_assignment --out ../captioning",
                         "make_autograder --platform gradescope --out autograder.zip"),
    "benchmark": ("benchmark --growth growth.png", "kill_matrix --seeds 1 --correct-seeds 1 --out matrix.md"),
    "kill_matrix": ("grade_matrix --one", "campaign kill --minutes 1"),
    "grade_matrix": ("grade_variants --ids 1", "campaign grade --minutes 1"),
    "grade_variants": ("grade_matrix --one", "campaign grade --minutes 1"),
    "hostile_table": ("grade_matrix --one", "campaign grade --minutes 1"),
    "campaign": ("campaign corrupt --minutes 1", "campaign input --minutes 1"),
}


def next_steps(command: str, **fields: object) -> list[str]:
    """The lines `Next: COMMAND` of what may come after a command, without commands that a student's tree lacks."""
    known = {name for commands in present().values() for name in commands}
    steps = [[word.format(**fields) for word in line.split()] for line in STEPS[command]]
    return [f"Next: {shlex.join([*pasteable(name), *rest])}" for name, *rest in steps if name in known]


def print_next(command: str, file: TextIO | None = None, **fields: object) -> None:
    """Print next_steps; file: standard error where standard output is for programs."""
    print(*next_steps(command, **fields), sep="\n", file=file or sys.stdout)

