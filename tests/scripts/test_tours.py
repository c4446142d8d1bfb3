"""The notebooks in assignments/ that are not of the course: stored as .ci/run runs them."""
import json
import re
from pathlib import Path

import pytest

from scripts.course.notebooks import TOURS, notebooks_of, tour_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tour", TOURS)
def test_a_tour_is_stored_as_it_ran(tour):
    path = ROOT / f"{tour}.ipynb"
    text = path.read_text(encoding="utf-8")
    again = "python -m scripts.make_notebooks, then --execute --save"
    assert tour_of(path.with_suffix(".md")) == text, f"{path}: {again}"
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), f"{path}: {again}"
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data", "execute_result"}
    said = "likely cause: dprev_h: Wh is used where its transpose belongs" if "Quick" in tour else "BLEU-4   CIDEr"
    assert said in "".join("".join(output.get("text", "")) for output in outputs)
    assert len(text) < 1.5e6 and not re.search(r"/(home|work|tmp|root|usr|Users)/|\\Users", str(outputs))


def test_a_tour_is_in_no_students_tree():
    assert not set(notebooks_of(ROOT)) & {f"{tour}.ipynb" for tour in TOURS}


def test_outputs_are_kept_while_the_code_stays_the_same(tmp_path):
    source, stream = tmp_path / "a.md", {"output_type": "stream", "name": "stdout"}
    source.write_text("Words.\n```python\nprint(1)\n```\n")
    ran = [{"cell_type": "code", "source": ["print(1)"], "execution_count": 1, "outputs": [
        {**stream, "text": "1\n"}, {**stream, "text": ["2\n"]}, {**stream, "name": "stderr", "text": "warning"},
        {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}}, "metadata": {}}]}]
    (tmp_path / "a.ipynb").write_text(tour_of(source, ran))
    cell = json.loads(tour_of(source))["cells"][1]
    assert cell["outputs"] == [{**stream, "text": ["1\n", "2\n"]}] and cell["execution_count"] == 1
    source.write_text("Other words.\n```python\nprint(1)\n```\n")
    assert json.loads(tour_of(source))["cells"][1]["outputs"]
    source.write_text("Words.\n```python\nprint(2)\n```\n")
    assert json.loads(tour_of(source))["cells"][1] == {**cell, "source": ["print(2)"], "outputs": [],
                                                      "execution_count": None}
