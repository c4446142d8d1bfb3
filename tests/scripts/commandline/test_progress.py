"""Progress bars: silent where there is no terminal, and without a warning in a notebook that lacks ipywidgets."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KERNEL = """
import sys, types
shell = types.SimpleNamespace(config={"IPKernelApp": 1})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell, __spec__=None)
sys.modules["ipykernel.zmqshell"] = types.SimpleNamespace()      # how newer versions of tqdm know a notebook
sys.modules["ipywidgets"] = None
"""


def printed(code):
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.stdout, done.stderr


def test_a_notebook_without_widgets_gives_no_warning():
    assert "TqdmWarning" in printed(f"{KERNEL}\nfrom tqdm.auto import tqdm")[1]
    assert printed(f"{KERNEL}\nfrom scripts.commandline.progress import tqdm; print(tqdm.__module__)") == (
        "tqdm.asyncio\n", "")


def test_nothing_is_drawn_where_there_is_no_terminal():
    code = "from scripts.commandline.progress import reading, tqdm; print(sum(tqdm(reading([1, 2]), disable=None)))"
    assert printed(code) == ("3\n", "")
