"""Maps and statistics of images that differ in their number of regions, such as boxes: padding is in none of them."""
import base64
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models import CaptioningRNN
from models.decoding import beam_search
from scripts.diagnosis.symptoms import feature_distance
from scripts.evaluation.attention import liveliness, summary
from scripts.evaluation.captions import attend_images, own_regions
from scripts.pages.figures import attention_figure
from scripts.pages.report_images import beams_and_trees, describe_images
from tests.cells import ATTEND

N, L, D = 5, 9, 6
COUNTS = np.array([4, 9, 1, 2, 7])          # 4 and 9 are squares, and yet no grids
WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", *"abcdef"]


class Boxes:
    """A reader of a file with `regions`."""
    counts, shape, path = COUNTS, (N, L, D), "boxes.h5"

    def __init__(self, rng):
        self.grid_of_all = rng.standard_normal((N, L, D)).astype(np.float32)
        self.grid_of_all[np.arange(L) >= COUNTS[:, None]] = 0

    def __getitem__(self, rows):
        return self.grid_of_all[rows], None, COUNTS[rows]


@pytest.fixture
def boxes(rng):
    return Boxes(rng)


@pytest.fixture(params=ATTEND)
def model(request):
    return CaptioningRNN({word: i for i, word in enumerate(WORDS)}, D, 4, 8, request.param, seed=4)


@pytest.fixture
def vocabulary():
    return SimpleNamespace(null=0, start=1, end=2, idx_to_word=WORDS,
                           text=lambda ids: " ".join(WORDS[i] for i in ids if i > 2))


def test_the_maps_of_an_image_are_those_of_its_boxes(boxes, model, vocabulary):
    rows = np.array([3, 0, 1])
    words, maps = attend_images(model, SimpleNamespace(features={"val": boxes}, vocabulary=vocabulary), "val", rows)
    for said, found, row in zip(words, maps, rows):
        assert found.shape == (len(said), 1, COUNTS[row]) and np.allclose(found.sum(axis=(1, 2)), 1)
        assert attention_figure(None, said[:3], found[:3], "boxes").startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [1, 3, 9])
def test_the_scale_of_a_figure_can_be_read(words, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: figures.append(self))
    attention_figure(None, ["dog"] * words, np.full((words, 1, 20), 0.05), "boxes")
    [figure] = figures
    FigureCanvasAgg(figure).draw()
    label = figure.axes[-1].yaxis.label.get_window_extent()
    assert 0 <= label.y0 < label.y1 <= figure.bbox.height and label.x1 <= figure.bbox.width


def test_the_report_has_a_cell_for_each_box(boxes, model, vocabulary):
    rows = np.arange(N)
    described = describe_images(model, boxes, rows, beams_and_trees(model, boxes[rows], 2, max_length=4), vocabulary)
    best = [beams[0] for beams in beam_search(model, boxes[rows], 2, 4).beams]
    for image, hypothesis, count in zip(described, best, COUNTS):
        words = len(hypothesis.ids) - hypothesis.finished
        assert image["grid"] == (1, count) and len(base64.b64decode(image["maps"])) == words * count


def test_a_reader_without_counts_keeps_its_maps():
    maps = [np.ones((2, 1, 9))]
    assert own_regions(maps, SimpleNamespace(), np.array([0])) is maps
    pair = SimpleNamespace(grid=SimpleNamespace(counts=COUNTS))
    assert own_regions(maps, pair, np.array([4]))[0].shape == (2, 1, 7)


def test_liveliness_of_maps_of_different_sizes():
    still, moving = np.full((3, 1, 2), 0.5), np.eye(4)[:2, None]
    found = liveliness([still, moving, np.ones((5, 1, 1))])             # one region has all of the attention, always
    assert found["change"] == pytest.approx((0 + 0 + 1) / 3) and found["words"] == 10 and found["mass"] is None
    assert found["entropy"] == pytest.approx(3 * np.log(2) / 10)
    assert found["entropy_uniform"] == pytest.approx((3 * np.log(2) + 2 * np.log(4)) / 10)
    assert "they differ in their number of regions" in summary({**found, "images": 3, "split": "val"})
    assert liveliness([np.ones((5, 1, 1)), np.ones((2, 1, 1))])["verdict"] == "nothing to judge"


def test_the_distance_of_features_is_that_of_the_boxes(boxes):
    every = np.concatenate([grid[:count] for grid, count in zip(boxes.grid_of_all, COUNTS)])
    figure, shift, ratio = feature_distance(boxes, np.arange(N), D, (every.mean(axis=0), every.std(axis=0)))
    assert figure < 1e-5 and shift < 1e-5 and ratio == pytest.approx(1, rel=1e-5)
