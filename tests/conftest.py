import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("RNNLAYERS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here: set RNNLAYERS_DATA to its folder")
    return folder
