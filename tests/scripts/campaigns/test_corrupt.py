"""A sample of scripts.campaign corrupt, in this process."""
import itertools

import numpy as np
import pytest

from data import looking, sealed
from scripts.campaigns import corrupt
from scripts.campaigns.corruptions import corruptions, flipped


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The campaign's files -> name: (path, content). A test that changes one writes it back."""
    paths = corrupt.make_files(tmp_path_factory.mktemp("run"))
    return {path.name: (path, path.read_bytes()) for path in paths}


def outcomes(path, content, damage):
    """What each of these damaged contents comes to: 'refused', or anything else."""
    try:
        for what, damaged in damage:
            path.write_bytes(damaged)
            yield what, corrupt.attempt(path)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("name, n", [("last.h5", 1000), ("best.h5", 1000), ("captions.h5", 300), ("model.h5", 300),
                                     ("model.safetensors", 200)])
def test_no_damaged_file_loads(files, name, n):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors", reason="models in safetensors need it: pip install -e \".[safetensors]\"")
    path, content = files[name]
    damage = itertools.islice(corruptions(content, np.random.default_rng(8)), n)
    found = [(what, result) for what, result in outcomes(path, content, damage) if result != "refused"]
    assert found == []
    assert len(corrupt.attempt(path)) == 64


def test_every_bit_of_the_digest_and_every_cut_near_it_counts(files):
    path, content = files["last.h5"]
    damage = [(bit, flipped(content, bit)) for bit in range(8 * 90)]
    damage += [(size, content[:size]) for size in (*range(0, 600, 7), len(content) - 512, len(content) - 1)]
    damage += [(-start, content[start:]) for start in (1, 17, 82, 511, 512, 513)]
    assert {result for _, result in outcomes(path, content, damage)} == {"refused"}


def test_the_tests_above_can_fail(files, monkeypatch):
    path, content = files["best.h5"]
    whole, weights = corrupt.attempt(path), corrupt.load_checkpoint(path).model.params["W_vocab"].tobytes()
    damage = [("weights", flipped(content, 8 * content.index(weights) + 77))]
    assert [result for _, result in outcomes(path, content, damage)] == ["refused"]
    monkeypatch.setattr(sealed, "block", lambda content: content[:512])
    (_, result), = outcomes(path, content, damage)
    assert len(result) == 64 and result != whole


@pytest.mark.parametrize("name", ["old-best.h5", "old-captions.h5"])
def test_files_of_the_old_format_are_refused_or_load(files, name, monkeypatch):
    monkeypatch.setattr(looking, "SECONDS", 1)          # some hang
    path, content = files[name]
    damage = itertools.islice(corruptions(content, np.random.default_rng(3)), 27)
    assert {len(result) for _, result in outcomes(path, content, damage)} <= {64, len("refused")}
