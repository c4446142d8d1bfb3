"""Curves of a training that is going on, in a notebook."""
import sys
import time

from models import CaptioningSolver
from scripts.pages.figures import draw_curves

EVERY = 3               # seconds between two drawings; each takes a quarter of a second


class LiveCurves:
    """A callback of the solver that draws the curves in the notebook, and draws them again as training goes on."""

    def __init__(self):
        self.handle, self.drawn_at = None, -EVERY

    def __call__(self, solver: CaptioningSolver) -> None:
        ended = solver.iteration % solver.iterations_per_epoch == 0
        if ended or time.monotonic() - self.drawn_at >= EVERY:
            self._show(draw_curves(solver.word_losses, solver.history, solver.iterations_per_epoch))
            self.drawn_at = time.monotonic()

    def _show(self, figure):
        if self.handle is None:
            from IPython.display import display  # a notebook has it
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
