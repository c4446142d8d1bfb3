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
    found = _from_folder(path, wanted) if path.is_dir() else _from_zip(path, wanted)
    texts, notes = {}, [f"{name}: missing" for name in wanted if name not in found]
    for name in wanted:
        if name in found:
            texts[name] = _decoded(name, found[name], notes)
    if not texts:
        raise ValueError(f"{path}: has none of the assignment's files, expected {', '.join(wanted)}")
    said = _json(found.get(MANIFEST)) or {}
    hashes = said.get("sha256") if isinstance(said.get("sha256"), dict) else {}
    notes += [f"{name}: changed after it was packed" for name in texts
              if name in hashes and hashes[name] != hashlib.sha256(found[name]).hexdigest()]
    student = printable(said.get("student") or path.resolve().name.removesuffix(".zip"))
    version = printable((said or _json(found.get(ASSIGNMENT)) or {}).get("version", ""))
    return Submission(student, {name: text for name, text in texts.items() if text is not None}, notes, version)


def _from_folder(folder, wanted):
    """Files by name, also if a single top folder contains them, or all of them lie in no folder."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(LITTER)]
    single = inside[0] if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else None
    found = _files(folder, wanted) or (_files(single, wanted) if single else {})
    return found if found.keys() & set(wanted) else {**found, **_files(folder, wanted, lambda name: Path(name).name)}


def _files(folder, wanted, place_of=str):
    found, root = {}, folder.resolve()
    for name in (*wanted, MANIFEST, ASSIGNMENT):
        place = place_of(name)
        file = folder / place
        # a link could lead to somebody else's solution
        if file.is_file() and file.resolve() == root / place and file.stat().st_size <= LARGEST:
            found[name] = file.read_bytes()
    return found


def _from_zip(path, wanted):
    """Members by name, also if a single top folder contains them."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist() if info.file_size <= LARGEST}
            tops = {name.partition("/")[0] for name in members if not name.startswith(LITTER)}
            prefix = f"{tops.pop()}/" if len(tops) == 1 else ""
            return {name: _content(archive, members[place]) for name in (*wanted, MANIFEST, ASSIGNMENT)
                    for place in (name if name in members else prefix + name,) if place in members}
    except Exception as error:                          # each compression raises errors of its own
        raise ValueError(f"{path}: neither a folder nor a zip that can be read ({error})") from error


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
        notes.append(f"{name}: is no text in UTF-8, not looked at")
        return None


def _json(content):
    try:
        value = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
