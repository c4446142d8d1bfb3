"""What a platform's autograder contains: the project's files that grade, its settings, and what the platform calls."""
import configparser
import contextlib
import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from scripts.commandline.outputs import Kind
from scripts.course.class_grading import Wanted
from scripts.course.handout import handed_out
from scripts.course.project import Project

MADE_BY = b"an autograder of rnnlayers"         # the zip's comment
SETTINGS, PROJECT, REQUIREMENTS = "autograder.json", "project", "requirements.txt"
IDS = ("email", "id", "name")                   # of a user in Gradescope's submission_metadata.json


SETUP = """#!/usr/bin/env bash
# Runs once, to build the image.
set -e
base="${AUTOGRADER_BASE:-/autograder}"
apt-get update
apt-get install -y python3 python3-pip python3-venv
python3 -m venv "$base/venv"
"$base/venv/bin/python" -m pip install PACKAGES-r "$base/source/requirements.txt"
"""


class Settings(NamedTuple):
    """How submissions are graded."""
    task: str                       # LIST of names
    given: str                      # LIST of names, "" for none
    seconds: float
    feedback: str
    variants: bool
    id: str                         # which of IDS is a student's id
    secret: str                     # of the hidden draws, "" for none


def settings_of(wanted: Wanted, id: str) -> Settings:
    """The settings that grade what is wanted."""
    return Settings(",".join(wanted.names), ",".join(wanted.given), wanted.seconds, wanted.level, wanted.variants, id,
                    wanted.secret)


def read_settings(path: Path) -> Settings:
    """The settings in a file that `base_files` made."""
    return Settings(**json.loads(path.read_text(encoding="utf-8")))


def setup_script(packages: str = "") -> bytes:
    """A setup.sh that installs what every autograder needs, and more packages."""
    return SETUP.replace("PACKAGES", packages and f"{packages} ").encode()


def base_files(project: Project, settings: Settings) -> dict[str, bytes]:
    """What every autograder needs: the project with its solutions, the packages, the settings; path -> content."""
    root = project.root
    course = {path.relative_to(root).as_posix() for path in root.glob("scripts/course/*.py")}
    paths = sorted({*handed_out(root), *course})
    return {**{f"{PROJECT}/{path}": (root / path).read_bytes() for path in paths},
            REQUIREMENTS: requirements(root).encode(),
            SETTINGS: (json.dumps(settings._asdict(), indent=1) + "\n").encode()}


def requirements(root: Path) -> str:
    """The packages that grading needs: those of the project but Numba, as the engine does not grade."""
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["install_requires"].split("\n")
    return "\n".join(line for line in lines if line and not line.startswith("numba")) + "\n"


def packages(root: Path) -> list[str]:
    """Their names without versions, by which Python imports them."""
    return [re.split(r"[^\w]", line)[0] for line in requirements(root).splitlines()]


def _is_autograder(path: Path) -> bool:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return archive.comment == MADE_BY
    return False


AUTOGRADER = Kind("autograder of scripts.make_autograder", _is_autograder)
