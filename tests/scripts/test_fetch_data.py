"""scripts.fetch_data against a server on this machine: dead links, cut connections, wrong sums."""
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from scripts.commandline.command import run
from scripts.datasets import downloads
from scripts.datasets.downloads import TABLE, DataSet, File
from scripts.fetch_data import main
from tests.scripts.file_server import CUT, serving

pytest.importorskip("pooch", reason="scripts.fetch_data needs pooch: pip install -e \".[fetch]\"")
ROOT = Path(__file__).resolve().parent.parent.parent


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


CONTENT = zipped({"folder/words": "some words\n" * 30_000, "other": "x" * 70_000})
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as server:
        server.contents = dict.fromkeys(("a.zip", "cut.zip", "plain.zip"), CONTENT)
        yield server


@pytest.fixture
def call(server, tmp_path, monkeypatch):
    """A function: fetch these files -> exit code."""
    def fetch(*names, sha256=None, inside=None, out="out"):
        files = tuple(File(f"http://127.0.0.1:{server.server_port}/x/{name}", len(CONTENT), sha256) for name in names)
        data_set = DataSet("https://example.org/page", files, inside or {"folder/words": None})
        monkeypatch.setitem(TABLE, "flickr8k", data_set)
        with pytest.raises(SystemExit) as stop:
            run(lambda: main(["flickr8k", "--out", str(tmp_path / out)]))
        return stop.value.code or 0
    return fetch


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("sha256", [None, SUM], ids=["unknown", "known"])       # SUM holds the time of day
def test_files_are_fetched_checked_and_unpacked(sha256, call, server, tmp_path, capsys):
    server.contents["b.zip"] = zipped({"more": "more", "__MACOSX/more": "rubbish"}) if sha256 is None else CONTENT
    assert call("a.zip", "b.zip", sha256=sha256) == 0
    expected = ["folder/words", "more", "other"] if sha256 is None else ["folder/words", "other"]
    assert files(tmp_path) == [f"out/{name}" for name in expected]
    assert f"prepare_data flickr8k --captions {tmp_path / 'out' / 'Flickr8k.token.txt'}" in capsys.readouterr().out
    assert call("a.zip") == 2                                        # what is there is not touched
    assert "is not empty" in capsys.readouterr().err and len(server.asked) == 2


@pytest.mark.parametrize("name, starts", [("cut.zip", [0, CUT, 2 * CUT]), ("plain.zip", [0, CUT, CUT])])
def test_a_cut_connection_goes_on(name, starts, call, server, tmp_path):
    server.cuts = 2
    assert call(name, sha256=SUM) == 0
    assert [start for _, start in server.asked] == starts and files(tmp_path) == ["out/folder/words", "out/other"]


def test_a_connection_cut_too_often_goes_on_with_the_next_call(call, server, tmp_path, capsys):
    server.cuts = 3
    assert call("cut.zip", sha256=SUM) == 2
    said = capsys.readouterr().err
    assert "cut.zip: " in said and "again, which goes on where it stopped, or by hand: get cut.zip" in said
    assert files(tmp_path) == ["out.download/cut.zip.part"]
    assert (tmp_path / "out.download/cut.zip.part").read_bytes() == CONTENT[:3 * CUT]
    server.asked.clear()
    assert call("cut.zip", sha256=SUM) == 0 and server.asked == [("/x/cut.zip", 3 * CUT)]


def test_a_download_that_was_whole_already_is_taken(call, server, tmp_path):
    (tmp_path / "out.download").mkdir()
    (tmp_path / "out.download/a.zip.part").write_bytes(CONTENT)
    assert call("a.zip", sha256=SUM) == 0 and files(tmp_path) == ["out/folder/words", "out/other"]


@pytest.mark.parametrize("dead", ["404", "no server"])
def test_a_dead_link_says_what_to_do_by_hand(dead, call, server, tmp_path, capsys):
    if dead == "no server":
        server.server_port = 1
    assert call("a.zip", "gone.zip") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("404" in said) == (dead == "404")
    waiting = tmp_path / "out.download"
    name = "gone.zip" if dead == "404" else "a.zip"
    assert f"by hand: get {name} (0 MB) from https://example.org/page, save it as {waiting / name} and run this" in said
    assert not (tmp_path / "out").exists()
    waiting.mkdir(exist_ok=True)
    for name in ("a.zip", "gone.zip"):                               # by hand, then
        (waiting / name).write_bytes(CONTENT)
    assert call("a.zip", "gone.zip", sha256=SUM) == 0 and files(tmp_path) == ["out/folder/words", "out/other"]


def test_a_wrong_sum_is_said_and_nothing_kept(call, server, tmp_path, capsys):
    assert call("a.zip", sha256="0" * 64) == 2
    said = capsys.readouterr().err
    assert f"does not have the SHA-256 {'0' * 64}" in said and "by hand" in said and said.count("\n") == 1
    assert files(tmp_path) == []
    assert call("a.zip", inside={"other": "1" * 64}) == 2
    assert f"other: its SHA-256 is not {'1' * 64}: remove {tmp_path / 'out.download'}" in capsys.readouterr().err
    assert call("a.zip", inside={"words.txt": None}) == 2
    assert "no words.txt in what was downloaded" in capsys.readouterr().err
    assert files(tmp_path) == ["out.download/a.zip"]


def test_a_damaged_zip_is_removed(call, server, tmp_path, capsys):
    for content in (b"<html>moved</html>", CONTENT[:-30], CONTENT.replace(b"some words\nsome", b"some wards\nsome", 1)):
        server.contents["a.zip"] = content
        assert call("a.zip") == 2
        assert "a damaged zip" in capsys.readouterr().err and files(tmp_path) == []


def marked(content, place, value):
    """A zip with one byte of each header changed: `place` in the local one, 2 more in the one of the directory."""
    content = bytearray(content)
    content[place] = content[content.index(b"PK\1\2") + place + 2] = value
    return bytes(content)


@pytest.mark.parametrize("place, value, message", [(6, 1, "password"), (8, 99, "compression method")])
def test_a_zip_that_cannot_be_unpacked_is_kept(place, value, message, call, server, tmp_path, capsys):
    server.contents["a.zip"] = marked(zipped({"folder/words": "w"}), place, value)
    assert call("a.zip") == 2
    said = capsys.readouterr().err
    assert "a.zip: cannot be unpacked here" in said and message in said and said.count("\n") == 1
    assert files(tmp_path) == ["out.download/a.zip"]


def test_a_bomb_is_not_unpacked(call, server, tmp_path, capsys):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/words", bytes(2**23))
    server.contents["a.zip"] = file.getvalue()
    assert call("a.zip") == 2 and "would unpack to 8,388,608 bytes, more than 20 times" in capsys.readouterr().err
    assert files(tmp_path) == ["out.download/a.zip"]


def test_no_file_lands_outside(call, server, tmp_path):
    server.contents["a.zip"] = zipped({"folder/words": "w", "../../evil": "x", "/etc/evil": "x"})
    assert call("a.zip") == 0
    assert files(tmp_path) == ["out/etc/evil", "out/evil", "out/folder/words"]


def test_a_file_that_is_no_archive_is_kept_whole(call, server, tmp_path):
    server.contents["coco.pt"] = CONTENT
    assert call("coco.pt", inside={"coco.pt": SUM}) == 0 and files(tmp_path) == ["out/coco.pt"]


def test_without_pooch_one_line(call, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    assert call("a.zip") == 2
    assert "needs pooch: pip install -e" in capsys.readouterr().err


def test_the_page_for_people_says_the_same():
    page = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    for name, data_set in TABLE.items():
        assert f"python -m scripts.fetch_data {name}" in page and data_set.page in page
        for file in data_set.files:
            assert file.url in page and (file.sha256 is None or file.sha256 in page)
            assert f"{file.size:,}" in page or f"{file.size / 1e6:,.0f} MB" in page
        for name, expected in data_set.inside.items():
            assert name in page and (expected is None or expected in page)
    assert downloads.TRIES > 1


def test_reasons_are_a_few_words_and_an_empty_folder_goes(call, server, tmp_path, capsys):
    server.contents.pop("a.zip")
    assert call("a.zip") == 2
    err = capsys.readouterr().err
    assert "/x/a.zip: 404 " in err and len(err) < 400 and not (tmp_path / "out.download").exists()


def test_a_file_put_there_by_hand_that_is_another_one_is_named(call, server, tmp_path, capsys):
    (tmp_path / "out.download").mkdir()
    (tmp_path / "out.download" / "a.zip").write_bytes(b"another")
    assert call("a.zip", sha256=SUM) == 2
    assert f"a.zip: its SHA-256 is {hashlib.sha256(b'another').hexdigest()}, expected {SUM}: remove it" in (
        capsys.readouterr().err)
    assert not server.asked and (tmp_path / "out.download" / "a.zip").read_bytes() == b"another"
