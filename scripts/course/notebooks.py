"""Notebooks from Markdown: each block of ```python becomes a code cell, what lies between them a Markdown cell."""
import json
import re
from pathlib import Path

from data.files import read_text
from scripts.course.draws import STANDARD, Constants
from scripts.course.own_constants import changed

SOURCES = "assignments/*_Captioning.md"
TOURS = ("assignments/Quick_Start", "assignments/Show_Attend_and_Tell")     # not of the course; stored with outputs
DROPPED = "application/vnd.jupyter.widget-view+json"                        # a progress bar that has ended
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
          "language_info": {"name": "python"}}


def notebook_of(markdown: str) -> str:
    """The notebook of a Markdown text -> JSON text, in nbformat 4.5, without outputs."""
    cells = []
    for k, part in enumerate(re.split(r"^```(?:python)?\n", markdown, flags=re.M)):
        code = k % 2 == 1
        if part.strip():
            cell = {"cell_type": "code" if code else "markdown", "id": f"cell-{len(cells) + 1:02d}", "metadata": {},
                    "source": part.strip("\n").splitlines(keepends=True)}
            cells.append({**cell, "execution_count": None, "outputs": []} if code else cell)
    return json.dumps({"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}, indent=1,
                      ensure_ascii=False) + "\n"


def notebooks_of(root: Path, constants: Constants = STANDARD) -> dict[str, str]:
    """All notebooks of a project -> path -> JSON text."""
    sources = {source.relative_to(root): source.read_text(encoding="utf-8") for source in sorted(root.glob(SOURCES))}
    return {path.with_suffix(".ipynb").as_posix(): notebook_of(changed(path.as_posix(), text, constants))
            for path, text in sources.items()}


def tour_of(source: Path, ran: list[dict] | None = None) -> str:
    """The notebook of a tour's Markdown source -> JSON text.

    ran: cells of the same notebook that have outputs; None: those of the file beside the source. Their outputs are kept
    if the code is the same in all cells.
    """
    notebook, path = json.loads(notebook_of(source.read_text(encoding="utf-8"))), source.with_suffix(".ipynb")
    if ran is None:
        ran = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
    new, old = ([cell for cell in cells if cell["cell_type"] == "code"] for cells in (notebook["cells"], ran))
    if [_text(cell["source"]) for cell in new] == [_text(cell["source"]) for cell in old]:
        for cell, before in zip(new, old):
            cell.update(execution_count=before["execution_count"], outputs=_kept(before["outputs"]))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _kept(outputs):
    """Outputs without progress bars and standard error, printed lines that follow each other in one."""
    found: list[dict] = []
    for output in outputs:
        if output.get("name") == "stderr" or DROPPED in output.get("data", {}):
            continue
        if output["output_type"] == "stream":
            text = _text(output["text"])
            if found and found[-1]["output_type"] == "stream":
                text = _text(found.pop()["text"]) + text
            output = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        found.append(output)
    return found


def _text(lines):
    """A text in a notebook, which may be a list of lines."""
    return lines if isinstance(lines, str) else "".join(lines)


def execute(path):
    """Run a notebook in its own folder. Raises ValueError with the cell's error, or where the packages are missing."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError:
        raise ValueError("running notebooks needs nbclient and ipykernel: pip install -e \".[notebooks]\"") from None
    try:
        notebook = nbformat.reads(read_text(path), as_version=4)
    except (nbformat.ValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: expected a notebook, found something else ({' '.join(str(error).split())[:200]})"
                         ) from error
    try:
        NotebookClient(notebook, timeout=600, store_widget_state=False, record_timing=False,
                       resources={"metadata": {"path": str(path.parent)}}).execute()
    except CellExecutionError as error:
        raise ValueError(f"{path}: {error}") from None
    return notebook
