"""data.feature_rows: what an unfinished run keeps in PATH.part, and what of it is believed when the run goes on."""
import numpy as np
import pytest

from data.feature_rows import FeatureRows

SHAPE, NAMES = (3, 5), ["a.png", "b/é.png", "c.png", "d.png"]
MADE_BY = {"model": "m", "probe": np.arange(3, dtype=np.float32)}


@pytest.fixture
def rows(rng):
    return {name: rng.normal(size=SHAPE).astype(np.float16) for name in NAMES}


@pytest.fixture
def path(rows, tmp_path):
    """The feature file of a run that stopped after all rows."""
    with FeatureRows(tmp_path / "f.h5", SHAPE, MADE_BY) as file:
        for k, (name, row) in enumerate(rows.items()):
            file.append(name, [k, k], row)
    return tmp_path / "f.h5"


def part_of(path):
    return path.with_name("f.h5.part")


def found(path):
    """The rows that a run which goes on finds -> name: (stamp, numbers), and whether any were damaged."""
    with FeatureRows(path, SHAPE, MADE_BY) as file:
        content = part_of(path).read_bytes()
        return {name: (stamp, np.frombuffer(content[start:start + file.bytes], np.float16).reshape(SHAPE))
                for name, (stamp, start) in file.rows.items()}, file.damaged


def test_of_a_damaged_file_only_rows_that_are_as_they_were_are_taken(path, rows):
    whole = part_of(path).read_bytes()
    taken = []
    for place in range(whole.index(b"\n") + 1, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        part_of(path).write_bytes(content)
        left, damaged = found(path)
        taken.append(len(left))
        assert damaged or place > len(whole) - 2 * 15 - 30, place       # of the last row: an incomplete one
        for name, (stamp, row) in left.items():
            assert stamp == [NAMES.index(name)] * 2 and np.array_equal(row, rows[name]), place
    assert max(taken) == 3 and taken.count(3) > 4 * 2 * 15 / 3           # among the numbers, one row alone is lost
    part_of(path).write_bytes(whole)
    assert len(found(path)[0]) == 4 and not found(path)[1]


def test_rows_without_a_checksum_are_made_again(path):
    header = part_of(path).read_bytes().split(b"\n")[0]
    part_of(path).write_bytes(header + b'\n["a.png", [0, 0]]\n' + bytes(2 * 15))
    assert found(path) == ({}, True)
    assert part_of(path).read_bytes() == header + b"\n"


@pytest.mark.parametrize("content", [b"{", b'{"shape"', b'{"shape": [3, 5]}', b'{"shape": [3, 5], "of": "mine"}\n[1]\n',
                                     b'{"shape": [2, 5], "model": "m"', b"[1]"])
def test_a_file_of_others_is_not_destroyed(content, tmp_path):
    part_of(tmp_path / "f.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"f\.h5\.part: expected an unfinished run, found another file: remove it$"):
        found(tmp_path / "f.h5")
    assert part_of(tmp_path / "f.h5").read_bytes() == content


def test_a_run_that_stopped_in_its_first_line_goes_on(path):
    line = part_of(path).read_bytes().split(b"\n")[0]
    for end in (0, 17, 30, len(line)):
        part_of(path).write_bytes(line[:end])
        assert found(path) == ({}, False)
        assert part_of(path).read_bytes() == line + b"\n"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_not_followed(there, path, tmp_path):
    other = part_of(path).rename(tmp_path / "other")
    content = other.read_bytes()[:-1]                                   # what a run that goes on would cut
    other.write_bytes(content) if there else other.unlink()
    part_of(path).symlink_to(other)
    with pytest.raises(ValueError, match=r"f\.h5\.part: is a link, expected an unfinished run: remove it$"):
        found(path)
    assert other.exists() == there and (not there or other.read_bytes() == content)
