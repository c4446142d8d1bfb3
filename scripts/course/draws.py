"""The random inputs of the checks: the same for everybody in the public checks, one's own in the hidden ones."""
import hashlib
from typing import NamedTuple

import numpy as np

from gradcheck.shapes import SIZES


class Constants(NamedTuple):
    """What may differ from student to student: see own_constants.py."""
    gates: str = "ifog"             # the order of an LSTM's gates in its columns
    epsilon: float = 1e-8           # Adam's
    loss: str = "caption"           # what the loss is a mean over


STANDARD = Constants()


class Draw(NamedTuple):
    """A seed, the sizes of the axes, and the constants that the checks have to know."""
    seed: int
    sizes: dict                     # letter -> size; no two are equal
    constants: Constants = STANDARD

    def rng(self, *purpose):
        """A Generator of its own for each purpose, a few texts or numbers."""
        digest = hashlib.sha256(repr((self.seed, *purpose)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))


PUBLIC = Draw(0, SIZES)


def draw_for(student: str, version: str, constants: Constants = STANDARD, secret: str = "") -> Draw:
    """The draw for a student's hidden checks: seed and sizes follow from the id and the assignment's version.

    Who has this file can draw the same, unless there is a secret.
    """
    key = f"{version} {student}{f' {secret}' if secret else ''}"
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "little")
    rng = np.random.default_rng(seed)
    N, T = int(rng.integers(2, 4)), int(rng.integers(4, 7))
    rest = [int(size) for size in rng.permutation([size for size in range(3, 10) if size not in (N, T)])]
    sizes = {"N": N, "T": T, **dict(zip("DWHM", rest)), "V": int(rng.integers(11, 14)), "L": 10}
    return Draw(seed, {**sizes, "DW": sizes["D"] * sizes["W"]}, constants)
