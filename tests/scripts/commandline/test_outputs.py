"""Outputs replace only files of their own kind; anything else needs --force, and some things are never replaced."""
import errno
import io
import json
import os
import sys
import tempfile
import zipfile

import pytest

import gradcheck.__main__ as gradcheck
from gradcheck import outputs
from gradcheck.outputs import FIGURE, check_output, json_kind, text_kind, write_output, write_whole
from scripts import (
    benchmark,
    convert_features,
    extract_features,
    grade,
    grade_matrix,
    grade_variants,
    kill_matrix,
    pack_submission,
    score,
    show_batch,
)
from scripts.commandline.outputs import PAGE, check_new, zip_kind

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a right that users lack on Windows")
KIND = json_kind("result of a test", "run", "verdict")
OURS = b'{"run": "x", "verdict": "alive", "more": 1}'
FOREIGN = [b"", b"{", b"[1]", b'{"run": 1}', b"[" * 10**5, b"\xff\xfe", b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n"]


def refused(path, words, kind=KIND, force=False):
    """Whether the path is refused with these words, and whatever is there is left alone."""
    before = path.read_bytes() if os.path.isfile(path) else None
    with pytest.raises((ValueError, OSError)) as failure:
        check_output("--out", path, kind, force)
    assert (path.read_bytes() if os.path.isfile(path) else None) == before
    return str(failure.value).startswith(f"--out {path}: ") and words in str(failure.value)


def test_a_new_name_and_a_file_of_the_same_kind(tmp_path):
    path = tmp_path / "a.json"
    for content in (OURS, OURS + b" "):
        check_output("--out", path, KIND)
        write_output(path, content)
        assert path.read_bytes() == content and [*tmp_path.iterdir()] == [path]
    check_output("--out", None, KIND)


@pytest.mark.parametrize("content", FOREIGN)
def test_anything_else_needs_force(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert refused(path, "exists and holds no result of a test, nothing was done: choose another name or --force")
    check_output("--out", path, KIND, force=True)
    write_output(path, OURS)
    assert path.read_bytes() == OURS


def test_a_link_needs_force_and_stays_one(tmp_path):
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to("file")
    assert refused(link, "is a link to file and no result of a test")
    file.write_bytes(OURS)
    assert refused(link, "is a link to file")
    check_output("--out", link, KIND, force=True)
    write_output(link, OURS + b" ")
    assert link.is_symlink() and file.read_bytes() == OURS + b" "
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / "loop", "is a link to loop")
    assert refused(tmp_path / "loop", "no regular file", force=True)


@pytest.mark.parametrize("force", [False, True])
def test_folders_pipes_and_devices_are_never_replaced(force, tmp_path):
    assert refused(tmp_path, "is a folder", force=force)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert refused(tmp_path / "pipe", "is no regular file", force=force)
    assert refused(tmp_path / "-", "/dev/stdout is standard output", force=force)
    assert refused(tmp_path / "none" / "a.json", "no such folder", force=force)
    file = tmp_path / "file"
    file.write_bytes(OURS)
    assert refused(file / "a.json", "no such folder", force=force)
    assert refused(tmp_path / ("x" * 300), "too long", force=force)


def test_the_option_and_its_path_are_said_once(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_bytes(OURS)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    for path in (tmp_path, tmp_path / "a.json", tmp_path / ("x" * 300)):
        with pytest.raises(OSError) as caught:
            check_output("--out", path, KIND)
        assert str(caught.value).count(f"--out {path}") == 1


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no /dev/fd here")
def test_a_stream_is_written_to_and_stays(tmp_path, capfd):
    for name in ("/dev/null", "/dev/stdout", "/dev/stderr"):
        check_output("--out", name, KIND)
    print("before")
    for name in ("/dev/null", "/dev/stdout"):
        write_output(name, b"content\n")
    assert capfd.readouterr().out == "before\ncontent\n" and not os.path.isfile("/dev/null")
    with open(tmp_path / "file", "wb") as file:
        write_output(f"/dev/fd/{file.fileno()}", OURS)
    assert (tmp_path / "file").read_bytes() == OURS


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_permission_denied_and_read_only_are_said_as_such(number, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    assert refused(tmp_path / "a.json", f"the folder {tmp_path} takes no new file: {os.strerror(number)}")
    monkeypatch.setattr(tempfile, "mkstemp", denied)
    with pytest.raises(OSError, match=f"a.json: cannot be written: {os.strerror(number)}"):
        write_whole(tmp_path / "a.json", OURS)


def test_a_file_that_is_read_only_stays(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_bytes(OURS)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)      # tests may run as root
    assert refused(tmp_path / "a.json", "cannot be replaced: it is read-only")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(OURS)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(outputs.os, "fsync", full)
    with pytest.raises(OSError, match="a.json: cannot be written: No space left"):
        write_output(path, b"new")
    assert path.read_bytes() == OURS and [*tmp_path.iterdir()] == [path]


def png(**text):
    figure, buffer = pytest.importorskip("matplotlib.figure").Figure(figsize=(1, 1)), io.BytesIO()
    figure.savefig(buffer, format="png", metadata=text)
    return buffer.getvalue()


def test_a_figure_of_ours_is_told_from_a_photo_and_from_others_figures(tmp_path):
    path = tmp_path / "a.png"
    for content, ours in ((png(Software="rnnlayers"), True), (png(), False), (png(Title="rnnlayers"), False)):
        path.write_bytes(content)
        assert FIGURE.holds(path) == ours


def test_pages_tables_and_zips_are_told_by_their_content(tmp_path):
    path, table = tmp_path / "a", text_kind("table", r"image_id,B\n")
    for content, kind, ours in (
            (b'<!doctype html>\n<meta name="generator" content="rnnlayers">', PAGE, True),
            (b"<!doctype html><title>mine</title>", PAGE, False), (b"image_id,B\n1,2\n", table, True),
            (b"image_id,C\n", table, False), (b"PK\x03\x04", zip_kind("zip", "m.json", "a", "b"), False)):
        path.write_bytes(content)
        assert kind.holds(path) == ours
    for said, ours in (("b", True), ("c", False)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m.json", json.dumps({"a": said}))
        assert zip_kind("zip", "m.json", "a", "b").holds(path) == ours


def test_what_takes_long_to_make_is_never_replaced(tmp_path):
    check_new("--out", tmp_path / "none" / "f.h5")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(FileExistsError, match="already exists, nothing was done"):
            check_new("--out", path)


COMMANDS = [
    (score, ["a.json", "b.json", "--per-image"]), (benchmark, ["--json"]), (benchmark, ["--growth"]),
    (kill_matrix, ["--out"]), (grade_matrix, ["--out"]), (grade_variants, ["--out"]), (pack_submission, ["--out"]),
    (grade, ["none", "--out"]), (grade, ["--class", "none", "--out"]), (convert_features, ["none", "--out"]),
    (extract_features, ["--images", "none", "--encoder", "none.onnx", "--out"]),
]


@pytest.mark.parametrize("command, argv", COMMANDS)
def test_each_command_refuses_a_file_of_the_users_before_any_work(command, argv, tmp_path):
    for name, content in (("photo.png", png()), ("thesis.json", b'{"chapters": 7}'), ("notes.md", b"# Notes\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises((ValueError, OSError), match="already exists"):
            command.main([*argv, str(tmp_path / name)])
        assert (tmp_path / name).read_bytes() == content


def test_so_does_show_batch_and_its_figure_is_replaced(small_scenes, tmp_path, capsys):
    photo, figure = tmp_path / "photo.png", tmp_path / "batch.png"
    photo.write_bytes(png())
    with pytest.raises(ValueError, match="photo.png: already exists and holds no figure of rnnlayers"):
        show_batch.main(["--data", str(small_scenes), "--out", str(photo)])
    for path, force in ((figure, []), (figure, []), (photo, ["--force"])):
        show_batch.main(["--data", str(small_scenes), "--n", "1", "--out", str(path), *force])
        assert FIGURE.holds(path)


def test_so_does_gradcheck(tmp_path, capsys):
    (tmp_path / "thesis.json").write_text('{"chapters": 7}')
    assert gradcheck.main(["--json", str(tmp_path / "thesis.json")]) == 2
    assert capsys.readouterr().err.count("thesis.json: already exists and holds no results of gradcheck") == 1
    assert (tmp_path / "thesis.json").read_text() == '{"chapters": 7}'
