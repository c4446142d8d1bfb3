"""Progress bars: on a terminal, and in a notebook that has ipywidgets; nowhere else."""
import functools
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")         # that a notebook has no ipywidgets: it has no bar then, and needs none
    from tqdm.auto import tqdm

# of reading all features of a file; for small files it does not appear
reading = functools.partial(tqdm, desc="reading features", unit="block", delay=2, leave=False, disable=None)

__all__ = ["reading", "tqdm"]
