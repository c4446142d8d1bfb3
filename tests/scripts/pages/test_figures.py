"""Figures of training."""
import pytest

from scripts.pages import figures


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
