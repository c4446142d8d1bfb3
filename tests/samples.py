"""Long tables: the suite tests a sample, `.ci/run` all of them afterwards, by RNNLAYERS_ALL=1."""
import os

ALL = os.environ.get("RNNLAYERS_ALL") == "1"


def sample(items, few):
    """All items, or `few` of them."""
    return list(items) if ALL else list(few)
