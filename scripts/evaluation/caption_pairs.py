"""Candidates and references of files: which images are scored, with which words, and tables of their scores."""
import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from data.caption_files import CaptionFile, Captions
from data.files import read_json
from data.markers import strip_markers
from data.matching import match_names
from data.tokenizer import TOKENS
from data.word_counts import WITHOUT_BLANKS, not_cut
from models.metrics import MEASURES, CaptionScores
from scripts.commandline.outputs import text_kind

SCORES = text_kind("table of scripts.score", ",".join(["image_id", *map(re.escape, MEASURES)]) + "\n")


class Pairs(NamedTuple):
    """Captions of the images that both files have."""
    candidates: Captions            # image as the candidates name it -> its one caption
    references: Captions            # the same images
    notes: list[str]                # how they were found, and what was left out


def pair(candidates: CaptionFile, references: CaptionFile) -> Pairs:
    """Find the references of the candidates' images by their names and ids.

    Of several readings of a file those that have most of the images are taken. Raises ValueError if an image has no
    reference.
    """
    readings = [(one, other) for one in candidates.readings for other in references.readings]
    matches = {(one, other): match_names(candidates.readings[one], list(references.readings[other]))
               for one, other in readings}

    def fit(labels: tuple[str, str]) -> tuple[int, int, int]:
        """Most images found; then fewest without a candidate; then most found by the same name."""
        found = matches[labels]
        return len(found.row_of), -len(references.readings[labels[1]]), -found.by.total()
    best = max(readings, key=fit)
    ours, theirs = candidates.readings[best[0]], references.readings[best[1]]
    rows, images = matches[best].row_of, list(theirs)
    unknown = [image for image in ours if image not in rows]
    if unknown:
        there = "; ".join(f"{label or 'images'}: {_some(names)}" for label, names in references.readings.items())
        raise ValueError(f"{candidates.name}: {len(unknown)} of {len(ours)} images have no reference in "
                         f"{references.name}: {_some(unknown)}; there are {there}")
    notes = [note for file, label in zip((candidates, references), best)
             for note in (*file.notes, *([f"{file.name}: {label} is used"] if label else []))]
    notes += [f"{count:,} images are found by {by}" for by, count in matches[best].by.items()]
    if len(images) > len(ours):
        notes.append(f"{len(images) - len(ours):,} images of {references.name} have no candidate and are not scored")
    return Pairs(ours, {image: theirs[images[rows[image]]] for image in ours}, notes)


def words_of(pairs: Pairs, tokens: str) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Words of the candidates and of the references, for score_captions, and notes on oddities.

    Markers around captions are stripped. tokens: how captions are cut, one of TOKENS.
    """
    found, cut = [], []
    for who, captions in (("candidates", pairs.candidates), ("references", pairs.references)):
        stripped, counts = strip_markers([text for texts in captions.values() for text in texts])
        words = map(TOKENS[tokens], stripped)
        cut.append({image: [next(words) for _ in texts] for image, texts in captions.items()})
        found += [f"{n:,} {marker} in the {who}" for marker, n in counts.items()]
    candidates, references = {image: text for image, (text,) in cut[0].items()}, cut[1]
    notes = [f"markers stripped: {', '.join(found)}"] if found else []
    written = [text for texts in references.values() for text in texts]
    whole = sum(map(not_cut, written))
    if tokens != "characters" and whole > len(written) / 2:
        notes.append(f"{whole:,} of {len(written):,} references are one word or seem not to be cut into words "
                     f"(--tokens {tokens}); {WITHOUT_BLANKS}")
    empty = sum(not caption for caption in candidates.values())
    if empty:
        notes.append(f"{empty:,} candidates have no word: they count, with scores of nearly 0")
    if len(candidates) == 1:
        notes.append("CIDEr of a single image is 0: it weighs words by how few of the images have them")
    return candidates, references, notes


def tokens_of(references: Path) -> str:
    """How the captions of a dataset folder's references.json are cut, as its dataset.json says; else treebank."""
    path = references.parent / "dataset.json"
    info = read_json(path) if references.name == "references.json" and path.is_file() else {}
    tokens = info.get("tokens", "treebank") if isinstance(info, dict) else "treebank"
    if tokens not in list(TOKENS):
        raise ValueError(f"{path}: tokens is {tokens!r:.80}, expected one of {', '.join(TOKENS)}")
    return tokens


def _some(images: Iterable[str]) -> str:
    """Two names."""
    return ", ".join(f"{image!r:.40}" for image in list(images)[:2])


def per_image_csv(scores: CaptionScores) -> bytes:
    """One line per image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", *MEASURES])
    writer.writerows([key, *(row[name] for name in MEASURES)] for key, row in scores.per_image.items())
    return text.getvalue().encode("utf-8", "backslashreplace")


def check_not_read(path: Path, inputs: Iterable[Path]) -> None:
    """Raises ValueError where the file to write is one of those to read."""
    if any(path.exists() and other.exists() and path.samefile(other) for other in inputs):
        raise ValueError(f"--per-image {path}: that is one of the files to read")


def score_lines(scores: dict[str, float]) -> list[str]:
    """A line for each measure."""
    return [f"{name:8s} {score:.4f}" for name, score in scores.items()]
