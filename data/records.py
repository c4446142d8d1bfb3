"""Records of a delimited text file: what separates the fields, and the fields themselves, in quotes or not."""
import contextlib
import csv
import io
import re
from collections.abc import Iterator
from typing import Any

DELIMITERS = "\t|;,"            # of two that all lines have the first is taken: the rarest in prose
FILE_NAME = re.compile(r"\.[A-Za-z]{3,5}(#|$)")                 # dog.jpg, dog.jpg#0
EXCEL = re.compile(r"sep=([^\n])(?=\n)")                        # a first line that tells Excel the delimiter


def find_delimiter(text: str, given: str | None, where: object) -> str:
    """The delimiter that most of the first lines have."""
    if given is not None:
        given = {"\\t": "\t", "tab": "\t"}.get(given, given)
        if len(given) != 1 or given in "\"\n\r":
            raise ValueError(f"--delimiter {given!r}: expected one letter, such as , or | or tab")
        return given
    lines = [line for line in text[:2**20].split("\n") if line.strip()][:50]
    if not lines:
        raise ValueError(f"{where}: is empty, expected lines of an image and a caption")
    counts = {delimiter: sum(delimiter in line for line in lines) for delimiter in DELIMITERS}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    if not counts[best]:
        raise ValueError(f"{where}: no tab, |, comma or ; in its first lines, expected an image and a caption in each "
                         "line: give the separator with --delimiter")
    return best


def read_records(text: str, delimiter: str, where: object) -> list[tuple[int, list[str]]]:
    """The number of the first line of each record, and its fields, without blank lines.

    Quotes enclose fields as in RFC 4180, or with \\" for a quote inside. If a file breaks these rules somewhere, quotes
    are ordinary letters; but if they enclose line breaks, the rest of the file is still read by the rules.
    """
    escaped: list[dict[str, Any]] = [{"strict": True, "escapechar": "\\"}] if '\\"' in text else []
    for rule in [{"strict": True}, *escaped, {}]:
        with contextlib.suppress(csv.Error):
            records = list(_parsed(text, delimiter, rule))
            if rule or any("\n" in field for _, fields in records for field in fields):
                return records
    try:
        return list(_parsed(text, delimiter, {"quoting": csv.QUOTE_NONE}))
    except csv.Error as error:
        raise ValueError(f"{where}: cannot be read as a table: {error}") from error


def _parsed(text: str, delimiter: str, rule: dict[str, Any]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **rule)
    line = 1
    for fields in reader:
        if any(field.strip() for field in fields):
            if any(_begins_row(part, delimiter, "strict" not in rule)
                   for field in fields if "\n" in field for part in field.split("\n")[1:]):
                raise csv.Error("a quote that is never closed")     # it swallowed the next rows
            yield line, fields
        line = reader.line_num + 1


def _begins_row(text: str, delimiter: str, number: bool) -> bool:
    """Whether a line begins with the name of an image and a delimiter; number: it may also be a number."""
    first, found, _ = text.partition(delimiter)
    return bool(found) and (FILE_NAME.search(first.strip()) is not None or number and first.strip().isdecimal())
