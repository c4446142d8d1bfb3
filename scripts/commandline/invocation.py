"""How a command is written: as this process was started, and so that it can be pasted into the same terminal."""
import os
import shutil
import sys
from pathlib import Path

CONSOLE, MODULE = "rnnlayers ", "python -m scripts."


def by_console() -> bool:
    """Whether this process was started as `rnnlayers COMMAND`."""
    return any(Path(word).stem == "rnnlayers" for word in sys.orig_argv[:2])


def as_started(text: str) -> str:
    """A text with commands like `python -m scripts.train`, written `rnnlayers train` if this one was started so."""
    return text.replace(MODULE, CONSOLE) if by_console() else text


def pasteable(name: str) -> list[str]:
    """The words that start a command in the terminal of this process, in an environment that is not active too."""
    folder = Path(sys.executable).parent
    return [_word(folder / "rnnlayers"), name] if by_console() else [_word(folder / "python"), "-m", f"scripts.{name}"]


def _word(program: Path) -> str:
    """The program's name if the shell finds it by that, else its path, relative to this folder if it is inside."""
    found = shutil.which(program.name)
    # not what links point to: all environments link to one interpreter
    if found and Path(os.path.abspath(found)).parent == program.parent:
        return program.name
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
