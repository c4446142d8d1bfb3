"""The list of commands: rnnlayers, or python -m scripts. With a command's name behind it, that command."""
import runpy
import sys
from typing import NoReturn

from rnnlayers import __version__
from scripts.commandline.catalogue import overview, present, unknown
from scripts.commandline.command import run


def main():
    """Print the list. Raises ValueError for a name that is no command."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        print(overview())
        return
    if name == "--version":
        print(f"rnnlayers {__version__}")
        return
    if name != "gradcheck" and not any(name in commands for commands in present().values()):
        raise ValueError(unknown(name))
    del sys.argv[1]
    runpy.run_module(name if name == "gradcheck" else f"scripts.{name}", run_name="__main__", alter_sys=True)


def console() -> NoReturn:
    """The command rnnlayers, which pip installs."""
    run(main)


if __name__ == "__main__":
    run(main)
