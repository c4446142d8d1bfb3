"""The course kit: what students hand in, as it is read, and what is written of it."""
import json
import os
import tracemalloc
import zipfile

import pytest

from scripts import grade, pack_submission
from scripts.course import class_grading, packing
from scripts.course.class_grading import read_secret
from scripts.course.results import class_csv
from scripts.course.submission import LARGEST, read_submission
from scripts.course.tasks import ROOT

RNN = "rnnlayers/rnn.py"


def zip_of(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_submissions_are_read_from_folders_and_zips_and_links_are_not_followed(tmp_path):
    wanted = [RNN, "rnnlayers/lstm.py"]
    folder = tmp_path / "ada"
    (folder / "rnnlayers").mkdir(parents=True)
    (folder / RNN).write_text("a = 1\n")
    (folder / "rnnlayers/lstm.py").symlink_to(ROOT / "rnnlayers/lstm.py")
    read = read_submission(folder, wanted)
    assert read.student == "ada" and read.texts == {RNN: "a = 1\n"} and read.notes == ["rnnlayers/lstm.py: missing"]
    with zipfile.ZipFile(tmp_path / "bob.zip", "w") as archive:
        archive.writestr(f"work/{RNN}", "b = 1\r\n")
        archive.writestr("work/../../evil.py", "x")
    assert read_submission(tmp_path / "bob.zip", wanted).texts == {RNN: "b = 1\n"}
    (tmp_path / "x.zip").write_bytes(b"no zip")
    for path, words in ((tmp_path / "x.zip", "neither a folder nor a zip"), (tmp_path, "has none of the assignment's")):
        with pytest.raises(ValueError, match=words):
            read_submission(path, wanted)


def test_an_id_is_no_path():
    with pytest.raises(SystemExit):
        pack_submission.parse(["--student", "a/b"])


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_zip_is_one_students(compression, tmp_path):
    path = zip_of(tmp_path / "x.zip", {RNN: "".join(map(str, range(2000)))}, compression)
    content = bytearray(path.read_bytes())
    content[50:500] = b"\xff" * 450
    path.write_bytes(content)
    with pytest.raises(ValueError, match="neither a folder nor a zip that can be read"):
        read_submission(path, [RNN])


def test_one_folder_that_holds_everything_may_be_around_the_files(tmp_path):
    path = zip_of(tmp_path / "x.zip", {f"a/{RNN}": "a = 1\n", ".DS_Store": "", "__MACOSX/a": ""})
    assert read_submission(path, [RNN]).texts == {RNN: "a = 1\n"}
    (tmp_path / "ada/homework/rnnlayers").mkdir(parents=True)
    (tmp_path / "ada/.DS_Store").touch()
    (tmp_path / "ada/homework" / RNN).write_text("b = 1\r\nc = 2\rd = 3\n", newline="")
    read = read_submission(tmp_path / "ada", [RNN])
    assert read.texts == {RNN: "b = 1\nc = 2\nd = 3\n"} and read.student == "ada"


@pytest.mark.parametrize("around", ["", "tree/", "a/b/tree/", "a\\b\\"])
@pytest.mark.parametrize("side_by_side", [False, True])
def test_a_zip_may_have_folders_around_its_files_or_no_folders(around, side_by_side, tmp_path):
    names = {RNN: "rnn.py" if side_by_side else RNN, "manifest.json": "manifest.json"}
    contents = {RNN: "a = 1\n", "manifest.json": '{"student": "ada"}'}
    path = zip_of(tmp_path / "X.ZIP", {around + names[name]: contents[name] for name in names})
    read = read_submission(path, [RNN, "rnnlayers/lstm.py"])
    assert read.texts == {RNN: "a = 1\n"} and read.student == "ada" and read.notes == ["rnnlayers/lstm.py: missing"]
    if "\\" not in around:
        zipfile.ZipFile(path).extractall(tmp_path / "bob")
        assert read_submission(tmp_path / "bob", [RNN]).texts == {RNN: "a = 1\n"}


def test_what_is_too_large_is_said(tmp_path):
    path = zip_of(tmp_path / "x.zip", {RNN: "#" * (LARGEST + 1), "rnnlayers/lstm.py": "b = 1\n"})
    said = f"{RNN}: has 1,048,577 bytes, at most 1,048,576 are read"
    assert read_submission(path, [RNN, "rnnlayers/lstm.py"]).notes == [said]
    with pytest.raises(ValueError, match=f"x.zip: {said}"):
        read_submission(path, [RNN])


@pytest.mark.parametrize("student, shown", [
    (7, "7"), (None, "x"), ("a\nb", "a?b"), ("\ud800\0\x1b[2J", "???[2J"), ("\u5b66 \xfc", "\u5b66 \xfc"),
    ("x" * 10**5, "x" * 80), (["\t"], "['\\t']")])
def test_an_id_is_a_line_that_can_be_shown(student, shown, tmp_path):
    manifest = json.dumps({"student": student, "version": "\n\ud800"})
    read = read_submission(zip_of(tmp_path / "x.zip", {RNN: "a = 1\n", "manifest.json": manifest}), [RNN])
    assert read.student == shown and read.version == "??"
    assert class_csv([(shown, None, "\udcff")], ["2.1"]).decode().count("\n") == 2


def test_a_class_goes_on_and_says_who_has_anothers_id(tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("a.zip", "c.zip"):
        zip_of(folder / name, {RNN: "x", "manifest.json": '{"student": "ada"}'})
    (folder / "b.zip").write_bytes(b"no zip")
    assert grade.main(["--class", str(folder), "--task", "2.1", "--out", str(tmp_path / "c.csv")]) == 0
    table = (tmp_path / "c.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in table] == ["student", "ada", "b", "ada"]
    assert "neither a folder nor a zip" in table[2] and table[3].endswith("has the same id as a.zip")


def test_nothing_of_a_class_is_left_out(tmp_path, monkeypatch):
    """Whatever the case of .zip and of the id; and of what is no submission the table says so."""
    monkeypatch.setattr(class_grading, "grade", lambda *args: [])
    folder = tmp_path / "class"
    folder.mkdir()
    for name, student in (("a.ZIP", "ada"), ("b.zip", " ADA ")):
        zip_of(folder / name, {RNN: "x", "manifest.json": json.dumps({"student": student})})
    for name in ("lone.py", "x.tar.gz", ".DS_Store"):
        (folder / name).touch()
    for _ in range(2):                                      # the table itself is no submission
        assert grade.main(["--class", str(folder), "--task", "2.1", "--out", str(folder / "c.csv")]) == 0
    assert (folder / "c.csv").read_text().splitlines()[1:] == [
        "ada,0,0,", "ADA,0,0,has the same id as a.ZIP", *(
            f"{name},0,0,\"neither a folder nor a zip, not graded\"" for name in ("lone.py", "x.tar.gz"))]


def test_an_empty_class_is_one_line_and_no_table(tmp_path):
    (tmp_path / "class").mkdir()
    with pytest.raises(ValueError, match="class: is empty, expected folders or zips of submissions"):
        grade.main(["--class", str(tmp_path / "class"), "--task", "2.1", "--out", str(tmp_path / "c.csv")])
    assert not (tmp_path / "c.csv").exists()


def test_an_interrupted_class_keeps_its_results(tmp_path, monkeypatch):
    def graded(path, *_):
        if path.name == "b.zip":
            raise KeyboardInterrupt
        return "ada", [], "right"
    monkeypatch.setattr(class_grading, "_graded_row", graded)
    (tmp_path / "class").mkdir()
    for name in ("a.zip", "b.zip"):
        zip_of(tmp_path / "class" / name, {RNN: "x"})
    with pytest.raises(KeyboardInterrupt):
        grade.main(["--class", str(tmp_path / "class"), "--task", "2.1", "--out", str(tmp_path / "c.csv")])
    assert (tmp_path / "c.csv").read_text().splitlines()[1:] == ["ada,0,0,right"]


def test_a_class_goes_on_where_the_grader_itself_fails(tmp_path, monkeypatch):
    zip_of(tmp_path / "a.zip", {RNN: "x"})
    monkeypatch.setattr(class_grading, "grade", lambda *args: 1 / 0)
    assert grade.main(["--class", str(tmp_path), "--task", "2.1", "--out", str(tmp_path / "c.csv")]) == 0
    assert "a,0,0,\"the grader failed, look into it: ZeroDivisionError" in (tmp_path / "c.csv").read_text()


def test_what_cannot_be_read_has_results_that_say_so(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        grade.main([str(tmp_path / "x.zip"), "--task", "2.1", "--out", str(tmp_path / "r.json")])
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["score"] == 0 and results["tests"] == [] and "neither a folder nor a zip" in results["output"]


def test_where_nothing_can_be_written_nothing_is_graded(tmp_path, monkeypatch):
    monkeypatch.setattr(class_grading, "grade", None)
    monkeypatch.setattr(packing, "grade", None)
    (tmp_path / "file").touch()
    for out, words in ((tmp_path / "no/r", "no folder .*no: make it first"), (tmp_path, "is a folder, expected a file"),
                       (tmp_path / "file/r", "no folder .*file: make it first")):
        for main, args in ((grade.main, [str(ROOT), "--task", "2.1"]), (grade.main, ["--class", str(tmp_path)]),
                           (pack_submission.main, [])):
            with pytest.raises(OSError, match=words):
                main([*args, "--out", str(out)])


def test_tasks_that_are_all_given_leave_nothing_to_grade():
    with pytest.raises(ValueError, match="--given 2.1: nothing is left to grade"):
        grade.main([str(ROOT), "--task", "2.1", "--given", "2.1"])


def test_a_zip_whose_entry_is_a_lie_costs_no_memory(tmp_path):
    path = zip_of(tmp_path / "x.zip", {RNN: bytes(60 << 20)})
    path.write_bytes(path.read_bytes().replace((60 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(ValueError, match="neither a folder nor a zip that can be read"):
        read_submission(path, [RNN])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.zip")
    with pytest.raises(ValueError, match="neither a folder nor a zip that can be read"):
        read_submission(tmp_path / "x.zip", [RNN])
    with pytest.raises(ValueError, match="expected a text in UTF-8"):
        read_secret(tmp_path / "x.zip")
