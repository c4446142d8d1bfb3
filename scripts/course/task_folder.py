"""The folder of one task: made, measured, and removed whatever a submission did to it. No link is followed."""
import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

WORK, ROOT = "work", "root"         # the submission's folder; an empty one that may become its root
HAS_DESCRIPTORS = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd


@contextlib.contextmanager
def folder_of(files):
    """A temporary folder with these files, path -> text."""
    around = tempfile.mkdtemp(prefix="task-")
    descriptor = os.open(around, os.O_RDONLY | os.O_DIRECTORY) if HAS_DESCRIPTORS else None
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
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
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
    """The bytes and the number of files below a folder; it stops to count after `most` files."""
    size, count, todo = 0, 0, [work]
    while todo and count < most:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    size, count = size + _blocks(entry.stat(follow_symlinks=False)), count + 1
                    todo += [entry.path] if entry.is_dir(follow_symlinks=False) else []
                if count >= most:
                    break
    return size, count


def _blocks(found):
    return 0 if sys.platform == "win32" else 512 * found.st_blocks
