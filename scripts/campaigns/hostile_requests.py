"""What a service should withstand: connections that are never done, and requests of the worst kind."""
import base64
import contextlib
import http.client
import io
import json
import socket
import struct
import threading
import zlib

import numpy as np
from PIL import Image

from data.scenes import make_scenes

CROWD, PATIENCE = 200, 30.0             # connections that are never done; seconds that a client of ours waits
PAUSE, AGAIN = 0.1, 20                  # seconds between two bytes of a connection; how many are opened again meanwhile
ADDRESSES = 4                           # that they come from, where the system gives this machine so many
UPLOAD = (b"POST /api/caption HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
          b"Content-Length: 900000\r\n\r\n")
PAGES = 20 * b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
BURSTS = tuple(400 * f"GET {path} HTTP/1.1\r\n\r\n".encode() for path in ("/", "/api/health", "/nothing"))
BEGUN = (b"", b"GET / HTTP/1.1\r\nHos", UPLOAD, UPLOAD + b"{", PAGES, *BURSTS)
TRICKLE = (b"", b"x", b"", b" ", b"\r\n", *BURSTS)      # what follows again and again, in the same order
MALFORMED = (b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\na b\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
             b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
             b"POST /api/caption HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
             b"GET " + 40_000 * b"a" + b" HTTP/1.1\r\n\r\n",
             b"POST / HTTP/1.1\r\nContent-Length: " + 5000 * b"9" + b"\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n",
             b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"\0" * 100 + b"\r\n\r\n",
             b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 500 * b"A: b\r\n" + b"\r\n")
FOREIGN = ("https://evil.example", "null", "http://localhost:1", "http://localhost.evil.example", "http://127.0.0.1")


class Crowd:
    """Holds CROWD connections that are never done, and opens new ones for those that are closed."""

    def __init__(self, address):
        self.address, self._over = address, threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _hold(self):
        held, room = {}, CROWD
        while not self._over.wait(PAUSE):
            for k in range(CROWD):
                if k in held and not _keep(held[k], k % len(BEGUN)):
                    held.pop(k).close()
            for k in [k for k in range(CROWD) if k not in held][:room]:
                with contextlib.suppress(OSError):
                    held[k] = self._open(BEGUN[k % len(BEGUN)], k // len(BEGUN) % ADDRESSES)
            room = AGAIN
        for connection in held.values():
            connection.close()

    def _open(self, begun, number):
        connection = socket.socket()
        with contextlib.suppress(OSError):                  # macOS has one such address
            connection.bind((f"127.0.0.{1 + number}", 0))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE)
        connection.connect(self.address)
        connection.sendall(begun)
        connection.setblocking(False)
        return connection


def _keep(connection, kind):
    """Send more; whether the connection is still open."""
    try:
        if TRICKLE[kind]:
            connection.send(TRICKLE[kind])
            return True
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def ask(address, method, path, body=None, **headers):
    """One request of an ordinary client -> status."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def caption(address, picture, beam=1, **headers):
    """Ask for captions of a picture, in JSON -> status."""
    body = json.dumps({"image": base64.b64encode(picture).decode(), "beam": beam})
    return ask(address, "POST", "/api/caption", body, **{"Content-Type": "application/json", **headers})


def raw(address, sent, read=True):
    """Send bytes, and read or hang up -> status, or None if there was none."""
    with socket.create_connection(address, timeout=PATIENCE) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(sent)
        words = connection.recv(65536).split() if read else []
        return int(words[1]) if len(words) > 1 else None
    return None


def scenes(count, seed):
    """Drawn scenes as PNG files."""
    return [_saved(Image.fromarray(scene.image), "PNG") for scene in make_scenes(count, seed)]


def bombs():
    """Pictures that unpack to far more than they are, or claim to."""
    deep = png(7000, 7000, 16, 6, 8)                        # 381 KB, 392 MB
    jpeg = _saved(Image.new("L", (7000, 7000)), "JPEG", progressive=True)
    claims = jpeg.replace(struct.pack(">HH", 7000, 7000), struct.pack(">HH", 65_500, 65_500))
    frames = [Image.new("P", (2000, 2000), k) for k in range(30)]
    return [deep, deep[:len(deep) // 2], jpeg, jpeg[:-100], claims, png(20_000, 20_000, 1, 0, 1 / 8),
            png(7000, 7000, 8, 6, 4), png(5000, 4900, 8, 6, 4),
            _saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
            _saved(Image.new("RGBA", (4000, 4000)), "WEBP", lossless=True)]


def png(width, height, depth, colour, pixel):
    """A PNG of zeros, made without its pixels in memory; pixel: bytes of one."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    packer, row = zlib.compressobj(9), bytes(1 + int(width * pixel))
    packed = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def random_body(rng: np.random.Generator, picture):
    """A content type and a body that is random, or a damaged right one."""
    good = json.dumps({"image": base64.b64encode(picture).decode()}).encode()
    body = bytearray(good if rng.random() < 0.7 else rng.bytes(int(rng.integers(0, 5000))))
    for place in rng.integers(0, max(len(body), 1), int(rng.integers(0, 6))):
        body[place:place + 1] = rng.bytes(1)
    kinds = ("application/json", "multipart/form-data; boundary=b", "multipart/form-data", "text/plain", "image/png")
    return kinds[int(rng.integers(len(kinds)))], bytes(body[:int(rng.integers(0, len(body) + 1))])


def _saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
