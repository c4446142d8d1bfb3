"""Files as a zip, without importing the layers: a student's layers may not even be valid Python yet."""
import io
import zipfile


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
