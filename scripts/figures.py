"""Pictures of data and training, as PNG bytes. Figures are made without pyplot: no display, no global state."""
import io
import textwrap
import warnings

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

BLUE, ORANGE, GREY = "#2a6fbb", "#d9702b", "#8a8f98"


def curves(loss_history, history, steps_per_epoch):
    """Loss of every step, and perplexity on training and validation data after every epoch -> PNG bytes."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = np.arange(1, len(loss_history) + 1)
    style = "." if len(steps) < 3 else "-"
    left.plot(steps, loss_history, style, color=GREY, alpha=0.4, linewidth=0.7, label="each step")
    left.plot(steps, _smooth(loss_history), color=BLUE, label="smoothed")
    left.set(title="Training loss", xlabel="step", ylabel="nats per caption")
    epochs = [row["epoch"] for row in history]
    for key, colour, label in (("train_loss", BLUE, "training, while learning"), ("val_loss", ORANGE, "validation")):
        if history and key in history[0]:
            perplexity = [np.exp(min(row[key], 50)) for row in history]
            right.plot(epochs, perplexity, "o-", color=colour, markersize=4, label=label)
    right.set(title="Perplexity", xlabel=f"epoch of {steps_per_epoch:,} steps", ylabel="per word", yscale="log")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    return _png(figure)


def sheet(groups, columns=4):
    """Pictures with captions below, in titled groups side by side.

    groups: {title: [(picture uint8 (h, w, 3) or None, name, caption), ...]} -> PNG bytes.
    """
    rows = max(-(-len(items) // columns) for items in groups.values())
    figure = Figure(figsize=(2.3 * columns * len(groups), 2.9 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns * len(groups), squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for k, (title, items) in enumerate(groups.items()):
        block = grid[:, k * columns:(k + 1) * columns]
        block[0, 0].set_title(title, loc="left", fontweight="bold", parse_math=False)
        for axes, item in zip(block.ravel(), items):
            _tile(axes, *item)
    return _png(figure)


def _tile(axes, picture, name, caption):
    if picture is None:
        picture = np.full((8, 8, 3), 235, np.uint8)
        axes.text(0.5, 0.5, textwrap.fill(name, 18), ha="center", va="center", fontsize=7, color=GREY,
                  transform=axes.transAxes, parse_math=False)
    axes.imshow(picture, interpolation="nearest")
    caption = textwrap.fill(caption or "(no words)", 26, max_lines=6, placeholder=" ...")
    axes.text(0.5, -0.04, caption, ha="center", va="top", fontsize=8.5, transform=axes.transAxes,
              parse_math=False)


def _smooth(values, span=25):
    values = np.asarray(values, float)
    sums = np.cumsum(np.insert(values, 0, 0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - span, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _png(figure):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")      # letters that the font lacks become boxes
        figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
