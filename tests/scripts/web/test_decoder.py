"""Pictures opened in another process: the same pictures, and what becomes of bombs, of crashes and of endless work."""
import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from data.photos import open_picture
from scripts.web import decode
from scripts.web.decoder import DECODED, TOLD, Decoder

READ = "import sys, time; sys.stdout.buffer.write(b'\\n'); sys.stdout.flush(); sys.stdin.buffer.read(12);"
ENDLESS, CRASHING, MUTE = READ + "time.sleep(60)", READ + "import os; os.abort()", "import sys; sys.exit(3)"


def bomb(width, height, depth, colour, pixel):
    """A PNG of zeros that unpacks to width * height * pixel bytes, without that many in memory."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    packer, row = zlib.compressobj(1), bytes(1 + width * pixel)
    packed = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def photo(form="PNG"):
    file = io.BytesIO()
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (413, 370, 3), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("side", [24, 500])
def test_a_picture_is_the_same_from_another_process(form, side, decoder):
    content = photo(form)
    there, here = decoder.open(content, side), open_picture(io.BytesIO(content), side)
    assert (there.mode, there.size) == ("RGB", here.size) and np.array_equal(there, here)


@pytest.mark.parametrize("content, message", [(b"hello", "expected a picture"), (photo()[:-900], "cannot be used: "),
                                              (b"", "expected a picture")])
def test_what_is_no_picture_is_said_in_a_line(content, message, decoder):
    with pytest.raises(ValueError, match=message):
        decoder.open(content, 24)
    assert decoder._process.poll() is None


def test_a_bomb_is_refused_before_it_is_unpacked(decoder, monkeypatch):
    content = bomb(3600, 3600, 16, 6, 8)
    assert len(content) < 600_000 and DECODED < 3600 * 3600 * 8
    with pytest.raises(ValueError, match="would unpack to 104 MB, expected at most 100 MB"):
        decoder.open(content, 24)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("unpacked"))
    assert not TOLD.unpack(decode._opened(content, 24)[0])[0]


@pytest.mark.parametrize("child, message", [(ENDLESS, "took more than 0.5 seconds"), (CRASHING, "opening it failed")])
def test_a_process_that_hangs_or_crashes_costs_one_picture(child, message):
    decoder = Decoder(seconds=0.5, command=(sys.executable, "-c", child))
    with pytest.raises(ValueError, match=message):
        decoder.open(photo(), 24)
    decoder.close()                                         # the next one of that kind
    decoder.seconds, decoder.command = 20, Decoder().command
    assert decoder.open(photo(), 24).size[0] >= 24 and decoder.restarts == 1
    decoder.close()


def test_a_process_that_died_meanwhile_costs_no_picture(decoder):
    decoder.open(photo(), 24)
    before = decoder.restarts
    decoder._process.kill()
    decoder._process.wait()
    assert decoder.open(photo(), 24).size[0] >= 24 and decoder.restarts == before + 1


def test_a_process_that_does_not_start_is_no_fault_of_the_picture():
    with pytest.raises(RuntimeError, match="does not start"):
        Decoder(command=(sys.executable, "-c", MUTE)).open(photo(), 24)


def test_too_little_memory_is_a_reason(monkeypatch):
    def hungry(*_):
        raise MemoryError
    monkeypatch.setattr(decode, "open_picture", hungry)
    head, reason = decode._opened(b"", 24)
    assert not TOLD.unpack(head)[0] and b"too much memory" in reason


def test_the_process_ends_with_its_owner():
    decoder = Decoder()
    decoder.open(photo(), 24)
    process = decoder._process
    assert process.poll() is None
    del decoder
    assert process.poll() is not None
