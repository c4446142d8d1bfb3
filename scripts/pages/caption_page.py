"""One HTML file of photos with their captions and, for attention models, each word's map as colour on the photo."""
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image

from data.vocabulary import Vocabulary
from models.decoding import Hypothesis
from scripts.pages.overlay import Jpeg, attention, jpeg
from scripts.pages.templating import page_template

SIDE = 640                              # pixels of the longer side of a photo
BYTES = 42_000                          # of a photo at most: 48 of them are 2.7 MB as text


class Captioned(NamedTuple):
    """A photo of the page."""
    name: str
    picture: Jpeg
    captions: list[str]                 # the best first
    drawn: dict[str, Any]               # its words and their maps; {} without attention


def captioned(name: str, picture: Image.Image, hypotheses: Sequence[Hypothesis], vocabulary: Vocabulary,
              grid: tuple[int, int] | None) -> Captioned:
    """A photo, a picture in RGB, for caption_page.

    hypotheses: its captions, the best first; grid: (height, width) of their maps, None without attention.
    """
    best, drawn = hypotheses[0], {}
    if grid is not None:
        words = vocabulary.decode(best.ids).split()
        drawn = {"words": words, **attention(best.maps[:len(words)], grid)}
    captions = [vocabulary.text(hypothesis.ids) or "(no words)" for hypothesis in hypotheses]
    return Captioned(name, jpeg(picture, SIDE, BYTES), captions, drawn)


def caption_page(photos: list[Captioned], name: str, left_out: int = 0) -> str:
    """A page that needs no other file; name: of the run; left_out: how many photos could not be read.

    Raises ValueError where Jinja2 is absent.
    """
    drawn = [photo.drawn for photo in photos if photo.drawn]
    return caption_template().render(photos=photos, name=name, left_out=left_out, drawn=drawn)


def caption_template():
    """The page's template. Raises ValueError where Jinja2 is absent."""
    return page_template("captions.html", "scripts.caption --html", "vision")
