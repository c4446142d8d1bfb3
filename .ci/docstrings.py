"""griffe extension: docstrings are plain text with equations, which Markdown has to leave as they are."""
import re

import griffe

FULL = 95                           # a line that ends before this column ends there on purpose


def plain(text: str) -> str:
    """Markdown that shows the text: no tags and no emphasis outside of `code`, and the line breaks that are meant."""
    lines = []
    for line in text.split("\n"):
        if not line.startswith("    "):
            parts = re.split(r"(`[^`]*`)", line)
            parts[::2] = [re.sub(r"([*_\[\]])", r"\\\1", part.replace("<", "&lt;")) for part in parts[::2]]
            line = "".join(parts) + "  " * (0 < len(line) < FULL)
        lines.append(line)
    return "\n".join(lines)


class PlainText(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)
