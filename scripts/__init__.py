"""Command lines: python -m scripts.train, and so on. Thin layers of argparse over importable functions."""
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _require_ours(package):
    """`models` and `data` are common names: say so when somebody else's is found first, instead of failing later."""
    spec = importlib.util.find_spec(package)
    found = None if spec is None else Path(next(iter(spec.submodule_search_locations or [spec.origin]))).resolve()
    if found != ROOT / package:
        message = (f"the package {package!r} found at {found} is not rnnlayers' own at {ROOT / package}: "
                   f"run the command in {ROOT}, or in a folder without a {package!r} of its own")
        if sys.argv[0] == "-m":                              # python -m scripts.train, before the module is found
            print(f"error: {message}", file=sys.stderr)
            sys.exit(2)
        raise ImportError(message)


def _stopped(kind, value, trace):
    """Ctrl-C while the modules are still being imported: a word instead of a traceback."""
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, value, trace)


sys.excepthook = _stopped
for _package in ("rnnlayers", "models", "data", "gradcheck"):
    _require_ours(_package)
