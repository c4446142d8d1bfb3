"""Progress bars, on a terminal only."""
import functools

from tqdm import tqdm

# of reading all features of a file; for small files it does not appear
reading = functools.partial(tqdm, desc="reading features", unit="block", delay=2, leave=False, disable=None)
