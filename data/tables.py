"""Tables of images and captions: CSV, TSV and `|` files, JSON lines, and JSON lists of objects."""
import ast
import json
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from data.files import read_text
from data.matching import CAPTION_NUMBER
from data.records import EXCEL, FILE_NAME, find_delimiter, read_records

# What columns are called, the likeliest first; case, blanks, - and _ do not matter.
IMAGE = ("image", "imagename", "filename", "file", "imagefile", "imagepath", "filepath", "path", "img", "imgname",
         "photo", "picture", "imageid", "imgid", "cocoid", "id")
CAPTION = ("caption", "captions", "captiontext", "comment", "text", "sentence", "sentences", "description", "raw")
JSON = re.compile(r'\s*(\{|\[\s*([\[\]{"\d-]|$))')              # not [CLS] a dog


class Row(NamedTuple):
    """One caption. An empty image or caption means that the file has none there."""
    image: str
    caption: str
    split: str | None
    where: str                      # "line 7" or "entry 7"


class Table(NamedTuple):
    """The rows of a file, and how it was read."""
    rows: list[Row]
    how: str                        # "comma-separated, columns image and caption"


def read_table(path: str | os.PathLike, image_column: str | None = None, caption_column: str | None = None,
               delimiter: str | None = None, split_column: str | None = None) -> Table:
    """Read a table of images and captions; what is not given is found by itself where it is plain.

    CSV follows RFC 4180, with any one-letter delimiter; the first line may be a header. A column is given by its name
    in the header, or by its number from 1. JSON is a list of objects or one object a line, whose keys are the columns
    (a caption is text or a list of texts), or one object, image -> caption or captions. Raises FileNotFoundError, or
    ValueError that names the line.
    """
    return parse_table(read_text(path), path, image_column, caption_column, delimiter, split_column)


def parse_table(text: str, where: object, image_column: str | None = None, caption_column: str | None = None,
                delimiter: str | None = None, split_column: str | None = None) -> Table:
    """As read_table, from the text of a file; where: its name, for errors."""
    if JSON.match(text) and delimiter is None:
        return _json_table(text, where, image_column, caption_column, split_column)
    if stated := EXCEL.match(text):
        text, delimiter = text[stated.end():], delimiter or stated[1]
    records = read_records(text, delimiter := find_delimiter(text, delimiter, where), where)
    if not records:
        raise ValueError(f"{where}: is empty, expected lines of an image and a caption")
    asked = (image_column, caption_column, split_column)
    header = _header([cell.strip() for cell in records[0][1]], [fields for _, fields in records[1:50]], asked)
    records = records[header is not None:]
    width = len(header or min((fields for _, fields in records if len(fields) > 1), key=len, default=[""]))
    columns = _columns(header, [fields for _, fields in records[:50]], width, asked, where)
    rows = [row for line, fields in records
            for row in _rows(fields, columns, delimiter, f"line {line}", width, where)]
    return Table(rows, _how(delimiter, header, columns, width))


def _how(delimiter: str, header: list[str] | None, columns: tuple[int | None, ...], width: int) -> str:
    """How a table was read: what separates its columns, and which of them were taken."""
    separated = {"\t": "tab-separated", ",": "comma-separated"}.get(delimiter, f"separated by {delimiter}")
    if header is None:
        taken = " and ".join(f"number {k + 1}" for k in columns if k is not None)
        return f"{separated}, without a header, columns {taken}" + (f" of {width}" if width > 2 else "")
    taken = " and ".join(f"{header[k]!r:.60}" for k in columns if k is not None)
    unused = [name[:60] for k, name in enumerate(header) if k not in columns and name]
    splits = "; --split-column split takes the splits from that column" if "split" in map(_plain, unused) else ""
    return (f"{separated}, with a header, columns {taken}" + (f", not {', '.join(unused[:5])}" if unused else "")
            + splits)


# --- Columns -----------------------------------------------------------------------------------------------------


def _plain(name: object) -> str:
    return re.sub(r"[\s_-]", "", str(name)).lower()


def _header(first: list[str], others: list[list[str]], asked: Iterable[str | None]) -> list[str] | None:
    """The first record if it is a header: it has a known or given name, or no file name where all others have one."""
    known = {*IMAGE, *CAPTION, *(_plain(name) for name in asked if name is not None and not name.isdecimal())}
    if any(_plain(cell) in known for cell in first):
        return first
    if others and not any(FILE_NAME.search(cell) for cell in first) and all(
            any(FILE_NAME.search(cell.strip()) for cell in fields) for fields in others):
        return first
    return None


def _columns(header: list[str] | None, sample: list[list[str]], width: int, asked: tuple[str | None, ...],
             where: object) -> tuple[int, int, int | None]:
    """Numbers, from 0, of the columns of image, caption and split (None where it was not asked for)."""
    image, caption, split = (None if name is None else _numbered(name, header, width, where) for name in asked)
    if image is None:
        image = _named(header, IMAGE, {caption, split})
    if caption is None:
        caption = _named(header, CAPTION, {image, split})
    if image is None:
        image = _likeliest(sample, width, {caption, split}, _like_a_name)
    if caption is None:
        caption = _likeliest(sample, width, {image, split}, lambda cell: len(cell.split()) + len(cell) / 999)
    if image is None or caption is None:
        raise ValueError(f"{where}: one column, expected one of images and one of captions: give the "
                         "separator with --delimiter")
    if image == caption:
        raise ValueError(f"{where}: --image-column and --caption-column are the same column, expected two")
    return image, caption, split


def _numbered(name: str, header: list[str] | None, width: int, where: object) -> int:
    """The column of this name, exactly or but for case, else of this number."""
    for same in (str, _plain):
        if header and same(name) in [same(cell) for cell in header]:
            return [same(cell) for cell in header].index(same(name))
    if name.isdecimal() and 1 <= int(name) <= width:
        return int(name) - 1
    found = f"its header has {', '.join(header[:9])}" if header else "it has no header"
    raise ValueError(f"{where}: no column {name!r}, {found}: expected a name there, or a number from 1 to {width}")


def _named(header: list[str] | None, names: Iterable[str], taken: set[int | None]) -> int | None:
    cells = [None if k in taken else _plain(cell) for k, cell in enumerate(header or [])]
    return next((cells.index(name) for name in names if name in cells), None)


def _likeliest(sample: list[list[str]], width: int, taken: set[int | None],
               score: Callable[[str], float]) -> int | None:
    """The column whose cells score most; ties go to the first."""
    free = [k for k in range(width) if k not in taken]
    return max(free, key=lambda k: sum(score(f[k].strip()) if k < len(f) else 0 for f in sample), default=None)


def _like_a_name(cell: str) -> float:
    return bool(FILE_NAME.search(cell)) - len(cell.split()) / 99


def _rows(fields: list[str], columns: tuple[int, int, int | None], delimiter: str, line: str, width: int,
          where: object) -> list[Row]:
    """The captions of a record: one, or several where the caption is written as a list."""
    image, caption, split = columns
    if len(fields) > width:
        if caption != width - 1 and any(field.strip() for field in fields[width:]):
            raise ValueError(f"{where}: {line} has {len(fields)} fields, expected {width}: put captions with "
                             f"{delimiter!r} in quotes")
        if caption == width - 1:                            # the delimiter occurs in the caption
            fields = [*fields[:caption], delimiter.join(fields[caption:]).rstrip(delimiter)]
    cells = [*(_unquoted(field.strip()) for field in fields), *[""] * (width - len(fields))]
    name = CAPTION_NUMBER.sub("", cells[image])
    return [Row(name, text.strip(), None if split is None else cells[split], line) for text in _listed(cells[caption])]


def _listed(cell: str) -> list[str]:
    """The texts of a list in JSON, or as Python writes it; else the cell alone."""
    if cell[:2] not in ("['", '["') or cell[-1] != "]":
        return [cell]
    for read in (json.loads, ast.literal_eval):
        try:
            texts = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if all(isinstance(text, str) for text in texts) and (read is json.loads or str(texts) == cell):
            return texts
    return [cell]


def _unquoted(cell: str) -> str:
    """A cell without quotes around it, which the reader left where blanks stood before them."""
    inner = cell[1:-1].replace('""', "")
    return cell[1:-1].replace('""', '"') if cell[:1] == cell[-1:] == '"' != cell and '"' not in inner else cell


# --- JSON --------------------------------------------------------------------------------------------------------


def _json_table(text: str, where: object, *asked: str | None) -> Table:
    entries = _entries(text, where)
    keys = next(filter(None, (_keys(entry, asked) for _, entry in entries)), None)
    if len(entries) == 1 and isinstance(entries[0][1].get("images"), list):
        raise ValueError(f"{where}: an object with a list of images, expected a list of images and captions: if it is "
                         "Karpathy's or COCO's, take prepare_data karpathy or coco")
    if keys is None:
        first = ", ".join(map(str, list(entries[0][1])[:9])) if entries else "nothing"
        raise ValueError(f"{where}: no entry has an image and a caption, the first has {first}: give the keys with "
                         "--image-column and --caption-column")
    rows = [row for place, entry in entries for row in _json_rows(entry, keys, f"{where}: {place}", place)]
    return Table(rows, f"JSON, keys {' and '.join(repr(key) for key in keys if key)}")


def _entries(text: str, where: object) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a list, or of one a line, each with its place in the file."""
    try:
        content = json.loads(text)
        if isinstance(content, dict):
            content = _of_object(content)
        entries = [(f"entry {n}", entry) for n, entry in enumerate(content)]
    except (ValueError, RecursionError) as error:
        if not text.lstrip().startswith("{"):
            raise ValueError(f"{where}: expected JSON, found something else ({error})") from error
        entries = [(f"line {n}", _line(line, f"{where}: line {n}"))
                   for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for place, entry in entries:
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: {place} is {entry!r:.60}, expected an object with an image and a caption")
    return entries


def _of_object(content: dict[str, Any]) -> list[Any]:
    """An object as a list of entries: image -> caption or captions, else one entry."""
    if _keys(content, (None, None, None)) is None and "images" not in content and all(
            isinstance(value, (str, list)) for value in content.values()):
        return [{"image": image, "caption": value} for image, value in content.items()]
    return [content]


def _line(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: expected a JSON object, found something else ({error})") from error


def _keys(entry: dict[str, Any], asked: tuple[str | None, ...]) -> tuple[str, str, str | None] | None:
    """The keys of image, caption and split in an entry, None if it lacks one."""
    plain = {_plain(key): key for key in entry}
    wanted = ([_plain(name)] if name else names for name, names in zip(asked, (IMAGE, CAPTION, ())))
    image, caption, split = (next((plain[name] for name in names if name in plain), None) for names in wanted)
    return None if image is None or caption is None or (asked[2] and split is None) else (image, caption, split)


def _json_rows(entry: dict[str, Any], keys: tuple[str, str, str | None], where: str, place: str) -> list[Row]:
    image, caption, split = ("" if key is None or entry.get(key) is None else entry[key] for key in keys)
    captions = caption if isinstance(caption, list) else [caption]
    if isinstance(image, bool) or not isinstance(image, (str, int)) or not all(isinstance(c, str) for c in captions):
        raise ValueError(f"{where} has {image!r:.60} and {caption!r:.60}, expected the name of an image and text, or a "
                         "list of texts")
    name = CAPTION_NUMBER.sub("", str(image).strip())
    return [Row(name, text.strip(), str(split).strip() if keys[2] else None, place) for text in captions or [""]]
