"""METEOR and SPICE by the programs of their authors, where pycocoevalcap and Java are installed."""
import contextlib
import importlib
import io
import shutil

HINT = 'pip install -e ".[coco]", and Java on the PATH'


def java_scores(candidates, references):
    """METEOR and SPICE of tokenised captions -> {name: score} of those there are, and a line on those there are not."""
    lacking = None
    if importlib.util.find_spec("pycocoevalcap") is None:
        lacking = "pycocoevalcap is not installed"
    elif shutil.which("java") is None:
        lacking = "there is no java on the PATH"
    if lacking:
        return {}, f"METEOR and SPICE are left out: {lacking}; to have them: {HINT}"
    ids = list(candidates)
    truth, found = {i: references[k] for i, k in enumerate(ids)}, {i: [candidates[k]] for i, k in enumerate(ids)}
    scores, failed = {}, []
    for name in ("METEOR", "SPICE"):
        try:
            module = importlib.import_module(f"pycocoevalcap.{name.lower()}.{name.lower()}")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                scores[name] = float(getattr(module, name.capitalize())().compute_score(truth, found)[0])
        except Exception as error:      # a program in another language, fetched models: no list of what may fail
            failed.append(f"{name} is left out: {type(error).__name__}: {' '.join(str(error).split())[:120]}")
    return scores, "; ".join(failed)
