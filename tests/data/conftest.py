import contextlib
import shutil

import pytest

from data.features import FeatureReader
from tests.data.dataset_folders import write_all
from tests.sealed_files import edited


@pytest.fixture
def fails():
    """Context manager: what is inside raises this very error, with a message of one line that has these parts."""
    @contextlib.contextmanager
    def check(*parts, error=ValueError):
        with pytest.raises(error) as caught:
            yield caught
        message = str(caught.value)
        assert caught.type is error and "\n" not in message
        for part in parts:
            assert str(part) in message
    return check


@pytest.fixture
def put():
    """Function: write datasets {name: values} and attributes into an HDF5 file, in place of any of the same name."""
    def write(path, datasets, **attributes):
        with edited(path) as f:
            for name, values in datasets.items():
                if name in f:
                    del f[name]
                if values is not None:
                    f[name] = values
            f.attrs.update(attributes)
        return path
    return write


@pytest.fixture
def loads(monkeypatch):
    """The first and last rows of each piece that any reader has read."""
    pieces, load = [], FeatureReader._load

    def spy(self, first, last):
        pieces.append((int(first), int(last)))
        return load(self, first, last)
    monkeypatch.setattr(FeatureReader, "_load", spy)
    return pieces


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """The datasets of dataset_folders.write_all, made once; tests only read them."""
    place = tmp_path_factory.mktemp("datasets")
    write_all(place)
    return place


@pytest.fixture
def folder(pristine, tmp_path):
    """A dataset with everything inside that a test may damage."""
    return shutil.copytree(pristine / "inside", tmp_path / "data")
