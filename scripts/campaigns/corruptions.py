"""Random damage to the bytes of a file."""
from collections.abc import Iterator

import numpy as np

from data.sealed import BLOCK, MARKER

SECTOR = 512


def corruptions(content: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Without end: what was done, other content."""
    kinds = (_flip, _flip, _flip_in_marker, _zeroed_sector, _random_sector, _cut, _cut_at_the_block, _appended,
             _swapped)
    while True:
        for kind in kinds:
            what, damaged = kind(content, rng)
            if damaged != content:
                yield what, damaged


def flipped(content: bytes, bit: int) -> bytes:
    """The content with one bit changed."""
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def _flip(content, rng):
    bit = int(rng.integers(8 * len(content)))
    return f"bit {bit} flipped", flipped(content, bit)


def _flip_in_marker(content, rng):
    bit = int(rng.integers(8 * (len(MARKER) + 65)))
    return f"bit {bit} flipped, in the digest or its marker", flipped(content, bit)


def _replaced(content, start, part):
    return content[:start] + part[:len(content) - start] + content[start + len(part):]


def _sector(content, rng):
    return SECTOR * int(rng.integers(-(-len(content) // SECTOR)))


def _zeroed_sector(content, rng):
    start = _sector(content, rng)
    return f"sector at {start} zeroed", _replaced(content, start, bytes(SECTOR))


def _random_sector(content, rng):
    start = _sector(content, rng)
    return f"sector at {start} overwritten", _replaced(content, start, rng.bytes(SECTOR))


def _cut(content, rng):
    size = int(rng.integers(len(content)))
    return f"cut to {size} bytes", content[:size]


def _cut_at_the_block(content, rng):
    start, stop = [(BLOCK, None), (0, BLOCK), (len(MARKER), None), (len(MARKER) + 65, None)][rng.integers(4)]
    return f"only bytes {start} to {stop or 'the end'}", content[start:stop]


def _appended(content, rng):
    size = int(rng.integers(1, 100))
    return f"{size} bytes appended", content + rng.bytes(size)


def _swapped(content, rng):
    a, b = sorted((_sector(content, rng), _sector(content, rng)))
    one, other = content[a:a + SECTOR], content[b:b + SECTOR]
    if len(one) != len(other):
        return "nothing", content
    return f"sectors at {a} and {b} swapped", _replaced(_replaced(content, a, other), b, one)
