"""Writing files and zips without importing the layers: a student's layers may not even be valid Python yet."""
import io
import os
import zipfile
from pathlib import Path


def check_place(path: str | Path) -> None:
    """Raises OSError if a file cannot be written there, so that this shows before hours of work."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}: make it first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {path.parent} is not yours to write in: choose another")


def write_whole(path: str | Path, content: bytes) -> None:
    """Write bytes beside `path`, then rename: the file is whole at any moment. Raises OSError."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def zipped(files: dict[str, bytes], top: str = "", executable: tuple[str, ...] = (), comment: bytes = b"") -> bytes:
    """A zip of files, path -> bytes, inside the folder `top` if given; the same bytes for the same content.

    executable: paths of files that Unix may run. comment: of the zip.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for path, content in files.items():
            info = zipfile.ZipInfo(f"{top}/{path}" if top else path, (2020, 1, 1, 0, 0, 0))
            if path in executable:
                info.create_system, info.external_attr = 3, 0o100755 << 16          # 3: Unix
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
