"""Shapes that docstrings give, as --shapes takes them: "x: Input data, of shape (N, d_1, ..., d_k)" is x=N,2,6.

What is not written there is not guessed, except settings that bear a well-known name: eps, conv_param, 'stride'.
"""
import re
from collections.abc import Iterable
from typing import Any

from gradcheck.shapes import FILE_SIZES

# Settings of 1 and 0.5 would hide mistakes: a stride that is left out, p for 1 - p
SETTINGS: dict[str, Any] = {"eps": 1e-5, "epsilon": 1e-5, "momentum": 0.7, "p": 0.3, "keep_prob": 0.7, "alpha": 0.3,
                            "slope": 0.3, "negative_slope": 0.3, "stride": 2, "pad": 1, "padding": 1, "G": 3,
                            "seed": 0, "mode": "train"}
KEYS = {"pool_height": 2, "pool_width": 2, "f": 2, "stride": 2, "pad": 1, "mode": "train", "p": 0.3, "seed": 0}
DICTS = {"conv_param": "stride pad", "pool_param": "pool_height pool_width stride", "bn_param": "mode",
         "dropout_param": "mode p seed", "ln_param": "", "gn_param": ""}
FLAT = 12                           # numbers in the axes 2, 6, which stand for d_1, ..., d_k
REST = "2,6"                        # the axes that an ellipsis stands for

RETURNS = re.compile(r"^\s*(?::returns?\b|(?:returns?|outputs?|yields?)\s*(?::|$)|returns?\b[^\n]*:\s*$)|->",
                     re.M | re.I)
ITEM = r"(?:[-*+•][ \t]*)?(?::param[ \t]+(?:\w+[ \t]+)?)?[`'\"*]*"     # what may stand before a name
QUOTE = r"[`'\"*]*"
TUPLE = r"[(\[]([^()\[\]]*)[)\]]"
SHAPED = re.compile(rf"\b(?:shape|size|dimensions?)\b[^()\[\]\n.;]{{0,20}}{TUPLE}", re.I)
ANY = re.compile(r"\bany (?:other )?(?:shape|size)|\barbitrary shape", re.I)
NUMBERS = r"(?:integers?|ints?|int32|int64|indices|labels|ids)"
ARRAYS = r"(?:(?:numpy|np)[ .])?(?:(?:nd|1-?d |2-?d )?arrays?|vectors?|matrix|matrices|tensors?|lists?)"
# Whole numbers, where the word stands for the array itself: "integer array", "array of labels"; or "labels (N,)" at the
# beginning and "(N,) labels" after the shape. "one for each of the labels" is not meant
EXPLICIT = re.compile(rf"\b{NUMBERS}(?:-valued)? {ARRAYS}|\b{ARRAYS} of (?:[a-z]+ ){{0,2}}{NUMBERS}\b"
                      r"|\bdtype\W{0,4}(?:np\.)?u?int|\(u?int(?:32|64)?\)", re.I)
BEFORE = re.compile(r"\W*(?:None or )?(?:(?!(?:of|for|per|each|in|where|number|has|not|by|over)\b)[\w-]+ ){0,3}"
                    rf"{NUMBERS}\b(?!-)", re.I)
AFTER = re.compile(rf"[^\w.]{{0,3}}(?:{ARRAYS} )?(?:of )?(?:(?:true|class|word|correct) )?{NUMBERS}\b"
                   r"(?! of (?:the|a)\b)", re.I)
BOOLEAN = re.compile(rf"\bbool(?:ean)?s?(?:[- ](?:valued )?(?:{ARRAYS}|masks?))|\b(?:{ARRAYS}|masks?) of (?:bool|true)"
                     r"|\bdtype\W{0,4}(?:np\.)?bool|\(bool(?:ean)?\)|^\W*bool|[)\]]\W{0,2}(?:of )?bool", re.I | re.M)
LEARNED = re.compile(r"\b(?:learn(?:ed|t|able)|trainable)\b.{0,20}\b(?:scalar|number|slope|parameter)"
                     r"|\bscalar\b.{0,20}\b(?:learn(?:ed|t|able)|trainable)\b", re.I)
SCALAR = re.compile(r"\W*(?:(?:a|the|single|float) ){0,2}scalar\b", re.I)
TUPLES = re.compile(r"\b(?:tuple|list)s?\b[^()\[\]\n.]{0,20}[(\[]"
                    r"|^\W*\([^()]*\)[, ]{0,2}(?:an? )?(?:tuple|list)\b", re.I)
WEIGHTS = {"w", "b", "x"}           # names of floats, unless the docstring is explicit
FLATTENED = re.compile(r"\b([A-Z])\s*=\s*(?:d_?[1i]\b|\\?prod|\\Pi|np\.prod)")
BOUND = re.compile(r"(?:<\s*|\[0,\s*|\b0\s*(?:\.\.+|to)\s*)([A-Za-z]\w*)\b(?!\s*\[)")


def shapes_in(text: str | None, names: Iterable[str]) -> dict[str, str]:
    """name -> what --shapes takes after name=, for those of the names that a docstring describes."""
    text = RETURNS.split(text or "", maxsplit=1)[0]
    names = list(names)
    found = {name: _shape(name, _described(name, names, text), text) for name in names}
    return {name: shape for name, shape in found.items() if shape is not None}


def _described(name: str, names: list[str], text: str) -> str:
    """What a docstring says about a name: from a line that begins with it up to the next item, or in a sentence."""
    known = "|".join(map(re.escape, names))
    more = rf"(?:{QUOTE}(?:,|[ \t]+and)[ \t]*{QUOTE}(?:{known})\b){{0,9}}{QUOTE}"
    line = rf"^([ \t]*){ITEM}(?:(?:{known}),[ \t]*){{0,9}}{re.escape(name)}{more}[ \t]*(?:$|--?|[:=(–—]|of\b|is\b)"
    begin = re.search(line, text, re.M) or re.search(rf"[,;.]([ \t]+){QUOTE}{re.escape(name)}{QUOTE}[ \t]*:", text)
    if begin:
        rest = text[begin.end() - 1:]
        end = re.search(rf"\n[ \t]{{0,{len(begin[1])}}}{ITEM}\w[\w ,]*{QUOTE}[ \t]*(?:\([^()]*\)[ \t]*)?(?:[:–—]|--)"
                        rf"|\n[ \t]*\n|[,;]\s*{QUOTE}(?:{known}){more}[ \t]*:?(?:[ \t]*\w+){{0,4}}\s*\(", rest)
        return _own_shape(name, re.findall(rf"\b(?:{known})\b", begin[0]), rest[:end.start()] if end else rest)
    inline = re.search(rf"(?<![\w.]){re.escape(name)}{more}(?:[ \t]+(?:None|or|integers?|ints?|float|bool\w*))*"
                       r"(?:\s+(?:(?:is|has|of|shape)\s+){0,3}|\s*:\s*(?:of\s+)?(?:shape\s*)?)\([^()]*,[^()]*\)", text)
    return inline[0] if inline else ""


def _own_shape(name: str, together: list[str], words: str) -> str:
    """Words in which a name described together with others, as in "w, b: (D, M), (M,)", has its own shape alone."""
    shapes = [inside for inside in re.findall(TUPLE, words) if "," in inside]
    if len(shapes) != len(together) or len(together) == 1:
        return words
    return f"{re.sub(TUPLE, '', words)} shape ({shapes[together.index(name)]})"


def _shape(name: str, words: str, text: str) -> str | None:
    if re.search(r"\bdict", words, re.I) or name.endswith(("_param", "_params")):
        return _dict(name, words)
    axes = None if TUPLES.search(words) else _axes(words, FLATTENED.search(text))
    if axes is None and (LEARNED.search(words) or (SCALAR.match(_head(words)) and name not in SETTINGS)):
        return ""
    if axes is None:
        return f"({SETTINGS[name]!r})" if name in SETTINGS else None
    if BOOLEAN.search(words) or "mask" in name:
        return f"{axes}<bool"
    return f"{axes}<{_bound(words, text)}" if _whole(name, axes, words) else axes


def _head(words: str) -> str:
    """A description after the sign that begins it."""
    return re.sub(r"^[\s:=–—-]*(?:\((?:np\.|numpy\.)?(?:nd)?array\)\s*:?)?\s*", "", words)


def _whole(name: str, axes: str, words: str) -> bool:
    """Whether a description is that of an array of whole numbers."""
    if EXPLICIT.search(words):
        return True
    if name.lower() in WEIGHTS and len(axes.split(",")) > 1:
        return False
    shape = re.search(TUPLE, words)
    return bool(BEFORE.match(words[:shape.start()] if shape else words) or (shape and AFTER.match(words[shape.end():])))


def _dict(name: str, words: str) -> str | None:
    keys = [key for key in KEYS if re.search(rf"(?<![\w']){key}\b(?! of)\s*:|['\"]{key}['\"]", words)]
    if not keys and not re.search(r"\bdict", words, re.I) and name not in DICTS:
        return None
    keys = keys or DICTS.get(name, "").split()
    settings = {key: KEYS[key] for key in keys}
    return f"({settings!r})"


def _axes(words: str, flattened: re.Match | None) -> str | None:
    """The first shape in a description, as N,D."""
    shaped = [match[1] for match in SHAPED.finditer(words)]
    plain = [inside for inside in re.findall(TUPLE, words) if re.search(",| [x×] ", inside)]
    for inside in shaped + plain:
        axes = [_axis(axis, flattened) for axis in re.split(r",| [x×] ", inside.rstrip(", "))] if inside.strip() else []
        if axes.count("...") == 1:
            axes = _expanded(axes)
        if all(axis and axis != "..." for axis in axes):
            return ",".join(filter(None, axes))
    if match := re.fullmatch(r"\W*(?:\[(\w+)\]|shape:? (\w+(?: ?[,x×] ?\w+)*))\W*", words):
        return ",".join(re.split(r" ?[,x×] ?", match[1] or match[2]))
    if ANY.search(words):
        return "N,D"
    return None


def _axis(text: str, flattened: re.Match | None) -> str | None:
    """One axis in the notation, ... for an ellipsis, None if it cannot be read."""
    text = text.strip().strip("`$").replace(" * ", "*")
    if text in ("...", "…", "*", r"\dots", r"\ldots"):
        return "..."
    if flattened and text == flattened[1]:
        return str(FLAT)
    if match := re.fullmatch(r"(\d*)\s*\*?\s*([A-Za-z_]\w*)|(\d+)", text):
        return match[3] or f"{match[1]}{match[2]}"
    if match := re.fullmatch(r"([A-Za-z_]\w*)\s*\*\s*(\d+)", text):
        return f"{match[2]}{match[1]}"
    if re.fullmatch(r"\w+(?:\s*(?:\*|//?|\+|-)\s*\w+)+", text):
        return _number(text)
    if re.fullmatch(r"[A-Za-z]+(?:\s+[A-Za-z]+){1,5}", text):
        return "_".join(word for word in text.split() if word not in ("the", "a", "an"))
    return None


def _number(formula: str) -> str | None:
    """C*HH*WW or H/2 as a number, from left to right, or None if a letter has no size."""
    words = re.findall(r"\w+", formula)
    numbers = [int(word) if word.isdigit() else FILE_SIZES.get(word, 0) for word in words]
    if not all(numbers):
        return None
    total = numbers[0]
    for sign, number in zip(re.findall(r"[-*/+]+", formula), numbers[1:]):
        total = {"*": total * number, "+": total + number, "-": total - number}.get(sign, total // number)
    return str(total) if total > 0 else None


def _expanded(axes: list[str | None]) -> list[str | None]:
    """N, d_1, ..., d_k -> N, 2, 6."""
    place = axes.index("...")
    numbered = place and re.fullmatch(r"\w+?_?1", axes[place - 1] or "")
    before = axes[:place - 1] if numbered else axes[:place]
    after = axes[place + 2:] if numbered else axes[place + 1:]
    return [*before, *REST.split(","), *after]


def _bound(words: str, text: str) -> str:
    """The bound of whole numbers: what the description names, or else the axis called V or C, or else 2."""
    if match := BOUND.search(words):
        return match[1]
    return next((letter for letter in "VC" if re.search(rf"[(,]\s*{letter}\s*[,)]", text)), "2")
