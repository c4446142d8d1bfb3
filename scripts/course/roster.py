"""The ids of a class, from a table."""
import csv
import io
from pathlib import Path

from data.files import read_text

COLUMNS = ("student", "email", "sid", "id")         # the first of these that the table has


def read_roster(path: Path) -> list[str]:
    """The ids in a CSV with a heading. Raises ValueError if it has none, or one twice, or what is no id."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path))))
    except csv.Error as error:
        raise ValueError(f"--roster {path}: is no table ({error})") from None
    heading = [name.strip().lower() for name in rows[0]] if rows else []
    column = next((heading.index(name) for name in COLUMNS if name in heading), None)
    if column is None:
        raise ValueError(f"--roster {path}: expected a column named {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]} in its "
                         "first line")
    ids = [checked_id(row[column].strip(), f"--roster {path}: line {k}") for k, row in enumerate(rows[1:], 2)
           if any(map(str.strip, row)) and len(row) > column]
    again = [one for k, one in enumerate(ids) if one.casefold() in map(str.casefold, ids[:k])]
    if again or not ids:
        raise ValueError(f"--roster {path}: {f'{again[0]} stands in it twice' if again else 'has no students'}")
    return ids


def checked_id(student: str, where: str) -> str:
    """An id that is a folder's name too. Raises ValueError."""
    if not student or student.strip(". ") != student or set(student) & set('/\\:*?"<>|') or not student.isprintable():
        raise ValueError(f"{where}: {student!r} is not an id, expected a name without slashes and the like")
    return student
