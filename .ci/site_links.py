"""mkdocs hook: links that leave docs/ for a file of the repository, which work on GitHub, work on the site too.

A module that the reference documents is linked there; of other files the site shows the name alone.
"""
import logging
import re
from pathlib import Path

LOG = logging.getLogger("mkdocs.hooks")
ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = re.compile(r"\[([^\]\n]+)\]\(((?:\.\./)+[\w./-]+)\)")


def documented() -> set[str]:
    """Names of the modules in docs/reference."""
    pages = (page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md"))
    return {name for page in pages for name in re.findall(r"^::: ([\w.]+)", page, re.M)}


def on_page_markdown(markdown, page, config, files):
    """The page's text with such links replaced; a warning, which ends a strict build, for a missing file."""
    folder, docs = Path(page.file.abs_src_path).parent, Path(config.docs_dir)

    def replaced(match):
        label, target = match[1], (folder / match[2]).resolve()
        if docs in target.parents:
            return match[0]
        if not target.exists():
            LOG.warning("%s links to %s, which does not exist", page.file.src_path, match[2])
        name = ".".join(target.relative_to(ROOT).with_suffix("").parts)
        return f"[{label}][{name}]" if name in modules else label

    modules = documented()
    return OUTSIDE.sub(replaced, markdown)
