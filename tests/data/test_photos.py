"""data/photos.py: files that are pictures, and files that are not quite."""
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from data import pictures
from data.photos import list_pictures, open_picture
from data.picture_formats import readable

RED, BLUE = (200, 30, 40), (20, 40, 210)


def two_halves(width=24, height=16):
    """Red on the left, blue on the right."""
    x = np.zeros((height, width, 3), np.uint8)
    x[:, :width // 2], x[:, width // 2:] = RED, BLUE
    return Image.fromarray(x)


def saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file


@pytest.mark.parametrize("turn, corner", [(None, RED), (1, RED), (2, BLUE), (3, BLUE), (4, RED), (5, RED), (6, RED),
                                          (7, BLUE), (8, BLUE)])
def test_a_photograph_is_turned_as_its_exif_data_say(turn, corner):
    exif = Image.Exif()
    if turn:
        exif[0x0112] = turn
    image = open_picture(saved(two_halves(), "JPEG", exif=exif, quality=95))
    assert image.mode == "RGB" and image.size == ((16, 24) if (turn or 0) > 4 else (24, 16))
    assert np.abs(np.array(image.getpixel((2, 2))) - corner).max() < 20


def test_damaged_exif_data_do_not_matter():
    assert open_picture(saved(two_halves(), "JPEG", exif=b"Exif\0\0MM\0garbage")).size == (24, 16)


@pytest.mark.parametrize("mode, form", [("L", "PNG"), ("L", "JPEG"), ("1", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"),
                                        ("RGBA", "PNG"), ("LA", "PNG"), ("RGB", "WEBP"), ("RGB", "TIFF"),
                                        ("RGB", "BMP")])
def test_every_kind_of_picture_becomes_rgb(mode, form, tmp_path):
    two_halves().convert(mode).save(tmp_path / "picture", form)
    image = open_picture(tmp_path / "picture")
    expected = two_halves().convert("L").convert("RGB") if mode in ("L", "LA", "1") else two_halves()
    assert (image.mode, image.size) == ("RGB", (24, 16))
    if mode != "1":
        assert np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean() < 25


def test_sixteen_bits_of_grey_are_scaled_and_transparency_is_white():
    grey = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    assert np.array_equal(np.asarray(open_picture(saved(Image.fromarray(grey), "PNG")))[:, :, 0], grey // 256)
    clear = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    assert open_picture(saved(clear, "PNG")).getpixel((4, 4)) == (255, 255, 255)


def test_a_large_jpeg_may_come_smaller_but_not_too_small():
    large = saved(two_halves(1600, 1200), "JPEG")
    assert open_picture(large).size == (1600, 1200)
    assert open_picture(large, side=300).size == (400, 300)


def of_mode(mode, width, height):
    """Noise; transparent in parts where the mode can be."""
    rng = np.random.default_rng(2)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65535, (height, width), np.uint16))
    image = Image.fromarray(rng.integers(0, 255, (height, width, 4), np.uint8))
    if mode != "P":
        return image.convert(mode)
    image = image.convert("RGB").quantize(20)
    image.info["transparency"] = 3
    return image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("factor", [1, 3])
def test_strips_give_the_picture_that_all_at_once_gives(mode, factor, monkeypatch):
    monkeypatch.setattr(pictures, "STRIP", 200)             # pixels: strips of 3 and 5 rows
    image = of_mode(mode, 41, 53)
    expected = pictures.to_rgb(image).reduce(factor)
    assert np.array_equal(pictures.rgb_in_strips(image, factor), expected)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_large_picture_comes_smaller_and_upright(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    image = of_mode("RGB", 96, 60)
    small = open_picture(saved(image, "PNG", exif=exif), side=13)              # 60 // 19 = 3: 32 x 20, exactly
    expected = ImageOps.exif_transpose(Image.open(saved(image, "PNG", exif=exif))).reduce(3)
    assert small.size == ((20, 32) if turn > 4 else (32, 20)) and np.array_equal(small, expected)


@pytest.mark.parametrize("mode, form, pixel", [("L", "PNG", 1), ("P", "GIF", 1), ("1", "TIFF", 1), ("I;16", "PNG", 2),
                                               ("RGB", "PNG", 4), ("RGBA", "WEBP", 4), ("CMYK", "JPEG", 4)])
def test_a_picture_is_bounded_by_the_bytes_that_it_unpacks_to(mode, form, pixel):
    file = saved(of_mode(mode, 40, 50), form)
    assert open_picture(file, most=40 * 50 * pixel).size == (40, 50)
    with pytest.raises(ValueError, match="would unpack to 0 MB, expected at most 0.0"):
        open_picture(file, most=40 * 50 * pixel - 1)


def test_a_jpeg_that_comes_smaller_counts_as_that_and_an_animation_as_its_first_picture():
    large = saved(two_halves(1600, 1200), "JPEG")
    assert open_picture(large, side=300, most=400 * 300 * 4).size == (400, 300)
    frames = [of_mode("P", 40, 50).rotate(90 * k) for k in range(4)]
    animation = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(animation, most=40 * 50).size == (40, 50)


BROKEN = {
    "text": (b"hello", "expected a picture"), "empty": (b"", "expected a picture"),
    "cut": (saved(two_halves(200, 200), "JPEG").getvalue()[:-400], "truncated"),
    "cut png": (saved(two_halves(), "PNG").getvalue()[:-30], "cannot be used: "),
    "dot": (saved(Image.new("RGB", (1, 1)), "PNG").getvalue(), "1 x 1 pixels, expected sides of 8 to"),
    "strip": (saved(Image.new("1", (20_000, 9)), "PNG").getvalue(), "20000 x 9 pixels, expected sides"),
    "large": (saved(Image.new("1", (9000, 6000)), "PNG").getvalue(), "at most 50 million pixels"),
    "larger": (saved(Image.new("1", (12_000, 9000)), "PNG").getvalue(), "at most 50 million pixels"),
    "bomb": (saved(Image.new("1", (20_000, 20_000)), "PNG").getvalue(), "far more than 50 million pixels"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n", "expected a picture"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_wrong_is_said_in_one_line(kind, tmp_path):
    content, message = BROKEN[kind]
    (tmp_path / "a.jpg").write_bytes(content)
    for file in (tmp_path / "a.jpg", io.BytesIO(content)):
        with pytest.raises(ValueError) as caught:
            open_picture(file)
        text = str(caught.value)
        assert message in text and "\n" not in text and (str(file) in text) == (file == tmp_path / "a.jpg")


@pytest.mark.parametrize("name, message", [("nothing.jpg", "No such file"), (".", "Is a directory")])
def test_what_is_no_file_is_said_too(name, message, tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path}.*{message}"):
        open_picture(tmp_path / name)


def test_random_damage_gives_a_picture_or_one_line(rng):
    for form in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        whole = np.frombuffer(saved(two_halves(60, 40), form).getvalue(), np.uint8)
        for _ in range(30):
            broken = whole.copy()
            broken[rng.integers(0, len(whole), 6)] = rng.integers(0, 256, 6)
            try:
                assert open_picture(io.BytesIO(broken.tobytes())).mode == "RGB"
            except ValueError as error:
                assert "\n" not in str(error)


def test_a_folder_is_searched_and_names_are_relative_to_it(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("z.jpg", "b/a.PNG", "b/c/a.PNG", "notes.txt", ".hidden.jpg", ".hidden/a.jpg"):
        (tmp_path / name).touch()
    found, wrong, left_out = list_pictures([tmp_path])
    assert left_out == "left out: 1 file that is not called a picture (.txt 1)"
    assert list(found) == ["b/a.PNG", "b/c/a.PNG", "z.jpg"] and not wrong
    assert found["b/c/a.PNG"] == tmp_path / "b/c/a.PNG"


@pytest.fixture
def no_more_than_pillow(monkeypatch):
    """Pillow without AVIF, and no pillow-heif."""
    from PIL import features
    monkeypatch.setattr(features, "check", lambda name: False)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)        # importing it fails
    readable.cache_clear()
    yield
    readable.cache_clear()


MIXED = ("a.jpg", "b.JPE", "c.jfif", "d.mpo", "IMG_1.HEIC", "IMG_2.heic", "e.avif", "noext", "f.tar.gz", ".x.heic")


def test_files_that_are_not_called_pictures_are_counted_by_ending(tmp_path, no_more_than_pillow):
    for name in MIXED:
        (tmp_path / name).touch()
    found, wrong, left_out = list_pictures([tmp_path])
    assert list(found) == ["a.jpg", "b.JPE", "c.jfif", "d.mpo"] and not wrong
    counts, *needs = left_out.split("; ")
    assert counts.startswith("left out: 5 files that are not called pictures (.heic 2, ")
    assert all(f"{ending} 1" in counts for ending in (".avif", ".gz", "without an ending"))
    assert needs == [".avif needs a newer Pillow: pip install -U pillow, or convert them to JPEG",
                     '.heic needs pillow-heif: pip install -e ".[heif]", or convert them to JPEG)']
    for name in found:
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="holds no pictures, expected files like .*left out: 5 files"):
        list_pictures([tmp_path])


def test_many_kinds_of_endings_stay_one_line(tmp_path):
    (tmp_path / "a.jpg").touch()
    for k in range(30):
        (tmp_path / f"x.k{k}").touch()
    left_out = list_pictures([tmp_path]).left_out
    assert left_out.startswith("left out: 30 files") and left_out.endswith("others 22)") and len(left_out) < 200


@pytest.mark.parametrize("brand, needs", [
    (b"heic", "found .heic, which needs pillow-heif"), (b"avif", "found .avif, which needs a newer")])
def test_a_picture_that_is_read_elsewhere_is_named_with_what_it_needs(brand, needs, no_more_than_pillow, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x1cftyp" + brand + b"\0" * 40)
    for file in (tmp_path / "a.jpg", io.BytesIO((tmp_path / "a.jpg").read_bytes())):
        with pytest.raises(ValueError, match=rf"expected a picture \(JPEG, .*\), {needs}"):
            open_picture(file)


def test_avif_is_read_where_pillow_can(tmp_path):
    if ".avif" not in readable()[1]:
        pytest.skip("this Pillow cannot read AVIF")
    two_halves().save(tmp_path / "a.avif", quality=95)
    assert list(list_pictures([tmp_path]).pictures) == ["a.avif"]
    image = open_picture(tmp_path / "a.avif")
    assert np.abs(np.asarray(image, int) - np.asarray(two_halves(), int)).mean() < 5


@pytest.mark.parametrize("turn", [1, 6])
def test_heic_is_read_with_pillow_heif(turn, tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif: pip install -e \".[test]\"")
    exif = Image.Exif()
    exif[0x0112] = turn
    heif.from_pillow(two_halves(64, 48)).save(tmp_path / "a.HEIC", quality=95, exif=exif.tobytes())
    assert list(list_pictures([tmp_path]).pictures) == ["a.HEIC"]
    image = open_picture(tmp_path / "a.HEIC")
    expected = two_halves(64, 48).rotate(0 if turn == 1 else -90, expand=True)
    assert image.size == expected.size and np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean() < 5


def test_the_first_picture_of_several_is_read(tmp_path):
    blue = Image.new("RGB", (24, 16), BLUE)
    two_halves().save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=[blue], quality=95)
    image = open_picture(tmp_path / "a.mpo")
    assert image.size == (24, 16) and np.abs(np.array(image.getpixel((2, 2))) - RED).max() < 20


def place(folder, *names):
    """Empty files, and the folders around them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pictures_of_several_folders_begin_with_their_folders_names(tmp_path):
    place(tmp_path, "coco/train2014/b.jpg", "coco/val2014/a.jpg", "coco/val2014/c/b.jpg")
    found, wrong, _ = list_pictures([tmp_path / "coco/val2014/", tmp_path / "coco/train2014"])
    assert list(found) == ["train2014/b.jpg", "val2014/a.jpg", "val2014/c/b.jpg"] and not wrong
    assert found["val2014/c/b.jpg"] == tmp_path / "coco/val2014/c/b.jpg"


def test_folders_of_one_name_are_told_apart_by_the_folders_above(tmp_path, monkeypatch):
    place(tmp_path, "x/a/images/1.jpg", "x/b/images/1.jpg")
    monkeypatch.chdir(tmp_path / "x/a/images")
    assert list(list_pictures([".", "../../b/images"]).pictures) == ["a/images/1.jpg", "b/images/1.jpg"]


@pytest.mark.parametrize("paths, message", [
    (["a", "b", "a/1.jpg"], "a/1.jpg: is not a folder, expected --images with either folders or files"),
    (["a", "gone"], "gone: is not a folder"), (["a", "a"], "a: lies in .*a or is the same"),
    (["a", "b", "b/c"], "b/c: lies in .*b or is the same, expected each picture once")])
def test_folders_that_overlap_or_are_none_are_refused(paths, message, tmp_path):
    place(tmp_path, "a/1.jpg", "b/2.jpg", "b/c/3.jpg")
    with pytest.raises(ValueError, match=message):
        list_pictures([tmp_path / path for path in paths])


def test_files_go_by_their_names_and_a_name_counts_once(tmp_path):
    found, wrong, _ = list_pictures([tmp_path / "x.jpg", tmp_path / "b" / "x.jpg", tmp_path / "a.jpeg"])
    assert found == {"a.jpeg": tmp_path / "a.jpeg", "x.jpg": tmp_path / "x.jpg"}
    assert len(wrong) == 1 and f"{tmp_path / 'b' / 'x.jpg'}: has the same name as {tmp_path / 'x.jpg'}" in wrong[0]


def test_names_that_are_no_text_are_left_out(tmp_path):
    try:
        (tmp_path / "b\udcff.jpg").touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes text only")
    (tmp_path / "a.jpg").touch()
    found, (line,), _ = list_pictures([tmp_path])
    assert list(found) == ["a.jpg"] and line.isprintable()


def test_names_of_other_spaces_and_joined_emoji_are_taken_and_those_of_two_lines_left_out(tmp_path):
    names = ["a\u202fPM.jpg", "b\u00a0.jpg", "\U0001f468\u200d\U0001f469.jpg"]       # as phones and macOS write them
    for name in (*names, "c\n.jpg", "d\x1b[2J.jpg", "e\u2028.jpg"):
        (tmp_path / name).touch()
    found, wrong, _ = list_pictures([tmp_path])
    assert list(found) == names and len(wrong) == 3 and all("control character" in line for line in wrong)
    assert all(line.isprintable() for line in wrong)


def test_what_cannot_be_looked_into_is_said(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "closed").mkdir()
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)
    monkeypatch.setattr(os, "scandir", refuse)
    found, (line,), _ = list_pictures([tmp_path])
    assert line == f"{tmp_path / 'closed'}: cannot read this folder: Permission denied"
    assert list(found) == ["a.jpg", "gone.jpg"]                  # opening it says what is wrong


def test_a_folder_that_cannot_be_looked_into_is_not_called_empty(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", os.fspath(path))
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match="cannot read this folder: Permission denied"):
        list_pictures([tmp_path])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="a.jpg: cannot be used: expected a file, found a pipe or a device"):
        open_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_numbers_of_unknown_range_are_not_guessed(dtype):
    with pytest.raises(ValueError, match="32 bits a pixel with an unknown value for white, expected 8 or 16 bits"):
        open_picture(saved(Image.fromarray(np.ones((9, 9), dtype)), "TIFF"))


def test_no_pictures(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        list_pictures([tmp_path])
