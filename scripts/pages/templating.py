"""Templates of pages, which escape all their values: captions and file names are other people's."""
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"


def page_template(name: str, needed_by: str, extra: str) -> "Template":
    """A template of the folder `templates`.

    needed_by, extra: the command and the extra that installs Jinja2, for the ValueError where it is absent.
    """
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError:
        raise ValueError(f"{needed_by} needs Jinja2: pip install -e \".[{extra}]\"") from None
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template(name)
