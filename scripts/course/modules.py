"""Importing the layers and models of another folder in this process."""
import contextlib
import sys

from scripts.course.child import without_editable

UNDER_TEST = ("rnnlayers", "models")


@contextlib.contextmanager
def modules_from(folder):
    """Within the block `rnnlayers` and `models` are those of a folder; afterwards they are the project's own again."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in UNDER_TEST}
    finders = sys.meta_path[:]
    sys.path.insert(0, str(folder))
    sys.meta_path[:] = without_editable(finders)
    try:
        yield
    finally:
        sys.meta_path[:] = finders
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] in UNDER_TEST]:
            del sys.modules[name]
        sys.modules.update(kept)
