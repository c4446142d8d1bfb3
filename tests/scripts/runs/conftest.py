import pytest

from tests.scripts.runs.small_run import FAST, call_train


@pytest.fixture(scope="module")
def done(small_scenes, tmp_path_factory):
    """The folder of a finished run. Not to be written to."""
    out = tmp_path_factory.mktemp("done") / "run"
    assert call_train("--data", small_scenes, "--out", out, *FAST) == 0
    return out
