"""Files as a zip, without importing the layers: a student's layers may not even be valid Python yet."""
import io
import zipfile


def zipped(files: dict[str, bytes], top: str = "") -> bytes:
    """A zip of files, path -> bytes, inside the folder `top` if given; the same bytes for the same content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(f"{top}/{path}" if top else path, (2020, 1, 1, 0, 0, 0))
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
