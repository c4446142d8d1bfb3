"""The commands, in groups, with a line on each."""
import contextlib
from pathlib import Path

from scripts.commandline.invocation import as_started, by_console

FOLDER = Path(__file__).resolve().parents[1]
GROUPS = {
    "Data": {
        "fetch_data": "download a public data set, or an image model",
        "extract_features": "image features from your pictures and an ONNX model",
        "convert_features": "a feature file from features that others wrote",
        "prepare_data": "a dataset folder from captions and features, or of drawn scenes",
        "show_batch": "print and draw a training minibatch",
    },
    "Training": {
        "train": "train a captioner; without options, on the drawn scenes",
    },
    "Inspecting a run": {
        "report": "one HTML page: scores, captions, attention, gates and gradients",
        "diagnose": "test the known ways in which captioners fail, with causes and remedies",
        "show_attention": "draw the attention of each word over the picture",
        "check_attention": "test whether attention moves; on scenes, whether it finds the right object",
    },
    "Scores": {
        "evaluate": "caption a split and score it, beside trivial baselines and human captions",
        "check_scenes": "count which colours and shapes the captions of scenes get right",
        "score": "score captions in any common file format against references",
    },
    "Own photos": {
        "caption": "print captions of a split, or of your own photos",
        "serve": "caption photos in the browser",
        "release": "one file of a run for others, with a model card",
        "benchmark_serve": "measure the latency of a running service",
    },
    "Courses": {
        "make_assignment": "a student's copy of the project, without the solutions",
        "make_notebooks": "the notebooks from their Markdown sources",
        "pack_submission": "check your work and pack it for handing in",
        "grade": "grade one submission, or a folder of them",
        "make_autograder": "an autograder for Gradescope, otter-grader or nbgrader",
        "prove_assignment": "test an assignment before it is handed out",
    },
    "Checks of the project": {
        "benchmark": "time training steps against PyTorch and the textbook layers",
        "kill_matrix": "test the gradient checker on wrong backward passes",
        "grade_matrix": "test the grader on wrong solutions",
        "grade_variants": "test the grader on right solutions",
        "hostile_table": "test the grader on hostile submissions",
        "campaign": "attack a promise of the project for some minutes, and count what breaks",
    },
}


def present() -> dict[str, dict[str, str]]:
    """GROUPS without commands whose files are absent: a student's tree has fewer."""
    groups = {title: {name: line for name, line in commands.items() if (FOLDER / f"{name}.py").is_file()}
              for title, commands in GROUPS.items()}
    return {title: commands for title, commands in groups.items() if commands}


def overview() -> str:
    """All commands -> str."""
    lines = [as_started("usage: python -m scripts.COMMAND [options]; --help lists a command's options")]
    for title, commands in present().items():
        lines += ["", f"{title}:", *(f"  {name:17s} {line}" for name, line in commands.items())]
    check = "rnnlayers gradcheck" if by_console() else "python -m gradcheck"
    lines += ["", f"{check} checks the gradients of all layers, or of yours"]
    return "\n".join(lines)


def unknown(name: str) -> str:
    """The error message for a command that does not exist."""
    hint = ""
    with contextlib.suppress(Exception):        # NumPy may be absent, and a student's layers may not be Python yet
        from models.options import did_you_mean
        hint = did_you_mean(name, [name for commands in present().values() for name in commands])
    return f"no command {name!r}{hint or ':'} {'rnnlayers' if by_console() else 'python -m scripts'} lists all commands"
