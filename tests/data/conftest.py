import contextlib

import h5py
import pytest


@pytest.fixture
def fails():
    """Context manager: what is inside raises this very error, with a message of one line that has these parts."""
    @contextlib.contextmanager
    def check(*parts, error=ValueError):
        with pytest.raises(error) as caught:
            yield
        message = str(caught.value)
        assert caught.type is error and "\n" not in message
        for part in parts:
            assert str(part) in message
    return check


@pytest.fixture
def put():
    """Function: write datasets {name: values} and attributes into an HDF5 file, in place of any of the same name."""
    def write(path, datasets, **attributes):
        with h5py.File(path, "a") as f:
            for name, values in datasets.items():
                if name in f:
                    del f[name]
                if values is not None:
                    f[name] = values
            f.attrs.update(attributes)
        return path
    return write
