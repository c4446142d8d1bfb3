"""COCO's image ids."""
import re
from pathlib import Path

# COCO_val2014_000000391895.jpg; since 2017 000000391895.jpg
COCO_NAME = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{12})\.(?:jpg|jpeg|png)", re.IGNORECASE)


def image_id(name: str) -> int | str:
    """COCO's id of an image with a file name of COCO's form; for other images the name itself."""
    match = COCO_NAME.fullmatch(Path(name).name)
    return int(match.group(1)) if match else name
