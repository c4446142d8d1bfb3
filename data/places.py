"""Where the files and folders are that dataset.json names: the data set may have moved since, with them."""
import os
from pathlib import Path, PureWindowsPath


def file_place(folder: Path, written: str) -> Path:
    """Where a file is that dataset.json names: as written, or in the folder, with which it moved.

    The name may have a drive and backslashes, if it was written on Windows.
    """
    windows = PureWindowsPath(written)
    names = (written, windows.as_posix(), Path(written).name, windows.name)
    places = [folder / name for name in names if name]          # folder / an absolute path is that path
    return next((place for place in places if place.is_file()), Path(folder / written))


def written_folder(path: str | os.PathLike, folder: str | os.PathLike) -> str:
    """How dataset.json in `folder` names a folder of photographs: relative if it is in or beside it, else absolute."""
    place, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    near = place.is_relative_to(folder.parent)
    return Path(os.path.relpath(place, folder)).as_posix() if near else str(place)


def folder_place(folder: Path, written: str) -> Path:
    """Where a folder is that dataset.json names: as written, or in or beside the data set, with which it moved."""
    windows = PureWindowsPath(written)
    places = [folder / name for name in (written, windows.as_posix(), windows.name, Path("..", windows.name))]
    return next((place for place in places if place.is_dir()), places[0]).resolve()
