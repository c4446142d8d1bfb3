"""Links of all Markdown files lead somewhere, and the mathematics in them is what GitHub and the site both typeset."""
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "assignments").glob("*.md")])
CODE = re.compile(r"^ *```.*?^ *```|`[^`]*`", re.S | re.M)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
MATH = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.S)


def names(pages):
    return [page.relative_to(ROOT).as_posix() for page in pages]


def prose(page):
    return CODE.sub("C", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    headings = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line) for line in re.findall(r"^#+ +(.*)$", text, re.M))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page):
    """Links to files that do not exist, or to headings that their page does not have."""
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"https?:|mailto:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_link_leads_somewhere(page):
    assert not list(broken(page))


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "other.md").write_text("# A heading: *here*\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#a-heading-here) [b](other.md#there) [c](no.md) `[d](no.md)` [e [f]](#g) <x>\n")
    assert list(broken(page)) == ["other.md#there", "no.md", "#g"]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_mathematics_survives_markdown(page):
    """Before GitHub typesets it, Markdown drops a backslash before punctuation and takes * and } _ as emphasis."""
    formulas = MATH.findall(prose(page))
    assert not [formula for formula in formulas if re.search(r"\\[^\w\s]|[*|]|[})\]']_", formula)]


def test_the_graphs_are_those_that_the_script_draws():
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs/images/draw.py")
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    for name, graph in draw.GRAPHS.items():
        drawn = (ROOT / f"docs/images/{name}.svg").read_text(encoding="utf-8")
        assert graph().svg() == drawn, "run python docs/images/draw.py"
