"""The commands that may come after a command: it prints them as its last lines, to be pasted."""
import shlex
import sys
from typing import TextIO

from scripts.commandline.catalogue import present
from scripts.commandline.invocation import pasteable

# command -> lines of what may come next, with the fields that next_steps is given
STEPS = {
    "fetch_data encoder": ("extract_features --encoder {name} --images photos --out features.h5",
                           "fetch_data flickr8k --encoder {name}"),
    "fetch_data flickr8k": (
        "fetch_data mobilenet",
        "prepare_data flickr8k --captions {out}/Flickr8k.token.txt --splits {out} --images {out}/Flicker8k_Dataset "
        "--encoder mobilenet --out datasets/flickr8k",
        "train --preset flickr8k-bahdanau"),
    "fetch_data coco-captions": (
        "fetch_data mobilenet",
        "prepare_data coco --train {out}/annotations/captions_train2014.json --val "
        "{out}/annotations/captions_val2014.json --images train2014 val2014 --encoder mobilenet --out datasets/coco"),
    "fetch_data cs231n": ("train --data {out}/coco_captioning --model lstm", "show_batch --data {out}/coco_captioning"),
    "fetch_data cocopt": ("fetch_data mobilenet",
                          "prepare_data cocopt --file {out}/coco.pt --encoder mobilenet --out datasets/cocopt"),
    "prepare_data": ("show_batch --data {out}", "train --data {out} --overfit 50", "train --data {out}"),
    "prepare_data without features": (
        "fetch_data mobilenet", "prepare_data cocopt --file {pt} --encoder mobilenet --out datasets/cocopt"),
    "extract_features": ("prepare_data csv --captions captions.csv --features {out} --out datasets/mine",
                         "train --data datasets/mine --model lstm"),
    "convert_features": ("prepare_data csv --captions captions.csv --features {out} --out datasets/mine",
                         "train --data datasets/mine --model lstm"),
    "train with report": ("evaluate {run} --split {split}", "caption {run} --split {split} --n 8",
                          "show_batch"),
    "train": ("report {run}", "evaluate {run} --split {split}", "caption {run} --split {split} --n 8"),
    "caption --images": ("serve {run} --encoder {encoder}", "release {run} --out model.h5"),
    "caption --images of a release": ("serve {run} --encoder {encoder}", "release {run} --card"),
    "caption --images with scenes": ("fetch_data flickr8k --encoder mobilenet", "train --preset flickr8k-bahdanau"),
    "release": ("release {out} --card", "evaluate {out}"),
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


def print_next(command: str, stream: TextIO | None = None, **fields: object) -> None:
    """Print next_steps; stream: standard error where standard output is for programs."""
    print(*next_steps(command, **fields), sep="\n", file=stream or sys.stdout)

