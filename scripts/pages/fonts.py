"""Fonts for captions in any script: matplotlib's own, then installed ones that have the letters it lacks."""
import contextlib
import sys
from collections.abc import Iterable
from functools import cache
from unicodedata import category

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font


def families(texts: Iterable[str]) -> list[str]:
    """Font families that together have the letters of some texts; matplotlib tries them in this order for each letter.

    Letters that no installed font has are drawn as boxes; a line on standard error says so, once for the same letters.
    """
    chosen, lacking = FontProperties().get_family(), _lacking(findfont(FontProperties()), "".join(texts))
    fonts = sorted({(font.name, font.fname) for font in fontManager.ttflist if "Last Resort" not in font.name}
                   if lacking else ())                      # that one has a box for every letter
    while lacking:
        left, name = min(((_lacking(path, lacking), name) for name, path in fonts), key=lambda found: len(found[0]),
                         default=(lacking, ""))
        if left == lacking:
            _say(lacking)
            break
        lacking, chosen = left, [*chosen, name]
    return chosen


def _lacking(path: str, letters: str) -> str:
    """The letters that a font lacks, each once; all if its file is gone or damaged."""
    with contextlib.suppress(OSError, RuntimeError):
        known = get_font(path).get_charmap()
        return "".join(sorted({letter for letter in letters if ord(letter) not in known and
                               category(letter)[0] not in "CMZ"}))
    return letters


@cache
def _say(letters: str) -> None:
    print(f"no installed font has the letters {letters[:8]}: pictures show them as boxes until one is installed, such "
          "as Noto Sans CJK", file=sys.stderr)
