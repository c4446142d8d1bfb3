"""The folder of one task: made, measured, and removed whatever a submission did to it. No link is followed."""
import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

DEEPEST = 100                       # folders in each other that are looked into
PREFIX = "task-"
WORK, ROOT = "work", "root"         # the submission's folder; an empty one that may become its root
HAS_DESCRIPTORS = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd


@contextlib.contextmanager
def folder_of(files):
    """A temporary folder with these files, path -> text."""
    around = tempfile.mkdtemp(prefix=PREFIX)
    descriptor = _open(around) if HAS_DESCRIPTORS else None
    try:
        os.chmod(around, 0o711)                                     # the task may have a user of its own
        for name in (WORK, ROOT):
            Path(around, name).mkdir()
        for path, text in files.items():
            target = Path(around, WORK, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        yield Path(around, WORK)
    finally:
        _remove(around, descriptor)


def remove_around(work: str) -> None:
    """Remove what folder_of made, for a grader that no longer can; `work` in any other folder stays."""
    around, name = os.path.split(work)
    if name == WORK and os.path.basename(around).startswith(PREFIX):
        with contextlib.suppress(OSError):
            _remove(around, _open(around))


def _open(name, parent=None):
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _remove(around, descriptor):
    if descriptor is None:
        shutil.rmtree(around, ignore_errors=True)
        return
    for name in os.listdir(descriptor):                             # of the folder itself, wherever it is now
        remove_below(descriptor, name)
    os.close(descriptor)
    with contextlib.suppress(OSError):                              # rmdir does not follow links
        os.unlink(around) if os.path.islink(around) else os.rmdir(around)


def remove_below(parent: int, name: str) -> None:
    """Remove a file or folder of an open folder, as deep as it may be: each subfolder is moved up first.

    Nothing may still be running in it. What cannot be removed stays.
    """
    todo, count = [name], 0
    while todo:
        name = todo.pop()
        with contextlib.suppress(OSError):
            if not _is_folder(parent, name):
                os.unlink(name, dir_fd=parent)
                continue
            with contextlib.suppress(OSError, NotImplementedError):
                os.chmod(name, 0o700, dir_fd=parent)                # it is no link, and nobody changes it now
            folder = _open(name, parent)
            for entry in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if _is_folder(folder, entry):
                        count += 1
                        os.chmod(entry, 0o700, dir_fd=folder)       # moving a folder writes its ..
                        os.rename(entry, f".removed-{count}", src_dir_fd=folder, dst_dir_fd=parent)
                        todo.append(f".removed-{count}")
                    else:
                        os.unlink(entry, dir_fd=folder)
            os.close(folder)
            os.rmdir(name, dir_fd=parent)


def _is_folder(parent, name):
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def taken(work: str, most: int) -> tuple[int, int]:
    """The bytes and the number of files below a folder; it stops to count after `most` files.

    Where it cannot look, in what nobody may read or what is deeper than DEEPEST, there may be any number: `most`.
    """
    try:
        return _below(work, None, most, DEEPEST)
    except OSError:
        return 0, most


def _below(name, parent, most, levels):
    """The same of a folder in an open one: paths from the top may be too long for the system."""
    folder = _open(name, parent)
    size = count = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):        # removed meanwhile
                    size, count = size + _blocks(entry.stat(follow_symlinks=False)), count + 1
                    if entry.is_dir(follow_symlinks=False):
                        more = _below(entry.name, folder, most - count, levels - 1) if levels else (0, most)
                        size, count = size + more[0], count + more[1]
                if count >= most:
                    break
    finally:
        os.close(folder)
    return size, count


def _blocks(found):
    return 0 if sys.platform == "win32" else 512 * found.st_blocks
