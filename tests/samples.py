"""Long tables: the suite tests a sample, `.ci/run` all of them afterwards, by RNNLAYERS_ALL=1."""
import os

import pytest

ALL = os.environ.get("RNNLAYERS_ALL") == "1"
long = pytest.mark.skipif(not ALL, reason="long: only with RNNLAYERS_ALL=1")


def sample(items, few):
    """All items, or `few` of them."""
    return list(items) if ALL else list(few)
