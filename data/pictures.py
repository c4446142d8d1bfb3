"""Photographs from the web, for notebooks. On any failure the result is a picture with the reason written on it."""
from __future__ import annotations

import http.client
import io
import socket
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

DEADLINE = 10.0  # seconds for one picture, from the look-up of the host to the last pixel
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000  # a few kilobytes can unpack to gigabytes
MAX_DECODED = 4 * MAX_PIXELS  # bytes: Pillow keeps four a pixel for all that is neither grey nor has a palette
STRIP = 1_000_000  # pixels that are converted at a time
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")  # Pillow runs other programs to read some further formats


def image_from_url(url: str) -> np.ndarray:
    """Fetch the picture at an http or https address, within DEADLINE seconds in any case.

    Returns uint8 (height, width, 3), RGB: the picture, or on any failure a grey one with the reason written on it.
    Raises nothing for a bad address, network or file.
    """
    outcome: list[np.ndarray | str] = []
    connections: list[http.client.HTTPConnection] = []
    # A thread, because a time limit on the socket covers neither the look-up of the host nor a very slow server.
    work = partial(_work, str(url), time.monotonic() + DEADLINE, connections, outcome)
    worker = threading.Thread(target=work, name="image_from_url", daemon=True)
    worker.start()
    try:
        worker.join(DEADLINE)
        result = outcome[0] if outcome else _reason(TimeoutError())  # before hanging up: that makes the thread fail
    finally:
        _hang_up(connections)  # also after Ctrl-C
    return _message_picture(f"No picture: {result}", str(url)) if isinstance(result, str) else result


def _work(url: str, deadline: float, connections: list[http.client.HTTPConnection],
          outcome: list[np.ndarray | str]) -> None:
    """The thread's work: append the picture, or the reason why there is none, to the list `outcome`."""
    try:
        outcome.append(_decode(_fetch(url, deadline, connections)))
    except Exception as error:  # any failure becomes a picture: networks and image files fail in many ways
        outcome.append(_reason(error))


def _fetch(url: str, deadline: float, connections: list[http.client.HTTPConnection]) -> io.BytesIO:
    """The body of the answer; every connection made is appended to the list `connections`."""
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise ValueError(f"the address begins with {scheme!r}, expected http or https")
    request = urllib.request.Request(url, headers={"User-Agent": "rnnlayers"})
    try:
        with _opener(connections).open(request, timeout=DEADLINE) as response:
            return _read(response, deadline)
    except HTTPError as error:
        error.close()  # the error is also the server's answer, which holds the socket
        raise


def _opener(connections: list[http.client.HTTPConnection]) -> urllib.request.OpenerDirector:
    # Not urllib's default opener, which would follow a redirect to ftp.
    opener = urllib.request.OpenerDirector()
    handlers = (urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPDefaultErrorHandler,
                urllib.request.HTTPErrorProcessor, _Redirects, partial(_Web, connections))
    for handler in handlers:
        opener.add_handler(handler())
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: urllib.request.Request, fp: Any, *rest: Any) -> urllib.request.Request | None:
        """Close the answer first, because urllib would read all of it before it follows the redirect."""
        fp.close()
        return super().redirect_request(req, fp, *rest)


class _Web(urllib.request.HTTPHandler):
    """urllib's handler for both schemes; it records its connections so that another thread can close them."""

    https_request = urllib.request.HTTPHandler.http_request

    def __init__(self, connections: list[http.client.HTTPConnection]) -> None:
        super().__init__()
        self.connections = connections

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._keep, http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._keep, http.client.HTTPSConnection), req)

    def _keep(self, kind: type[http.client.HTTPConnection], *args: Any, **kwargs: Any) -> http.client.HTTPConnection:
        self.connections.append(kind(*args, **kwargs))
        return self.connections[-1]


def _hang_up(connections: Iterable[http.client.HTTPConnection]) -> None:
    """End the other thread's wait for an answer, after which it closes the socket; `_read` checks the time itself."""
    for connection in list(connections):
        with suppress(OSError, AttributeError):  # closed, or passed on to the response (then sock is None)
            connection.sock.shutdown(socket.SHUT_RDWR)


def _read(response: http.client.HTTPResponse, deadline: float) -> io.BytesIO:
    body = io.BytesIO()
    while chunk := response.read1(65536):
        body.write(chunk)
        if body.tell() > MAX_BYTES:
            raise ValueError(f"the file is larger than {MAX_BYTES / 1e6:g} MB")
        if time.monotonic() > deadline:
            raise TimeoutError
    return body


def _decode(body: io.BytesIO) -> np.ndarray:
    """An image file as uint8 (height, width, 3). Raises ValueError if it is not a picture or too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(body, formats=FORMATS)  # reads the size, not yet the pixels
    except UnidentifiedImageError as error:
        raise ValueError("what the server sent is not a picture") from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS / 1e6:g} million")
        check_decoded(image)
        return np.array(rgb_in_strips(image))


def check_decoded(image: PillowImage, most: int = MAX_DECODED) -> None:
    """Raise ValueError if an image that is not decoded yet would take more than `most` bytes.

    An animation counts as its first frame: no other is decoded.
    """
    tiles = getattr(image, "tile", [])
    deep = any(";16" in str(tile) for tile in tiles[:1])  # 16 bits a sample, which Pillow reads and halves
    pixel = max({"1": 1, "L": 1, "P": 1, "I;16": 2}.get(image.mode, 4), 2 * deep * len(image.getbands()))
    found = image.width * image.height * pixel
    if found > most:
        raise ValueError(f"would unpack to {found / 1e6:,.0f} MB, expected at most {most / 1e6:g} MB: "
                         "save it with fewer pixels or with 8 bits a colour")


def rgb_in_strips(image: PillowImage, factor: int = 1) -> PillowImage:
    """to_rgb of an image, then its mean over squares of (factor, factor), with little memory besides the two."""
    from PIL import Image

    width, height = image.size
    rows = factor * max(1, STRIP // (factor * width))
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = to_rgb(image.crop((0, top, width, min(top + rows, height))))
        whole.paste(strip.reduce(factor), (0, top // factor))
    return whole


def to_rgb(image: PillowImage) -> PillowImage:
    """A Pillow image in RGB, transparent parts white."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey: convert() would clip them instead of scaling
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if "transparency" not in image.info and not image.mode.endswith("A"):
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _reason(error: Exception) -> str:
    """Why there is no picture, in words."""
    cause = error.reason if type(error) is URLError else error  # its subclass HTTPError has a better message itself
    if isinstance(cause, TimeoutError):
        return f"the server did not send it within {DEADLINE:g} seconds"
    return str(cause) or type(cause).__name__


def _message_picture(*paragraphs: str) -> np.ndarray:
    """A grey picture, uint8 (256, 256, 3), with the paragraphs written on it."""
    from PIL import Image, ImageDraw

    # Pillow's built-in font may lack all but Latin letters, and a reason or an address may be very long.
    plain = [paragraph.encode("ascii", "replace").decode() for paragraph in paragraphs]
    text = "\n\n".join(textwrap.fill(paragraph, 36, max_lines=8) for paragraph in plain)
    image = Image.new("RGB", (256, 256), (128, 128, 128))
    ImageDraw.Draw(image).multiline_text((12, 12), text, fill="white")
    return np.array(image)
