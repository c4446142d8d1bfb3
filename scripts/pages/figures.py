"""Figures of data and training, drawn or as PNG bytes. They are made without pyplot: no display, no global state."""
import io
import textwrap
import warnings
from unicodedata import east_asian_width

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter

from scripts.pages.fonts import families

HEAT = colormaps["YlOrRd"]
HIGHEST = 50               # nats a word, whose perplexity, 5e21, is the highest that is drawn
BLUE, ORANGE, GREY = "#2a6fbb", "#d9702b", "#8a8f98"


class Drawing(Figure):
    """A figure that a notebook shows by itself."""

    def _repr_png_(self):
        return _png(self)


def curves(losses, history, steps_per_epoch):
    """Loss of every step in nats a word, perplexity after every epoch, and CIDEr where it was measured -> PNG bytes."""
    return _png(draw_curves(losses, history, steps_per_epoch))


def draw_curves(losses, history, steps_per_epoch):
    """What `curves` has as PNG -> Drawing."""
    scored = [row for row in history if "val_cider" in row]
    figure = Drawing(figsize=(14 if scored else 10, 4), layout="constrained")
    left, right, *third = figure.subplots(1, 3 if scored else 2)
    for axes in third:
        axes.plot([row["epoch"] for row in scored], [row["val_cider"] for row in scored], "o-", color=ORANGE,
                  markersize=4, label="validation")
        axes.set(title="CIDEr", xlabel="epoch")
    steps = np.arange(1, len(losses) + 1)
    style = "." if len(steps) < 3 else "-"
    left.plot(steps, losses, style, color=GREY, alpha=0.4, linewidth=0.7, label="each step")
    left.plot(steps, smooth(losses), color=BLUE, label="smoothed")
    left.set(title="Training loss", xlabel="step", ylabel="nats a word")
    epochs = [row["epoch"] for row in history]
    for key, colour, label in (("train_loss", BLUE, "training, while learning"), ("val_loss", ORANGE, "validation")):
        if history and key in history[0]:
            perplexity = [np.exp(row[key]) if row[key] <= HIGHEST else np.nan for row in history]
            right.plot(epochs, perplexity, "o-", color=colour, markersize=4, label=label)
    beyond = any(row.get(key, 0) > HIGHEST for row in history for key in ("train_loss", "val_loss"))
    right.set(title="Perplexity" + (f", not drawn above {np.exp(HIGHEST):.0e}" if beyond else ""), ylabel="per word",
              xlabel=f"epoch of {steps_per_epoch:,} steps", yscale="log")
    if beyond:                          # an axis of epochs also where no point is left
        right.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    for axes in figure.axes:
        axes.xaxis.get_major_locator().set_params(integer=True)
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    for axes in figure.axes:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    return figure


def sheet(groups, columns=4):
    """Pictures with captions below, in titled groups side by side.

    groups: {title: [(picture uint8 (h, w, 3) or None, name, caption), ...]} -> PNG bytes. A fourth entry, a caption
    that a person wrote, stands in for a picture that is None; where all are None the figure is a page of text.
    """
    return _png(draw_sheet(groups, columns))


def draw_sheet(groups, columns=4):
    """What `sheet` has as PNG -> Drawing."""
    if all(picture is None for items in groups.values() for picture, *_ in items):
        return _text_sheet(groups)
    rows = max(-(-len(items) // columns) for items in groups.values())
    lines = max(_folded(item[2], 26, 6).count("\n") + 1 for items in groups.values() for item in items)
    figure = Drawing(figsize=(2.3 * columns * len(groups), (2.45 + 0.15 * lines) * rows + 0.3), layout="constrained")
    grid = _bare(figure.subplots(rows, columns * len(groups), squeeze=False))
    for k, (title, items) in enumerate(groups.items()):
        block = grid[:, k * columns:(k + 1) * columns]
        block[0, 0].set_title(title, loc="left", fontweight="bold", parse_math=False)
        for axes, item in zip(block.ravel(), items):
            _tile(axes, *item)
    return figure


def _bare(grid):
    """These axes without frames; and without ticks, which would be laid out though nobody sees them."""
    for axes in grid.ravel():
        axes.axis("off")
        axes.set(xticks=[], yticks=[])
    return grid


def _tile(axes, picture, name, caption, human=""):
    if picture is None:
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.text(0.5, 0.97, _folded(name, 30, 2), ha="center", va="top", fontsize=6.5, color=GREY, parse_math=False)
        axes.text(0.5, 0.45, f"\u201c{_folded(human, 22, 8)}\u201d" if human else "no picture", ha="center",
                  va="center", fontsize=9, color=BLUE if human else GREY, parse_math=False)
    else:
        axes.imshow(picture, interpolation="nearest")
    axes.text(0.5, -0.04, _folded(caption or "(no words)", 26, 6), ha="center", va="top", fontsize=8.5,
              transform=axes.transAxes, parse_math=False)


def _folded(text, width, lines):
    """A text in so many lines at most, half as many letters in each where letters are wide."""
    wide = any(east_asian_width(letter) in "WF" for letter in text)
    return textwrap.fill(text, width // 2 if wide else width, max_lines=lines, placeholder=" ...")


def _text_sheet(groups, wide=5.2, line=0.17):
    """The captions of groups side by side, with one that a person wrote each."""
    blocks = {title: [_block(*item[1:]) for item in items] for title, items in groups.items()}
    rows = max(sum(len(block) + 1 for block in column) for column in blocks.values())
    height = line * rows + 0.6
    figure = Drawing(figsize=(wide * len(groups), height), facecolor="white")
    for k, (title, column) in enumerate(blocks.items()):
        left, y = (k + 0.04) / len(groups), height - 0.2
        figure.text(left, y / height, title, va="top", fontweight="bold", parse_math=False)
        y -= 0.38
        for text, colour, size in (part for block in column for part in (*block, ("", GREY, 8))):
            figure.text(left, y / height, text, va="top", fontsize=size, color=colour, parse_math=False)
            y -= line
    return figure


def _block(name, caption, human=""):
    """The lines of an image in a page of text: (text, colour, size of letters)."""
    spoken = [("model: ", caption or "(no words)", "black"), *([("person: ", human, BLUE)] if human else [])]
    return [(_folded(name, 90, 1), GREY, 7), *(
        (text, colour, 9) for who, said, colour in spoken for text in _folded(who + said, 62, 3).split("\n"))]


def attention_figure(picture, words, maps, name, columns=6):
    """A picture, and a copy of it for each word of its caption under the word's attention map -> PNG bytes.

    picture uint8 (h, w, 3) or None; words: list of str; maps (T, rows, columns), one a word, each adding up to 1. Maps
    of one row, such as those of boxes, have no place in the picture: they are drawn below it, a cell for each region.
    All panels share one colour scale; a cross marks the map's peak, the number in the corner is its entropy in nats.
    """
    return _png(draw_maps(picture, words, maps, name, columns))


def draw_maps(picture, words, maps, name, columns=6):
    """What `attention_figure` has as PNG -> Drawing."""
    rows, columns = -(-(1 + len(words)) // columns), min(columns, 1 + len(words))
    figure = Drawing(figsize=(1.9 * columns + 0.5, 2.15 * rows + 0.5), layout="constrained", facecolor="white")
    grid = _bare(figure.subplots(rows, columns, squeeze=False)).ravel()
    picture = np.full((112, 112, 3), 255, np.uint8) if picture is None else picture
    grid[0].imshow(picture)
    grid[0].set_title(_folded(name, 28, 2), fontsize=8, color=GREY, parse_math=False, pad=4)
    scale = Normalize(0, float(maps.max(initial=1e-9)))
    for axes, word, weights in zip(grid[1:], words, maps):
        (_attention_panel if len(weights) > 1 else _row_panel)(axes, picture, weights, scale)
        axes.set_title(word, fontsize=12, parse_math=False, pad=4)
    if words:
        bar = figure.colorbar(ScalarMappable(scale, HEAT), ax=list(grid), shrink=0.6, aspect=30, pad=0.01)
        bar.set_label(f"weight of a region (+ peak);{chr(10) if rows == 1 else ' '}"
                      f"in the corner: entropy of at most {np.log(maps[0].size):.1f} nats", fontsize=7)
        bar.ax.tick_params(labelsize=7)
    else:
        grid[0].text(0.5, -0.06, "(no words)", ha="center", va="top", transform=grid[0].transAxes, fontsize=9)
    return figure


def _attention_panel(axes, picture, weights, scale):
    """The picture in faded grey under the map, smooth between the regions' centres."""
    height, width = picture.shape[:2]
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) / 255
    smooth = upsample(weights, height, width)
    smooth *= weights.max() / max(smooth.max(), 1e-30)                  # smoothing flattens peaks: keep their height
    colours, strength = HEAT(scale(smooth)), np.clip(scale(smooth), 0, 1)[..., None] ** 0.6
    axes.imshow((0.55 * grey + 0.45) * (1 - strength) + colours[..., :3] * strength)
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    axes.plot((column + 0.5) * width / weights.shape[1] - 0.5, (row + 0.5) * height / weights.shape[0] - 0.5, "+",
              color="black", markersize=7, markeredgewidth=1.2)
    _entropy(axes, weights)


def _row_panel(axes, picture, weights, scale):
    """The picture over a row of cells, one for each region."""
    height, width = picture.shape[:2]
    axes.imshow(picture)
    axes.imshow(weights, HEAT, norm=scale, extent=(-0.5, width - 0.5, 1.25 * height, 1.03 * height),
                interpolation="nearest")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(1.25 * height, -0.5))
    axes.plot((weights.argmax() + 0.5) * width / weights.size - 0.5, 1.14 * height, "+", color="black", markersize=7,
              markeredgewidth=1.2)
    _entropy(axes, weights)


def _entropy(axes, weights):
    entropy = -(weights * np.log(np.maximum(weights, 1e-30))).sum()
    axes.text(0.97, 0.03 if len(weights) > 1 else 0.23, f"{entropy:.1f}", transform=axes.transAxes, ha="right",
              va="bottom", fontsize=8, bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.5})


def upsample(weights, height, width):
    """A map (rows, columns) at every pixel, a Gaussian of half a region around every centre -> (height, width)."""
    down, across = (_spread(n, size) for n, size in zip(weights.shape, (height, width)))
    return down @ weights @ across.T


def _spread(n, size):
    """How much each of n regions counts at each of `size` pixels along one axis -> (size, n), rows that add up to 1."""
    pixels = (np.arange(size)[:, None] + 0.5) * n / size - 0.5
    near = np.exp(-0.5 * ((pixels - np.arange(n)) / 0.5) ** 2)
    return near / near.sum(axis=1, keepdims=True)


def smooth(values, span=25):
    """Mean of each value and the span - 1 before it."""
    values = np.asarray(values, float)
    sums = np.cumsum(np.insert(values, 0, 0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - span, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _png(figure):
    buffer, texts = io.BytesIO(), [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    names = families(text.get_text() for text in texts)
    for text in texts:
        text.set_fontfamily(names)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")      # letters that the font lacks become boxes
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": "rnnlayers"})
    return buffer.getvalue()
