"""Candidates and references of COCO's files: which images are scored, and tables of their scores."""
import csv
import io
from collections.abc import Iterable
from pathlib import Path

from models.metrics import MEASURES, CaptionScores


def pair(candidates: dict, references: dict, names: tuple[Path, Path]) -> tuple[dict, list[str]]:
    """References of the candidates' images, and notes on oddities; names: of the two files.

    Raises ValueError if an image has no reference.
    """
    unknown = [key for key in candidates if key not in references]
    if unknown:
        like = next(iter(references))
        raise ValueError(f"{names[0]}: {len(unknown)} of {len(candidates)} images have no reference in {names[1]}, the "
                         f"first is image_id {unknown[0]!r}; ids there are like {like!r}")
    notes, left = [], len(references) - len(candidates)
    if left:
        notes.append(f"{left:,} images of {names[1]} have no candidate and are not scored")
    empty = sum(not caption for caption in candidates.values())
    if empty:
        notes.append(f"{empty:,} candidates have no word: they count, with scores of nearly 0")
    if len(candidates) == 1:
        notes.append("CIDEr of a single image is 0: it weighs words by how few of the images have them")
    return {key: references[key] for key in candidates}, notes


def per_image_csv(scores: CaptionScores) -> bytes:
    """One line per image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", *MEASURES])
    writer.writerows([key, *(row[name] for name in MEASURES)] for key, row in scores.per_image.items())
    return text.getvalue().encode("utf-8", "backslashreplace")


def check_output(path: Path, inputs: Iterable[Path]) -> None:
    """Raises ValueError where a file cannot be written at `path`, or should not be."""
    if not path.absolute().parent.is_dir() or path.exists() and not path.is_file():
        raise ValueError(f"--per-image {path}: expected a file in a folder that exists")
    if any(path.exists() and other.exists() and path.samefile(other) for other in inputs):
        raise ValueError(f"--per-image {path}: that is one of the files to read")


def score_lines(scores: dict[str, float]) -> list[str]:
    """A line for each measure."""
    return [f"{name:8s} {score:.4f}" for name, score in scores.items()]
