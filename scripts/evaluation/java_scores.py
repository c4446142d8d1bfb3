"""METEOR and SPICE by their authors' Java programs, if pycocoevalcap and Java are installed.

Run as a command, it scores the captions on standard input. java_scores runs it in a process of its own, since these
programs print to any stream and may hang.
"""
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

SECONDS = 3600                      # time limit of a program
JAR = "spice/lib/stanford-corenlp-3.6.0.jar"
FETCH = "from pycocoevalcap.spice.get_stanford_models import get_stanford_models as f; f()"


def java_scores(candidates: dict, references: dict) -> tuple[dict[str, float], str]:
    """METEOR and SPICE of tokenised captions: the scores of the available ones, and a line about the others."""
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None:
        return {}, ("METEOR and SPICE are left out: pycocoevalcap is not installed; to have them: "
                    'pip install -e ".[coco]", and Java on the PATH')
    if not _java_works():
        return {}, "METEOR and SPICE are left out: they need Java, and there is no java on the PATH that works"
    places = package.submodule_search_locations or ()       # the package may be a mere folder, without __init__.py
    ids = list(candidates)
    captions = json.dumps([[references[i] for i in ids], [candidates[i] for i in ids]])
    scores, notes = {}, []
    for name in ("METEOR", "SPICE"):
        if name == "SPICE" and not any(Path(folder, JAR).is_file() for folder in places):
            notes.append(f'SPICE is left out: its Stanford models are not there; to fetch them: python -c "{FETCH}"')
            continue
        try:
            scores[name] = _score(name, captions)
        except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
            notes.append(f"{name} is left out, its program failed: {' '.join(str(error).split())[:200]}")
    return scores, "; ".join(notes)


def _java_works():
    try:
        return bool(shutil.which("java")) and not subprocess.run(["java", "-version"], capture_output=True,
                                                                 timeout=60).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def _score(name, captions):
    """Run this file on the captions -> the number in its last line."""
    command = [sys.executable, __file__, name]
    done = subprocess.run(command, input=captions.encode(), capture_output=True, timeout=SECONDS)
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    module = importlib.import_module(f"pycocoevalcap.{sys.argv[1].lower()}.{sys.argv[1].lower()}")
    truth, found = json.load(sys.stdin)
    scorer = getattr(module, sys.argv[1].capitalize())()
    print(scorer.compute_score(dict(enumerate(truth)), {i: [text] for i, text in enumerate(found)})[0])
