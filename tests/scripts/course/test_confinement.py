"""The grader's process: what the kernel refuses, what is left of a task, and what answers cost."""
import ctypes
import errno
import io
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts import grade
from scripts.campaigns.grade import FORMS, kinds
from scripts.course import confinement, probe
from scripts.course.confinement import PARTS, check, missing
from scripts.course.syscalls import ALWAYS, NUMBERS
from scripts.course.tasks import ROOT
from scripts.course.wire import encode, read

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


def verdict(lines, architecture, number, *args):
    """What a filter returns for a system call: its instructions, carried out."""
    words = struct.pack("<IIQ6Q", number, architecture, 0, *args, *[0] * (6 - len(args)))
    position = value = 0
    while True:
        code, yes, no, operand = lines[position]
        if code == 0x06:
            return operand
        if code == 0x20:
            value, = struct.unpack_from("<I", words, operand)
        else:
            is_true = {0x15: value == operand, 0x25: value > operand, 0x45: bool(value & operand)}[code]
            position += yes if is_true else no
        position += 1


@pytest.mark.parametrize("column, architecture", [(0, 0xC000003E), (1, 0xC00000B7)])
def test_the_filter_refuses_what_reaches_others_and_leaves_the_rest(column, architecture):
    from scripts.course.seccomp import program
    lines, pid = program(column, 77), 77

    def of(name, *args, machine=architecture):
        return verdict(lines, machine, NUMBERS[name][column], *args)
    assert {verdict(lines, architecture, numbers[column]) for numbers in ALWAYS.values() if numbers[column] >= 0} == {
        REFUSED}
    assert of("clone", 0x3D0F00) == ALLOWED == of("clone", 0x10100)             # a thread
    assert of("clone", 17) == REFUSED == of("clone", 0x10000 | 0x40000000)      # a process; a thread's own network
    assert of("clone3") == UNKNOWN == verdict(lines, architecture, 451) == verdict(lines, architecture, 0x40000000 + 1)
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert of(name, pid) == ALLOWED and of(name, 1) == of(name, 0) == of(name, 2**32 - pid) == REFUSED
    assert of("prlimit64", 0) == of("prlimit64", pid) == ALLOWED and of("prlimit64", 5) == REFUSED
    assert of("ioctl", 1, 0x5401) == of("ioctl", 1, 0x5451) == ALLOWED and of("ioctl", 1, 0x40086602) == REFUSED
    assert of("fcntl", 1, 3) == ALLOWED and of("fcntl", 1, 8) == of("fcntl", 1, 1024) == REFUSED
    assert of("kill", pid, machine=0x40000003) == REFUSED                       # 32 bits
    read_write = (0, 1) if column == 0 else (63, 64)
    assert all(verdict(lines, architecture, number) == ALLOWED for number in read_write)


def test_a_level_asks_for_what_a_machine_may_not_have(monkeypatch, capsys):
    for level, held in (("full", PARTS), ("files", ("files",)), ("any", ())):
        check(level, held)
    with pytest.raises(ValueError, match="--confinement full: the kernel does not confine a submission's network, IPC"):
        check("full", ("files", "processes", "metadata"))
    assert missing(PARTS) == "" and "processes, metadata on this machine" in missing(("files", "network", "IPC"))
    monkeypatch.setattr(grade, "confined_here", lambda: ["network"])
    with pytest.raises(ValueError, match="--confinement files"):
        grade.main([str(ROOT), "--task", "2.1", "--confinement", "files"])
    monkeypatch.setattr(grade, "grade_and_report", lambda *args: None)
    assert grade.main([str(ROOT), "--task", "2.1"]) == 0
    assert capsys.readouterr().err.count("\n") == 1


@linux
def test_what_is_switched_off_is_missed():
    held = set(probe.confined_here())
    without = probe.confined_here(confinement.MECHANISMS)
    assert without == [] and held <= set(PARTS)


@pytest.mark.parametrize("value", [[object()] * 30_000, "x" * 2_000_000, list(range(30_000))])
def test_answers_of_too_many_parts_are_refused_on_both_sides(value, monkeypatch):
    with pytest.raises(ValueError, match="expected at most 20,000 in 1,048,576"):
        encode(value)
    monkeypatch.setattr("scripts.course.wire._check_parts", lambda text: None)
    message = encode(value)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="expected at most"):
        read(io.BytesIO(message))


def test_a_length_that_is_only_claimed_takes_no_memory():
    class Claim(io.RawIOBase):
        asked, sent = [], [struct.pack("<Q", 1 << 26), b"x" * 92, b""]

        def read(self, size):
            self.asked.append(size)
            return self.sent.pop(0)
    with pytest.raises(EOFError):
        read(Claim())
    assert max(Claim.asked) <= 1 << 20


@pytest.mark.parametrize("text", ['{"list": [' * 60 + "1" + "]}" * 60, '{"list": {}}', "[[1]]", "9" * 5000])
def test_what_encode_does_not_write_is_no_message(text):
    message = struct.pack("<QI", len(text) + 4, len(text)) + text.encode()
    with pytest.raises(ValueError, match="not a message|digits"):
        read(io.BytesIO(message))


@pytest.mark.skipif(sys.platform == "win32", reason="no links, modes and descriptors of folders")
def test_a_folder_is_removed_whatever_is_in_it_and_no_link_is_followed(tmp_path, monkeypatch):
    from scripts.course.task_folder import folder_of
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tasks"))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").touch()
    before = os.getcwd()
    with folder_of({"a/b.py": "x"}) as work:
        assert (work / "a/b.py").read_text() == "x"
        os.chdir(work)
        for _ in range(1100):                               # deeper than recursion and than a path may be
            os.mkdir("d")
            os.chdir("d")
        os.chdir(before)
        (work / "link").symlink_to(tmp_path / "outside")
        os.mkfifo(work / "pipe")
        (work / "a").chmod(0)
    assert os.listdir(tmp_path / "tasks") == []
    with folder_of({"a": "x"}) as work:                     # and where its folder is another one's now
        os.rename(work, tmp_path / "moved")
        work.symlink_to(tmp_path / "outside")
    assert os.listdir(tmp_path / "tasks") == [] and (tmp_path / "outside/file").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no modes and descriptors of folders")
def test_what_a_folder_takes_is_found_far_down_and_what_cannot_be_read_is_too_much(tmp_path, monkeypatch):
    from scripts.course import task_folder
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(bytes(10_000))
    size, count = task_folder.taken(str(tmp_path), 100)
    assert size >= 10_000 and count == 3 and task_folder.taken(str(tmp_path), 2)[1] >= 2
    before = os.getcwd()
    os.chdir(tmp_path)
    for _ in range(30):                                     # a longer path than the system takes
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    Path("file").write_bytes(bytes(70_000))
    os.chdir(before)
    size, count = task_folder.taken(str(tmp_path), 100)
    assert size >= 80_000 and count == 34
    monkeypatch.setattr(task_folder, "DEEPEST", 20)
    assert task_folder.taken(str(tmp_path), 100)[1] >= 100
    monkeypatch.setattr(task_folder, "_open", lambda *_: os.open(tmp_path / "a/b/c/d", os.O_RDONLY))
    assert task_folder.taken(str(tmp_path), 100) == (0, 100)


@linux
def test_deleted_files_count_also_where_only_a_page_of_them_is_in_memory(tmp_path):
    from scripts.course import process_tree
    before = process_tree.deleted_files([os.getpid()], 1 << 20)
    with open(tmp_path / "x", "w+b") as file:
        file.write(bytes(50_000))
        file.flush()
        libc = ctypes.CDLL(None)
        libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3,
                                                                  ctypes.c_long]
        page = libc.mmap(None, 4096, 1, 1, file.fileno(), 0)
        os.remove(tmp_path / "x")
        held = process_tree.deleted_files([os.getpid()], 1 << 20)
        assert before + (1 << 20) + 50_000 <= held < before + (1 << 20) + 100_000
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()                                          # which has the same files
        assert process_tree.deleted_files([os.getpid(), os.getpid()], 1 << 20) == held
        stop.set()
        thread.join()
    assert process_tree.deleted_files([os.getpid()], 1 << 20) == before + (1 << 20)
    libc.munmap(ctypes.c_void_p(page), ctypes.c_size_t(4096))
    assert process_tree.deleted_files([os.getpid()], 1 << 20) == before


@linux
@pytest.mark.parametrize("folder, left", [("folder_of({'a/b.py': 'x'})", []), ("nullcontext('own/work')", ["own"])])
def test_a_grader_that_is_killed_leaves_no_folder_of_a_task(folder, left, tmp_path):
    """The supervisor of the task outlives it and removes what it can no longer remove, and nobody else's folder."""
    (tmp_path / "own/work").mkdir(parents=True)
    if not left:
        shutil.rmtree(tmp_path / "own")
    code = ("import os, signal, sys, tempfile\nfrom contextlib import nullcontext\nsys.path.insert(0, sys.argv[1])\n"
            "from scripts.course.channel import Limits, Remote\nfrom scripts.course.task_folder import folder_of\n"
            f"tempfile.tempdir = os.getcwd()\nwith {folder} as work:\n"
            "    print(Remote(os.path.abspath(work), Limits())._process.pid, flush=True)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n")
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{done.stdout.strip()}/exe") and time.monotonic() < end:        # the supervisor
        time.sleep(0.02)
    assert os.listdir(tmp_path) == left


@linux
def test_processes_that_have_left_their_parents_are_found_and_ended():
    from scripts.course import process_tree
    from scripts.course.supervisor import SUBREAPER
    from scripts.course.syscalls import prctl
    r, w = os.pipe()
    above = os.fork()
    if not above:
        prctl(SUBREAPER, 1)
        if not os.fork():
            os.setsid()
            if not os.fork():
                time.sleep(300)
            os._exit(0)
        time.sleep(0.2)
        process_tree.reap()
        found = process_tree.below(os.getpid()), process_tree._below_by_parents(os.getpid())
        ended = process_tree.end_all(lambda: process_tree.below(os.getpid()))
        os.write(w, repr((found[0] == found[1], len(found[0]), ended)).encode())
        os._exit(0)
    os.waitpid(above, 0)
    assert os.read(r, 100) == b"(True, 1, True)"
    os.close(r)
    os.close(w)


@linux
def test_a_control_group_ends_what_is_in_it():
    from scripts.course import cgroups
    group = cgroups.make(f"test-{os.getpid()}", 500, 10)
    if group is None:
        pytest.skip("no control group can be made here")
    r, w = os.pipe()
    child = os.fork()
    if not child:
        os.write(w, b"1" if cgroups.join(group) else b"0")
        time.sleep(300)
    assert os.read(r, 1) == b"1" and str(child) in (group / "cgroup.procs").read_text().split()
    cgroups.end_named(f"test-{os.getpid()}")
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == 9 and not group.exists()
    os.close(r)
    os.close(w)


SOME = [("forks by a system call", "the audit hook alone"), ("changes a mode natively", "no namespaces"),
        ("shared memory of System V", "all that Linux has"), ("400,000 objects forged", "all that Linux has")]


@linux
def test_some_hostile_submissions_harm_nobody(request):
    from scripts.campaigns.trial import Trial
    by_name = {kind.name: kind for kind in kinds()}
    assert len(by_name) == len(kinds()) > 53
    for form in dict.fromkeys(form for _, form in SOME):
        trial = Trial(FORMS[form], with_next=False)
        request.addfinalizer(trial.close)
        is_as_said = form == "the audit hook alone" or set(probe.confined_here(FORMS[form])) == set(PARTS)
        for name in [name for name, other in SOME if other == form and is_as_said]:     # CI's machine may have less
            assert not trial.run(by_name[name]).faults, (name, form)
