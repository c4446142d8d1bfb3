"""Photographs from the web, for notebooks: always a picture, if need be one that says in words what went wrong."""

import http.client
import io
import socket
import textwrap
import threading
import time
import urllib.request
from contextlib import suppress
from functools import partial
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import numpy as np

DEADLINE = 10.0  # seconds for one picture, from the name's look-up to the last pixel
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000  # a few kilobytes can unpack to gigabytes
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")  # Pillow reads others by running programs on temporary files


def image_from_url(url):
    """Fetch the picture at an http or https address, within DEADLINE seconds whatever hangs.

    Returns uint8 (height, width, 3), RGB: the picture, or on any failure a grey one with the reason written on it.
    Raises nothing for a bad address, network or file.
    """
    outcome, connections = [], []
    # A thread, as a time limit on the socket bounds neither the name's look-up nor a server that drips byte after byte.
    work = partial(_work, str(url), time.monotonic() + DEADLINE, connections, outcome)
    worker = threading.Thread(target=work, name="image_from_url", daemon=True)
    worker.start()
    try:
        worker.join(DEADLINE)
        result = outcome[0] if outcome else _reason(TimeoutError())  # now, for hanging up makes the thread fail as well
    finally:
        _hang_up(connections)  # after Ctrl-C too
    return _message_picture(f"No picture: {result}", str(url)) if isinstance(result, str) else result


def _work(url, deadline, connections, outcome):
    """What the thread does: put the picture, or the reason why there is none, into the list `outcome`."""
    try:
        outcome.append(_decode(_fetch(url, deadline, connections)))
    except Exception as error:  # any failure is to become a picture: networks and image files have endless ones
        outcome.append(_reason(error))


def _fetch(url, deadline, connections):
    """The body of the answer as a BytesIO; every connection made is put into the list `connections`."""
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise ValueError(f"the address begins with {scheme!r}, expected http or https")
    request = urllib.request.Request(url, headers={"User-Agent": "rnnlayers"})
    try:
        with _opener(connections).open(request, timeout=DEADLINE) as response:
            return _read(response, deadline)
    except HTTPError as error:
        error.close()  # it is the server's answer too, and holds the socket
        raise


def _opener(connections):
    # Not urllib's usual one: that would follow a redirect to ftp.
    opener = urllib.request.OpenerDirector()
    handlers = (urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPDefaultErrorHandler,
                urllib.request.HTTPErrorProcessor, _Redirects, partial(_Web, connections))
    for handler in handlers:
        opener.add_handler(handler())
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, *rest):
        """Close the answer first: urllib reads it to its end, however long, before it goes on."""
        fp.close()
        return super().redirect_request(req, fp, *rest)


class _Web(urllib.request.HTTPHandler):
    """urllib's handler for both schemes, which keeps its connections so that another thread can hang up."""

    https_request = urllib.request.HTTPHandler.http_request

    def __init__(self, connections):
        super().__init__()
        self.connections = connections

    def http_open(self, req):
        return self.do_open(partial(self._keep, http.client.HTTPConnection), req)

    def https_open(self, req):
        return self.do_open(partial(self._keep, http.client.HTTPSConnection), req)

    def _keep(self, kind, *args, **kwargs):
        self.connections.append(kind(*args, **kwargs))
        return self.connections[-1]


def _hang_up(connections):
    """End a wait for an answer in the other thread, which then closes the socket; `_read` looks at the clock itself."""
    for connection in list(connections):
        with suppress(OSError, AttributeError):  # closed already, or handed over to the response (then it is None)
            connection.sock.shutdown(socket.SHUT_RDWR)


def _read(response, deadline):
    body = io.BytesIO()
    while chunk := response.read1(65536):
        body.write(chunk)
        if body.tell() > MAX_BYTES:
            raise ValueError(f"the file is larger than {MAX_BYTES / 1e6:g} MB")
        if time.monotonic() > deadline:
            raise TimeoutError
    return body


def _decode(body):
    """The image file in a BytesIO as uint8 (height, width, 3); ValueError if it is none or too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(body, formats=FORMATS)  # reads the size, not yet the pixels
    except UnidentifiedImageError as error:
        raise ValueError("what the server sent is not a picture") from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS / 1e6:g} million")
        return np.array(to_rgb(image))


def to_rgb(image):
    """A Pillow image as RGB, what is transparent as white."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip to 8 instead of scaling
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if "transparency" not in image.info and not image.mode.endswith("A"):
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _reason(error):
    """Why there is no picture, in words."""
    cause = error.reason if type(error) is URLError else error  # HTTPError, its subclass, says more itself
    if isinstance(cause, TimeoutError):
        return f"it did not come within {DEADLINE:g} seconds"
    return str(cause) or type(cause).__name__


def _message_picture(*paragraphs):
    """A grey picture, uint8 (256, 256, 3), with the paragraphs written on it."""
    from PIL import Image, ImageDraw

    # Pillow's built-in font may have no more than Latin letters, and a reason or an address may be as long as it likes.
    plain = [paragraph.encode("ascii", "replace").decode() for paragraph in paragraphs]
    text = "\n\n".join(textwrap.fill(paragraph, 36, max_lines=8) for paragraph in plain)
    image = Image.new("RGB", (256, 256), (128, 128, 128))
    ImageDraw.Draw(image).multiline_text((12, 12), text, fill="white")
    return np.array(image)
