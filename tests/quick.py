"""Which tests `pytest -m quick` runs, in under a minute on one core: those of some folders, but for the slow files."""
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FOLDERS = ("rnnlayers", "models", "data", "gradcheck")          # and the files beside them
SLOW = {"rnnlayers": "engine_agreement engine_backend engine_compiling engine_decoding engine_errors engine_training "
                     "kernels",
        "models": "attention_models captioning_rnn checkpoint decoding metrics old_checkpoints read_ahead regions "
                  "solver",
        "data": "coco contents damaged_datasets dataset encoder feature_files features looking model_outputs "
                "odd_texts pictures prepare scenes tokenizer",
        "gradcheck": "attacks check_pair files files_found main mutants quotations contract diagnose no_false_cause "
                     "known"}
SLOW_BESIDE = "links"


def is_quick(path: Path) -> bool:
    """Whether a file of tests, or a folder, has tests that are quick."""
    folder, name = path.parent.relative_to(TESTS).as_posix(), path.stem.removeprefix("test_")
    if path.is_dir():
        return folder == "." and path.name in FOLDERS
    return name not in (SLOW.get(folder, "") if folder in FOLDERS else SLOW_BESIDE).split() and (
        folder in (".", *FOLDERS))
