"""data/torch_files.py: what torch writes, what it does not, and what somebody else would have run here."""
import os
import pickle
import zipfile

import numpy as np
import pytest

from data.torch_files import read_torch

HEAD = b"\x80\x02"
LONG = b"ctorch\nLongStorage\n"
# The tensor of torch.tensor([[5, 6, 7], [8, 9, 10]]) as torch pickles it: a storage and how to look at it.
STORED = b"(X\x07\x00\x00\x00storage" + LONG + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
STORAGES = (np.arange(5, 11),)


def tensor(offset=0, shape=(2, 3), strides=(3, 1), stored=STORED):
    numbers = b"".join(b"(" + b"".join(b"J" + int(n).to_bytes(4, "little", signed=True) for n in group) + b"t"
                       for group in (shape, strides))
    place = b"J" + offset.to_bytes(4, "little", signed=True)
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + stored + place + numbers
            + b"\x89ccollections\nOrderedDict\n)RtR")


def write(path, program, storages=STORAGES, compression=zipfile.ZIP_STORED, **entries):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("coco/data.pkl", HEAD + program + b".")
        for key, storage in enumerate(storages):
            file.writestr(f"coco/data/{key}", storage.tobytes())
        for name, content in entries.items():
            file.writestr(f"coco/{name}", content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "coco.pt"


def test_a_tensor_is_read(path):
    x = read_torch(write(path, tensor()))
    assert x.dtype == np.int64 and x.tolist() == [[5, 6, 7], [8, 9, 10]] and not x.flags.writeable
    assert read_torch(write(path, tensor(1, (2, 2), (1, 3)))).tolist() == [[6, 9], [7, 10]]
    assert read_torch(write(path, tensor(3, (), ()))).tolist() == 8
    assert read_torch(write(path, tensor(0, (0, 4), (4, 1)))).shape == (0, 4)


def test_bytes_of_the_other_order_are_turned(path):
    x = read_torch(write(path, tensor(), [np.arange(5, 11, dtype=">i8")], byteorder="big"))
    assert x.dtype.isnative and x.tolist() == [[5, 6, 7], [8, 9, 10]]


def test_what_torch_writes(path):
    torch = pytest.importorskip("torch", reason="torch writes what is read here: pip install -e \".[bench]\"")
    content = {
        "images": torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8), "captions": torch.randint(0, 900, (4, 5)),
        "vocab": {"idx_to_token": ["<NULL>", "naïve"], "token_to_idx": {"<NULL>": 0, "naïve": 1}},
        "turned": torch.rand(3, 4).t(), "part": torch.arange(20)[3:15:2], "half": torch.rand(2).half(),
        "double": torch.rand(2).double(), "flags": torch.tensor([True, False]), "none": torch.zeros(0, 3),
        "one": torch.tensor(4.5), "int": torch.arange(3, dtype=torch.int32), "short": torch.ones(1, dtype=torch.int16),
        "char": torch.ones(2, dtype=torch.int8), "plain": [None, 1.5, 10**15, -5, (1, 2, 3, 4), "text", True, {}],
    }
    torch.save(content, path)
    read = read_torch(path)
    assert read.keys() == content.keys()
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            assert read[name].dtype == value.numpy().dtype and np.array_equal(read[name], value.numpy()), name
        else:
            assert read[name] == value
    others = (torch.nn.Linear(2, 2), torch.nn.Parameter(torch.rand(2)), torch.rand(2).bfloat16(), {1, 2}, np.ones(2))
    for wrong in others:
        torch.save({"x": wrong}, path)
        with pytest.raises(ValueError, match="expected only tensors and plain containers: nothing was read"):
            read_torch(path)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


MALICIOUS = {
    "a call": pickle.dumps({"x": Evil()}, 2)[2:-1], "a call, by other opcodes": pickle.dumps({"x": Evil()}, 4)[2:-1],
    "eval": b"cbuiltins\neval\n(X\x0f\x00\x00\x00os.mkdir('pwned')tR", "os": b"cos\nmkdir\n(X\x05\x00\x00\x00pwnedtR",
    "instance": b"(X\x05\x00\x00\x00pwnedios\nmkdir\n", "object": b"(cos\nmkdir\nX\x05\x00\x00\x00pwnedo",
    "attribute of what is let through": b"ccollections\nOrderedDict.fromkeys.__self__\n",
    "state": b"ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00xK\x01sb", "memo": b"]r\xff\xff\xff\x7f",
    "memory": b"\x96\xff\xff\xff\xff\xff\x00\x00\x00", "torch": b"ctorch\nload\n(X\x01\x00\x00\x00xtR",
    "a dtype called": LONG + b"(K\x01tR", "a module for a storage": b"(X\x07\x00\x00\x00storagecos\nmkdir\ntQ",
    "a storage of another kind": b"(X\x06\x00\x00\x00moduleK\x01K\x01K\x01K\x01tQ",
}


@pytest.mark.parametrize("kind", MALICIOUS)
def test_nothing_is_run(kind, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(path, MALICIOUS[kind])
    if kind == "memo":                                               # a large number, which takes no memory here
        assert read_torch(path) == []
    else:
        with pytest.raises(ValueError) as caught:
            read_torch(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
        assert ("outside of the pickle" in str(caught.value)) == (kind == "a storage of another kind")
    assert not (tmp_path / "pwned").exists()


OUTSIDE = {"offset": (1, (2, 3), (3, 1)), "stride": (0, (2, 3), (4, 1)), "negative": (-1, (2,), (1,)),
           "backwards": (5, (3,), (-1,)), "more dims": (0, (2, 3), (1,)), "repeated": (0, (2, 4000), (0, 0)),
           "huge": (0, (2**30, 2**30, 2**30), (0, 0, 0))}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_no_tensor_reaches_outside_of_its_storage(kind, path):
    with pytest.raises(ValueError, match="does not fit into 6 numbers|negative"):
        read_torch(write(path, tensor(*OUTSIDE[kind])))


def test_a_tensor_made_of_a_tensor_is_refused(path):
    """Six times the last number, taken for a storage of six, would be read five numbers beyond its end."""
    last = tensor(5, (6,), (0,))
    for wrong in (last, b"]", b"ccollections\nOrderedDict\n)R", b"K\x05"):
        with pytest.raises(ValueError, match="holds a tensor made of .*: nothing was read"):
            read_torch(write(path, tensor(0, (6,), (1,), stored=wrong)))
    assert read_torch(write(path, last)).tolist() == [10] * 6


def test_sizes_are_checked_before_reading(path):
    for storages in ([np.arange(5)], [np.arange(7)], []):
        with pytest.raises(ValueError, match="damaged one"):
            read_torch(write(path, tensor(), storages))
    with pytest.raises(ValueError, match="compressed"):                # a bomb would be
        read_torch(write(path, tensor(), compression=zipfile.ZIP_DEFLATED))


def test_damage_and_other_files(path, rng):
    with pytest.raises(FileNotFoundError):
        read_torch(path)
    for content in (b"", b"text", pickle.dumps({})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a zip that torch.save wrote"):
            read_torch(path)
    whole = write(path, tensor()).read_bytes()
    for _ in range(150):
        broken = bytearray(whole)
        for place in rng.integers(0, len(whole), 2):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(broken[:rng.integers(1, len(whole) * 3)])
        try:
            read_torch(path)
        except ValueError as error:
            assert "\n" not in str(error)


def test_a_zip_of_other_things(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/other", b"")
    with pytest.raises(ValueError, match="expected a zip that torch.save wrote"):
        read_torch(path)
