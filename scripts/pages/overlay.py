"""What a page needs to show an image with the attention at each word on it; drawn by templates/overlay.js."""
import base64
import io
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

QUALITIES = (80, 60, 40, 20)            # of JPEG


class Jpeg(NamedTuple):
    """A picture of a page."""
    uri: str                            # with the picture inside
    size: tuple[int, int]               # width, height


def jpeg(image: Image.Image, side: int, most: int) -> Jpeg:
    """A picture in RGB as JPEG: no side longer than `side`, shorter where it would take more than `most` bytes."""
    small = image.copy()
    small.thumbnail((side, side))
    for quality in QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= most:
            return Jpeg("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(), small.size)
    return jpeg(image, 3 * side // 4, most)


def attention(maps: np.ndarray | None, grid: tuple[int, int] | None) -> dict[str, Any]:
    """Attention maps (words, L) as bytes in base64, 255 for each word's largest weight; {} without attention."""
    if maps is None:
        return {}
    scaled = np.round(255 * maps / maps.max(axis=1, keepdims=True)).astype(np.uint8)
    return {"grid": grid, "maps": base64.b64encode(scaled.tobytes()).decode(),
            "peaks": [round(float(weights.max()), 3) for weights in maps]}
