"""The files that students get. A new file is not handed out until it is listed here, except where a folder is ALL.

ALL are the folders of the layers, of the cells and of the gradient checks: what is new there belongs to the course. The
leak check looks at it, as at every file that is handed out. A test follows the imports of these files: what one of them
imports has to be listed too, or named in OPTIONAL.
"""
from pathlib import Path

ALL = "*"                           # all modules of a folder, without its subfolders

HANDED_OUT = {                      # folder -> modules
    # the layers, with the tasks in them; not the engine, which is a subfolder
    "rnnlayers": ALL,
    # the captioner with its tasks, training it, and captions from it
    "models": """__init__ averages backend batches bleu captioning_rnn captioning_transformer checkpoint cider decoding
                 dropout images initial_params likelihood metrics minibatches ngrams objective options read_ahead reprs
                 schedules safetensors_file search selection solver stored_model transfer""",
    "models/cells": ALL,
    # data sets and drawn scenes
    "data": """__init__ caption_data coco contents dataset encoder encoders feature_file features files fingerprints
               forms letters loading locks look looking markers matching model_outputs naming onnx_models photos
               picture_formats pictures places prepare records scene_captions scene_dataset scene_features scenes sealed
               sources splits tables tokenizer treebank vocabulary word_counts word_vectors""",
    # the gradient checks; not the subfolder of known layers, which contains recurrent cells
    "gradcheck": ALL,
    # commands: test and hand in; train and look at the result
    "scripts": "__init__ grade pack_submission train caption show_batch show_attention",
    # the libraries of these
    "scripts/commandline": """__init__ catalogue command decoding_options image_model invocation next_steps outputs
                              parser progress run_options""",
    "scripts/runs": """__init__ divergence folders newest photos released settings start stored training training_files
                       transfer""",
    "scripts/datasets": "__init__ defaults",
    "scripts/evaluation": "__init__ caption_output captions",
    "scripts/pages": "__init__ attention_figures caption_page figures fonts overlay pictures samples templating",
    # the grader as grade and pack_submission run it, and lab for the notebooks
    "scripts/course": """__init__ adam_checks cache_form cgroups channel child class_grading confine confinement draws
                         encoding_checks evaluations files grading guard lab model_checks namespaces outcomes packing
                         pair_calls pair_checks pipes privileges probe process_tree project regions results seccomp
                         submission supervisor sweep syscalls task_folder tasks wire""",
}
OTHER_FILES = (
    "assignments/tasks.json", "LICENSE", "setup.cfg", "pyproject.toml", ".gitignore",
    *(f"scripts/pages/templates/{name}" for name in (
        "captions.html", "captions.js", "head.html", "overlay.js", "page.css")),
)
OPTIONAL = (                        # not handed out, and imported only if they are present
    "rnnlayers/engine", "models/packed", "models/gradient_norms.py", "models/stacked_attention.py", "gradcheck/known",
    "scripts/pages/report.py", "scripts/course/own_constants.py", "scripts/course/modules.py",
)


def handed_out(root: Path) -> list[str]:
    """Paths of the files below a project's root that go to students as they are or with stubs, sorted.

    Raises FileNotFoundError if a listed file is absent.
    """
    found = set(OTHER_FILES)
    for folder, modules in HANDED_OUT.items():
        paths = (root / folder).glob("*.py") if modules == ALL else [
            root / folder / f"{name}.py" for name in modules.split()]
        found.update(path.relative_to(root).as_posix() for path in paths)
    missing = [path for path in sorted(found) if not (root / path).is_file()]
    if missing:
        raise FileNotFoundError(f"{root / missing[0]}: is listed in scripts/course/handout.py and not there")
    return sorted(found)
