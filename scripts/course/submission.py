"""Reading a submission, a folder or a zip. Only the files of the tasks are read, and nothing is unpacked."""
import hashlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scripts.course.results import printable
from scripts.course.tasks import ASSIGNMENT

MANIFEST = "manifest.json"
LARGEST = 1 << 20                   # bytes of one file
PIECE = 4096                        # bytes
AROUND = 4                          # folders, each in the other, that may hold all files
ZIP = ".zip"
LITTER = (".", "__MACOSX")          # prefixes of files that operating systems leave behind


class Submission(NamedTuple):
    student: str                    # the id in the manifest, else the name of the folder or file
    texts: dict[str, str]           # path -> text
    notes: list[str]                # sentences about oddities
    version: str                    # of the assignment, "" if unknown


def read_submission(path: str | Path, wanted: Iterable[str]) -> Submission:
    """Read the wanted files of a submission.

    Raises FileNotFoundError if the path is absent, ValueError if it is no folder or zip, or has none of the files.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such submission, expected a folder or a zip")
    if not (path.is_dir() or path.is_file()):           # a pipe would be waited for
        raise ValueError(f"{path}: neither a folder nor a zip that can be read")
    notes: list[str] = []
    found = (_from_folder if path.is_dir() else _from_zip)(path, wanted, notes)
    if not found.keys() & set(wanted):
        raise ValueError(f"{path}: {'; '.join(notes)}" if notes else
                         f"{path}: has none of the assignment's files, expected {', '.join(wanted)}")
    too_large = {note.partition(":")[0] for note in notes}
    notes += [f"{name}: missing" for name in wanted if name not in {*found, *too_large}]
    texts = {name: _decoded(name, found[name], notes) for name in wanted if name in found}
    said = _json(found.get(MANIFEST)) or {}
    hashes = said.get("sha256") if isinstance(said.get("sha256"), dict) else {}
    notes += [f"{name}: changed after it was packed" for name in texts
              if name in hashes and hashes[name] != hashlib.sha256(found[name]).hexdigest()]
    student = printable(said.get("student") or id_of(path)).strip() or id_of(path)
    version = printable((said or _json(found.get(ASSIGNMENT)) or {}).get("version", ""))
    return Submission(student, {name: text for name, text in texts.items() if text is not None}, notes, version)


def id_of(path: Path) -> str:
    """The student's id where the submission names none: that of the folder or zip."""
    name = path.resolve().name
    return name[:-len(ZIP)] if is_zip(path) else name


def is_zip(path: Path) -> bool:
    """Whether a file is named as a zip."""
    return path.suffix.lower() == ZIP


def _from_folder(folder, wanted, notes):
    root = folder.resolve()

    def there(place):                                   # a link could lead to somebody else's solution
        return (folder / place).is_file() and (folder / place).resolve() == root / place

    def inside(place):
        return [f"{path.name}/" if path.is_dir() and not path.is_symlink() else path.name
                for path in (folder / place).iterdir()]
    return {name: (folder / place).read_bytes() for name, place in _places(wanted, there, inside).items()
            if _is_small(name, (folder / place).stat().st_size, notes)}


def _from_zip(path, wanted, notes):
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}

            def inside(place):
                rest = [name[len(place):] for name in members if name.startswith(place) and name != place]
                return {"".join(name.partition("/")[:2]) for name in rest}
            return {name: _content(archive, members[place])
                    for name, place in _places(wanted, members.__contains__, inside).items()
                    if _is_small(name, members[place].file_size, notes)}
    except Exception as error:                          # each compression raises errors of its own
        raise ValueError(f"{path}: neither a folder nor a zip that can be read ({error})") from error


def _places(wanted, there, inside):
    """Where the files are: in their folders, which another may hold that holds all; or all in no folders, side by side.

    there: whether a file is in a place; inside: what a folder holds, folders ending in /.
    """
    around, names = "", (*wanted, MANIFEST, ASSIGNMENT)
    for _ in range(AROUND):
        places = {name: around + name for name in names if there(around + name)}
        held = [name for name in inside(around) if not name.startswith(LITTER)]
        if places.keys() & set(wanted) or len(held) != 1 or not held[0].endswith("/"):
            break
        around += held[0]
    if places.keys() & set(wanted):
        return places
    side_by_side = {name: around + Path(name).name for name in names}
    return {name: place for name, place in side_by_side.items() if there(place)}


def _is_small(name, size, notes):
    """Whether a file is small enough to be read; if not, a note says so."""
    if size > LARGEST:
        notes.append(f"{name}: has {size:,} bytes, at most {LARGEST:,} are read")
    return size <= LARGEST


def _content(archive, member):
    """A member, in small pieces: what is there may be larger than its entry says, by a thousand times.

    Other compressions than deflate give no small pieces. Raises ValueError on them.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed by another method than deflate: make a plain zip")
    with archive.open(member) as file:
        return b"".join(iter(lambda: file.read(PIECE), b""))


def _decoded(name, content, notes):
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        notes.append(f"{name}: is not UTF-8 text and was not checked")
        return None


def _json(content):
    try:
        value = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
