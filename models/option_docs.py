"""The table of options as text: docs/options.md (`python -m models.option_docs > docs/options.md`) and docstrings."""
import textwrap
from typing import Any

from models.cells import CELLS
from models.options import COMMAND, MODEL, OPTIONS, SOLVER, Option, Setting, keywords, settings

OWNERS = {MODEL: "The model: `CaptioningRNN`", SOLVER: "Training: `CaptioningSolver`",
          COMMAND: "`python -m scripts.train` alone"}
HEAD = ("| command line | default there | keyword | default | type | expected | meaning |",
        "|---|---|---|---|---|---|---|")


def page() -> str:
    """The Markdown of docs/options.md."""
    parts = ["# Options", textwrap.fill(
        "Each option of the captioner and of its training. The defaults of the command line, `python -m "
        "scripts.train`, suit real data; those of the keywords are neutral and give the course's behaviour. The "
        "scenes, `--overfit`, `--preset` and some models have defaults of their own (`scripts.train --help`).", 120),
        "Made from `models/options.py` by `python -m models.option_docs > docs/options.md`."]
    for owner, title in OWNERS.items():
        rows = [_row(option) for option in OPTIONS if owner in option.owners]
        parts.append("\n".join([f"## {title}", "", *HEAD, *rows]))
    return "\n\n".join(parts) + "\n"


def docstring(owner: str) -> str:
    """One entry a line for the docstring of CaptioningRNN or CaptioningSolver: name=default: meaning."""
    return "\n".join(textwrap.fill(f"{name}={option.default!r}{_of_cells(name)}: {option.help}", 112,
                                   subsequent_indent="    ") for name, option in keywords(owner).items())


def _row(option: Option) -> str:
    setting = settings().get(option.setting.name or option.name) if option.setting else None
    here = ("keyword only", "") if setting is None else (f"`--{setting.name.replace('_', '-')}`",
                                                         _default(setting.default))
    keyword = ("command line only", "") if COMMAND in option.owners else (
        f"`{option.name}`", _default(option.default) + _of_cells(option.name))
    cells = *here, *keyword, option.kind.__name__, _expected(option, setting), _meaning(option, setting)
    return f"| {' | '.join(cells)} |"


def _of_cells(name: str) -> str:
    """The defaults of the cells that have one of their own: " (transformer: 2)"."""
    own = ", ".join(f"{cell.name}: {cell.defaults[name]!r}" for cell in CELLS.values() if name in cell.defaults)
    return f" ({own})" if own else ""


def _meaning(option: Option, setting: Setting | None) -> str:
    """The option's help, and what that of the command line adds."""
    added = "" if setting is None else setting.help.removeprefix(option.help).lstrip(",; ")
    return f"{option.help}; command line: {added}" if added else option.help


def _default(value: Any) -> str:
    return f"`{value.__name__ if isinstance(value, type) else value}`"


def _expected(option: Option, setting: Setting | None) -> str:
    """The option's choices or bound, and those of the command line where they are others."""
    words = _words(option)
    other = words if setting is None else _words(setting)
    return words if other == words else "; ".join(filter(None, (words, f"command line: {other}")))


def _words(asked: Option | Setting) -> str:
    if asked.kind is bool:
        return "on or off"
    return ", ".join(f"`{choice}`" for choice in asked.choices) or (asked.bound.words if asked.bound else "")


if __name__ == "__main__":
    print(page(), end="")
