"""Command lines: python -m scripts.train or rnnlayers train, and so on; python -m scripts or rnnlayers lists them.

Each parses its options and calls a library in one of the folders here.
"""
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _require_ours(package):
    """Stop with a clear message if somebody else's package of that name comes first on the path."""
    spec = importlib.util.find_spec(package)
    found = None if spec is None else Path(next(iter(spec.submodule_search_locations or [spec.origin]))).resolve()
    if found != ROOT / package:
        message = (f"the package {package!r} found at {found} is not rnnlayers' own at {ROOT / package}: "
                   f"run the command in {ROOT}, or in a folder without a {package!r} of its own")
        if sys.argv[0] == "-m" or Path(sys.argv[0]).stem == "rnnlayers":    # python -m scripts.train, rnnlayers train
            _exit(message)
        raise ImportError(message)


def _require_command():
    """Name the nearest command for `python -m scripts.evalute`, where Python would only say that there is no module."""
    module = next((word for flag, word in zip(sys.orig_argv, sys.orig_argv[1:]) if flag == "-m"), "")
    package, _, name = module.partition(".")
    if package == "scripts" and name.isidentifier() and not (ROOT / "scripts" / f"{name}.py").is_file():
        from scripts.commandline.catalogue import unknown
        _exit(unknown(name))


def _exit(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _stopped(kind, value, trace):
    """Ctrl-C while the modules are still being imported: a word instead of a traceback."""
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, value, trace)


sys.excepthook = _stopped
for _package in ("rnnlayers", "models", "data", "gradcheck"):
    _require_ours(_package)
if sys.argv[0] == "-m":                                      # before the module is found
    _require_command()
