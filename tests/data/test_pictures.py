"""data/pictures.py against a server on this machine that answers well, badly, slowly and not at all."""

import gc
import io
import os
import socket
import socketserver
import struct
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
from PIL import Image

from data import pictures
from data.pictures import image_from_url

GREY = (128, 128, 128)
PATIENCE = 5.0  # seconds: far more than any of these needs, far less than the real deadline or a hang
COLOURS = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_header(width, height):
    """A PNG that promises width x height pixels in under a hundred bytes."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(bytes(20))) + chunk(b"IEND", b"")


PNG = encoded(Image.fromarray(COLOURS), "PNG")
BODIES = {"/good.png": PNG, "/drawing.eps": encoded(Image.fromarray(COLOURS), "EPS"),
          "/garbage": b"<html>no picture here</html>", "/empty": b"", "/cut.png": PNG[:-40],
          "/bomb.png": png_header(8000, 8000), "/hugebomb.png": png_header(60000, 60000)}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = BODIES.get(self.path)
        if body is not None:
            self.answer(200, [("Content-Length", len(body))], body)
        else:
            getattr(self, self.path.strip("/").replace("-", "_"), self.missing)()

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def missing(self):
        self.answer(404, body=b"no such picture")

    def broken(self):
        self.answer(500)

    def moved(self):
        self.answer(302, [("Location", "/good.png")])

    def round_and_round(self):
        self.answer(302, [("Location", self.path)])

    def moved_to_ftp(self):
        self.answer(302, [("Location", "ftp://127.0.0.1/good.png")])

    def moved_to_file(self):
        self.answer(302, [("Location", "file:///etc/hostname")])

    def moved_with_endless_body(self):
        self.answer(302, [("Location", "/good.png")])
        self.drip(b"x")

    def endless(self):
        self.answer(200)
        while not self.server.released.is_set():
            self.wfile.write(bytes(65536))

    def hang(self):
        """Until the client hangs up."""
        self.connection.settimeout(PATIENCE * 2)
        self.connection.recv(1)

    def hang_in_body(self):
        self.answer(200, [("Content-Length", len(PNG))], PNG[:10])
        self.hang()

    def drip_body(self):
        self.answer(200, [("Content-Length", 10**6)])
        self.drip(b"x")

    def drip_headers(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        self.drip(b"x")

    def drip(self, what):
        end = time.monotonic() + PATIENCE * 2
        while time.monotonic() < end and not self.server.released.wait(0.03):
            self.wfile.write(what)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def nonsense(self):
        self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False  # so that server_close() waits for the handlers and their sockets

    def handle_error(self, request, client_address):
        """Clients that hang up are what these tests are about."""


@pytest.fixture(scope="module")
def base():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.released = threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy_and_nothing_left_open(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    gc.freeze()                         # what other tests left takes long to search, and is not looked for
    yield
    assert wait_until(lambda: not workers())
    gc.collect()  # a socket or file left open warns now, and a warning is an error here
    gc.unfreeze()


@pytest.fixture
def reasons(monkeypatch):
    """What was written on the grey pictures."""
    written, draw = [], pictures._message_picture
    monkeypatch.setattr(pictures, "_message_picture", lambda *text: written.append(text) or draw(*text))
    return written


def workers():
    return [thread for thread in threading.enumerate() if thread.name == "image_from_url"]


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def assert_is_message(picture):
    assert picture.dtype == np.uint8 and picture.shape == (256, 256, 3)
    assert (picture[:8] == GREY).all() and (picture[:, :8] == GREY).all() and (picture[-8:] == GREY).all()
    assert (picture != 128).any(axis=2).sum() > 200  # letters


def assert_fails(url, reasons, reason):
    start = time.monotonic()
    assert_is_message(image_from_url(url))
    assert time.monotonic() - start < PATIENCE
    (first, address), = reasons
    assert first.startswith("No picture: ") and reason in first and address == str(url)


# --- pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/good.png", "/moved"])
def test_a_good_picture_comes_back_exactly(base, path):
    picture = image_from_url(base + path)
    assert picture.dtype == np.uint8 and picture.flags.writeable
    np.testing.assert_array_equal(picture, COLOURS)


def in_mode(mode):
    return Image.fromarray(COLOURS).convert(mode)


@pytest.mark.parametrize("mode, form", [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("P", "GIF"), ("L", "JPEG"),
                                        ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGB", "BMP")])
def test_every_mode_comes_back_as_rgb(base, monkeypatch, mode, form):
    image = in_mode(mode)
    monkeypatch.setitem(BODIES, "/mode", encoded(image, form, **({"quality": 100} if form == "JPEG" else {})))
    picture = image_from_url(base + "/mode")
    assert picture.dtype == np.uint8 and picture.shape == (5, 7, 3)
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(picture - expected).max() <= (8 if form == "JPEG" else 0)


@pytest.mark.parametrize("grey", ["L", "RGB"])
def test_what_is_transparent_comes_back_white(base, monkeypatch, grey):
    image = in_mode(grey)
    alpha = np.full((5, 7), 255, np.uint8)
    alpha[:2] = 0
    image.putalpha(Image.fromarray(alpha))
    monkeypatch.setitem(BODIES, "/alpha.png", encoded(image, "PNG"))
    picture = image_from_url(base + "/alpha.png")
    assert (picture[:2] == 255).all()
    np.testing.assert_array_equal(picture[2:], np.asarray(in_mode(grey).convert("RGB"))[2:])


@pytest.mark.parametrize("transparency", [3, bytes([255, 255, 255, 0])], ids=["one colour", "table"])
def test_a_palette_with_transparency_comes_back_white_there(base, monkeypatch, transparency):
    image = Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    monkeypatch.setitem(BODIES, "/palette.png", encoded(image, "PNG", transparency=transparency))
    expected = [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [255, 255, 255]]]
    np.testing.assert_array_equal(image_from_url(base + "/palette.png"), expected)


def test_sixteen_bits_of_grey_are_scaled_to_eight(base, monkeypatch):
    grey = np.array([[0, 255, 256], [32768, 65279, 65535]], np.uint16)
    monkeypatch.setitem(BODIES, "/deep.png", encoded(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(image_from_url(base + "/deep.png")[..., 1], [[0, 0, 1], [128, 254, 255]])


# --- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, reason", [
    ("/missing.png", "404"), ("/broken", "500"), ("/garbage", "not a picture"), ("/empty", "not a picture"),
    ("/drawing.eps", "not a picture"),  # Pillow would start Ghostscript for it
    ("/cut.png", "truncated"), ("/reset", ""), ("/nonsense", ""), ("/round-and-round", "302"),
    ("/moved-to-ftp", "ftp"), ("/moved-to-file", "file"), ("/a b", "URL can't contain"),
    ("/bomb.png", "8000 x 8000 pixels, more than 50 million"), ("/hugebomb.png", "pixels"),
])
def test_what_fails_comes_back_as_a_grey_picture_that_says_so(base, reasons, path, reason):
    assert_fails(base + path, reasons, reason)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a.png", "file:///etc/hostname", "data:image/png;base64,AAAA", "a.png",
                                 "", None, 7, "HTTPX://a"])
def test_other_schemes_are_refused(reasons, url):
    assert_fails(url, reasons, "expected http or https")


@pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:port/", "http://ü\n/ö", "https://\x00/"])
def test_addresses_that_are_none(reasons, url):
    assert_fails(url, reasons, "")


def test_a_refused_connection_and_a_server_without_tls(base, reasons):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert_fails(f"http://127.0.0.1:{port}/a.png", reasons, "refused")
    reasons.clear()
    assert_fails(base.replace("http:", "https:") + "/good.png", reasons, "SSL")


def test_the_picture_is_another_for_another_reason(base):
    first, again, other = (image_from_url(base + path) for path in ("/missing", "/missing", "/garbage"))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_long_reason_in_any_script_stays_on_the_picture():
    assert_is_message(pictures._message_picture("слово 猫 " * 200, "http://" + "x" * 3000))


def test_a_file_without_end_is_cut_at_the_limit(base, reasons, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", 1_000_000)
    assert_fails(base + "/endless", reasons, "larger than 1 MB")


# --- what hangs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/hang", "/hang-in-body", "/drip-body", "/drip-headers"])
def test_a_server_that_hangs_or_drips_is_left_at_the_deadline(base, reasons, monkeypatch, path):
    monkeypatch.setattr(pictures, "DEADLINE", 0.3)
    assert_fails(base + path, reasons, "the server did not send it within 0.3 seconds")
    assert wait_until(lambda: not workers())  # the thread ends too, long before the server would


def test_the_body_of_a_redirect_is_not_waited_for(base):
    np.testing.assert_array_equal(image_from_url(base + "/moved-with-endless-body"), COLOURS)


def test_a_name_look_up_that_hangs_is_left_at_the_deadline(reasons, monkeypatch):
    released = threading.Event()

    def look_up(*args, **kwargs):
        released.wait(PATIENCE * 2)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(pictures, "DEADLINE", 0.2)
    assert_fails("http://pictures.example/a.png", reasons, "the server did not send it within 0.2 seconds")
    assert all(thread.daemon for thread in workers())  # it cannot keep the interpreter from ending
    released.set()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to count open descriptors")
def test_no_descriptors_and_no_temporary_files_are_left(base, monkeypatch, tmp_path):
    def count():
        return len(os.listdir("/proc/self/fd"))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(pictures, "DEADLINE", 0.2)
    assert wait_until(lambda: not workers())
    image_from_url(base + "/good.png")
    before = count()
    for path in ("/good.png", "/missing", "/garbage", "/moved", "/reset", "/hang", "/drip-body", "/drip-headers"):
        image_from_url(base + path)
    assert wait_until(lambda: count() <= before)
    assert not list(tmp_path.iterdir())
