"""The grammar of the scene captions: every phrase is made from the objects of the picture, and true of them."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Group = list[Any]   # one to three alike objects (scenes.SceneObject): the same shape, colour and size

CLOSE = 16          # largest gap, in pixels, between the boxes of objects that are next to each other
MIDDLE = 56         # x and y of the picture's centre in pixels
NUMBERS = {2: "two", 3: "three"}
NOUNS = {
    "circle": ("circle", "disc", "ball", "dot"),
    "square": ("square", "box", "block"),
    "triangle": ("triangle", "pyramid", "wedge"),
    "star": ("star",),
    "cross": ("cross", "plus"),
    "ring": ("ring", "hoop"),
}
SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium",),
    "large": ("large", "big", "huge"),
}
DIRECTIONS = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
}
PLACES = {"left": "on the left", "right": "on the right", "above": "at the top", "below": "at the bottom"}


def plural(noun: str) -> str:
    """Plural of one of the NOUNS."""
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


def shape_words(shape: str) -> tuple[str, ...]:
    """All nouns for a shape, singular and plural."""
    return tuple(word for noun in NOUNS[shape] for word in (noun, plural(noun)))


def make_captions(objects: Sequence[Any], count: int, rng: np.random.Generator) -> list[str]:
    """`count` different captions of a picture with these objects: words in lower case, separated by single spaces."""
    groups = group_alike(objects)
    captions: dict[str, None] = {}
    while len(captions) < count:   # each pass uses every template once, in a new order
        for index in rng.permutation(len(TEMPLATES)):
            captions[TEMPLATES[index](groups, rng)] = None
            captions.pop("", None)   # the template did not suit the picture
    return list(captions)[:count]


def group_alike(objects: Sequence[Any]) -> list[Group]:
    """Objects grouped by shape and colour, in the order of their first members."""
    groups: dict[tuple[str, str], Group] = {}
    for item in objects:
        groups.setdefault((item.shape, item.colour), []).append(item)
    return list(groups.values())


def towards(across: float, down: float) -> str:
    """The direction of a step in pixels, given by its longer component: a key of DIRECTIONS."""
    if abs(across) >= abs(down):
        return "left" if across < 0 else "right"
    return "above" if down < 0 else "below"


def centre(item: Any) -> tuple[float, float]:
    """Centre (x, y) of an object's box in pixels."""
    x0, y0, x1, y1 = item.box
    return (x0 + x1) / 2, (y0 + y1) / 2


def direction(a: Any, b: Any) -> str:
    """Where object a is, seen from object b: a key of DIRECTIONS."""
    (ax, ay), (bx, by) = centre(a), centre(b)
    return towards(ax - bx, ay - by)


def gap(a: Any, b: Any) -> int:
    """Pixels between the boxes of two objects along the axis that separates them more."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.box, b.box
    return max(ax0 - bx1, bx0 - ax1, ay0 - by1, by0 - ay1)


def relations(first: Group, second: Group) -> tuple[str, ...]:
    """Phrases that are true of every member of the first group and every member of the second; () if none."""
    pairs = [(a, b) for a in first for b in second]
    directions = {direction(a, b) for a, b in pairs}
    near = all(gap(a, b) <= CLOSE for a, b in pairs)
    phrases = DIRECTIONS[directions.pop()] if len(directions) == 1 else ()
    beside = ("next to", "beside") if near and phrases in (DIRECTIONS["left"], DIRECTIONS["right"]) else ()
    return phrases + beside + (("near", "close to") if near else ())


def place(group: Group) -> str:
    """The place of a whole group in the picture; "" if it is not clear."""
    steps = [(x - MIDDLE, y - MIDDLE) for x, y in map(centre, group)]
    if all(max(map(abs, step)) <= MIDDLE / 8 for step in steps):
        return "in the middle"
    directions = {towards(*step) for step in steps}
    clear = len(directions) == 1 and all(max(map(abs, step)) >= MIDDLE / 4 for step in steps)
    return PLACES[directions.pop()] if clear else ""


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of the choices, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def mention(group: Group, rng: np.random.Generator, definite: bool = False) -> str:
    """Noun phrase of a group: "a red ball", "two small red discs", "the two red discs"."""
    item, many = group[0], len(group) > 1
    size = pick(rng, SIZE_WORDS[item.size]) + " " if rng.random() < 0.5 else ""
    noun = pick(rng, NOUNS[item.shape])
    words = f"{size}{item.colour} {plural(noun) if many else noun}"
    number = NUMBERS[len(group)] + " " if many else ""
    if definite:
        return f"the {number}{words}"
    return f"{number or article(words)}{words}"


def article(words: str) -> str:
    """Indefinite article and a space; none of the words begins with a silent h or a spoken y."""
    return "an " if words[0] in "aeiou" else "a "


def listed(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: a red ball / a red ball and a blue star / a red ball with a blue star and two green rings."""
    first, *others = (mention(group, rng) for group in groups)
    if len(others) == 1:
        return f"{first} {pick(rng, ('and', 'with'))} {others[0]}"
    return " with ".join([first, " and ".join(others)]) if others else first


def related(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: a red ball to the left of a blue star."""
    other = pick(rng, groups[1:] or groups)
    phrases = relations(groups[0], other) if len(groups) > 1 else ()
    return f"{mention(groups[0], rng)} {pick(rng, phrases)} {mention(other, rng)}" if phrases else ""


def stated(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: the red ball is below the blue star."""
    first, other = groups[0], pick(rng, groups[1:] or groups)
    phrases = relations(first, other) if len(groups) > 1 else ()
    verb = pick(rng, ("are", "sit") if len(first) > 1 else ("is", "sits"))
    return f"{mention(first, rng, True)} {verb} {pick(rng, phrases)} {mention(other, rng, True)}" if phrases else ""


def related_twice(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: a red ball above a blue star and left of a green ring."""
    parts = [(relations(groups[0], other), mention(other, rng)) for other in groups[1:]]
    if len(parts) < 2 or not all(phrases for phrases, _ in parts):
        return ""
    return mention(groups[0], rng) + " " + " and ".join(f"{phrases[0]} {other}" for phrases, other in parts)


def placed(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: a red ball on the left."""
    where = place(groups[0])
    return f"{mention(groups[0], rng)} {where}{pick(rng, ('', ' of the picture'))}" if where else ""


def introduced(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: there is a red ball ..."""
    verb = "are" if len(groups[0]) > 1 else "is"
    return f"there {verb} {related(groups, rng) or listed(groups, rng)}"


def depicted(groups: list[Group], rng: np.random.Generator) -> str:
    """Template: a picture of a red ball ..., or, if there is nothing else in it, only a red ball."""
    openings = ("a picture of", "an image of", "a drawing of")
    alone = ("only", "just", "nothing but") if len(groups) == 1 else ()
    return f"{pick(rng, openings + alone)} {listed(groups, rng)}"


TEMPLATES = (listed, related, stated, related_twice, placed, introduced, depicted)
