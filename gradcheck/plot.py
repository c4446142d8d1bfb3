"""Heat maps of a report: one panel for each array, its last axis across, all others down."""
import io
from os import PathLike
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from gradcheck.judge import Verdict
from gradcheck.notation import Axis
from gradcheck.outputs import write_whole
from gradcheck.report import Report, error_map


def heat_maps(report: Report, path: str | PathLike) -> None:
    """Save a picture of the error of every array, on a logarithmic scale; entries not measured are grey."""
    verdicts = [verdict for verdict in report.verdicts if verdict.measured.probe.x.size]
    panels = len(verdicts)
    columns = min(3, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis, verdict in zip(axes, verdicts):
        picture = _panel(axis, verdict)
    for axis in axes[panels:]:
        axis.axis("off")
    bar = figure.colorbar(picture, ax=list(axes), label="log10 |yours - numeric| / max |numeric|")
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"{report.name}, {report.dtype}: {'ok' if report.ok else 'WRONG'}")
    form, buffer = Path(path).suffix[1:].lower() or "png", io.BytesIO()
    figure.savefig(buffer, format=form, dpi=120, metadata={"Software": "rnnlayers"} if form == "png" else None)
    write_whole(path, buffer.getvalue())


def _panel(axis: Panel, verdict: Verdict) -> AxesImage:
    error = error_map(verdict)
    table = error.reshape(-1, error.shape[-1] if error.ndim else 1)
    axis.set_facecolor("0.8")
    with np.errstate(divide="ignore"):
        table = np.clip(np.log10(table), -16, 0)
    picture = axis.imshow(table, aspect="auto", vmin=-16, vmax=0, cmap="magma", interpolation="nearest")
    axis.set_title(f"{verdict.name} {error.shape}  {'ok' if verdict.ok else 'WRONG'}", fontsize=10)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    if error.ndim < 2:
        axis.set_yticks([])
    named = verdict.measured.axes.axes
    if named:
        axis.set_xlabel(named[-1].name, fontsize=9)
        axis.set_ylabel(", ".join(a.name for a in named[:-1]), fontsize=9)
        _mark_blocks(axis, named[-1], table.shape[1])
    axis.tick_params(labelsize=8)
    return picture


def _mark_blocks(axis: Panel, named: Axis, size: int) -> None:
    width = size / max(1, len(named.blocks))
    for k in range(1, len(named.blocks)):
        axis.axvline(k * width - 0.5, color="white", linewidth=0.8)
    if named.blocks:
        axis.set_xticks([(k + 0.5) * width - 0.5 for k in range(len(named.blocks))], list(named.blocks))
