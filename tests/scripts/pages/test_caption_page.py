"""The page of scripts.caption: its size, what it escapes, and the pictures and maps in it."""
import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from data.vocabulary import Vocabulary
from models.search import Hypothesis
from scripts.pages import report
from scripts.pages.caption_page import BYTES, SIDE, caption_page, captioned
from scripts.pages.overlay import attention, jpeg

pytest.importorskip("jinja2")
HOSTILE = "</script><img src=x onerror=alert(1)> \"'{{7*7}}&amp;<!--"
WORDS = Vocabulary(["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", HOSTILE.replace(" ", "")])


def noise(rng, height, width):
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def captions(*rows, regions=6):
    return [Hypothesis([*ids, 2], -1.0, True, np.full((len(ids) + 1, regions), 1 / regions)) for ids in rows]


def test_48_noisy_photos_are_less_than_three_megabytes(rng):
    photo = captioned("a.jpg", noise(rng, 900, 1200), captions([4, 5] * 7, regions=49), WORDS, (7, 7))
    assert len(caption_page(48 * [photo], "a run").encode()) < 3e6


@pytest.mark.parametrize("height, width, side, most", [
    (280, 280, report.SIDE, report.BYTES), (640, 640, SIDE, BYTES), (8, 8, SIDE, BYTES), (3000, 8, SIDE, BYTES)])
def test_pictures_are_small(rng, height, width, side, most):
    found = jpeg(noise(rng, height, width), side, most)
    content = base64.b64decode(found.uri.removeprefix("data:image/jpeg;base64,"))
    assert len(content) <= most and Image.open(io.BytesIO(content)).size == found.size
    assert side // 2 < max(found.size) <= side or found.size == (width, height)


def test_a_plain_picture_has_all_its_pixels():
    assert jpeg(Image.new("RGB", (1200, 900)), SIDE, BYTES).size == (640, 480)


def test_the_maps_of_the_overlay():
    maps = np.array([[0.5, 0.25, 0.25, 0], [0.1, 0.2, 0.3, 0.4]])
    found = attention(maps, (2, 2))
    assert list(base64.b64decode(found["maps"])) == [255, 128, 128, 0, 64, 128, 191, 255]
    assert found["peaks"] == [0.5, 0.4] and found["grid"] == (2, 2) and attention(None, None) == {}
    assert attention(maps[:0], (2, 2)) == {"grid": (2, 2), "maps": "", "peaks": []}


def test_hostile_names_and_words_stay_text():
    photo = captioned(HOSTILE, Image.new("RGB", (20, 30)), captions([6], [4, 6]), WORDS, (2, 3))
    page = caption_page([photo], HOSTILE)
    assert not re.search("<img src=x|<[^>]* onerror", page) and page.count("</script>") == 2 and "49" not in page
    drawn, = json.loads(re.search('id="drawn">(.*?)</script>', page).group(1))
    assert drawn["words"] == [HOSTILE.replace(" ", "")] and drawn["grid"] == [2, 3]
    assert page.count(WORDS.text([6]).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(
        '"', "&#34;").replace("'", "&#39;")) == 3            # the picture's description and both captions


def test_a_caption_without_words_and_one_row_of_regions():
    photos = [captioned(name, Image.new("RGB", (20, 30)), captions(ids), WORDS, (1, 6))
              for name, ids in (("a.jpg", []), ("b.jpg", [4, 5]))]
    page = caption_page(photos, "a run")
    assert "(no words)" in page and "Each cell below a photo is a region of it." in page
