"""Figures of training."""
import itertools

import numpy as np
import pytest
from matplotlib.text import Text

from scripts.pages import figures
from scripts.pages.training_charts import loss_chart


@pytest.mark.parametrize("losses, title, drawn", [
    ((3.0, 2.0), "Perplexity", [20.085536923187668, 7.38905609893065]),
    ((3.0, 1860.5), "Perplexity, not drawn above 5e+21", [20.085536923187668]),
])
def test_a_perplexity_that_is_too_high_is_not_drawn_as_another_one(losses, title, drawn, monkeypatch):
    monkeypatch.setattr(figures, "_png", lambda figure: figure)
    history = [{"epoch": k, "train_loss": loss, "val_loss": loss} for k, loss in enumerate(losses, 1)]
    axes = figures.curves([60.0, 50.0], history, 1).axes[1]
    assert axes.get_title() == title
    for line in axes.lines:
        assert [y for y in line.get_ydata() if y == y] == pytest.approx(drawn)


def test_the_loss_is_in_nats_a_word_on_every_axis(monkeypatch):
    monkeypatch.setattr(figures, "_png", lambda figure: figure)
    left = figures.curves([3.5, 2.5], [], 1).axes[0]
    assert left.get_ylabel() == "nats a word" and left.lines[0].get_ydata().tolist() == [3.5, 2.5]
    assert loss_chart([3.5, 2.5])["title"].endswith("nats a word")


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_a_sheet_without_pictures_is_a_page_of_text(monkeypatch):
    monkeypatch.setattr(figures, "_png", lambda figure: figure)
    items = [(None, f"{k}.jpg", "a dog " * 30, "A person's words.") for k in range(8)]
    figure = figures.sheet({"training": items, "validation": [(None, "$x$.jpg", "")]})
    found = texts(figure)
    assert not figure.axes and found.count("person: A person's words.") == 8
    assert {"training", "validation", "0.jpg", "$x$.jpg", "model: (no words)"} <= {*found}
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    left = [box for box in boxes if box.x0 < figure.bbox.x1 / 2]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(left, 2))


def test_a_sheet_with_some_pictures_has_no_grey_boxes(monkeypatch):
    monkeypatch.setattr(figures, "_png", lambda figure: figure)
    picture = np.zeros((6, 9, 3), np.uint8)
    figure = figures.sheet({"training": [(picture, "0.jpg", "a dog", ""), (None, "1.jpg", "a cat", "The cat sits.")]})
    assert sum(len(axes.images) for axes in figure.axes) == 1
    assert "\u201cThe cat sits.\u201d" in texts(figure) and "1.jpg" in texts(figure) and "0.jpg" not in texts(figure)
    figure = figures.sheet({"a": [(picture, "0.jpg", "word " * 60)] * 8})
    figure.draw_without_rendering()
    for text in figure.findobj(Text):                       # long captions fit into the figure
        if text.get_text() and text.get_visible():
            assert text.get_window_extent().y0 >= -1 and text.get_window_extent().y1 <= figure.bbox.y1 + 1
