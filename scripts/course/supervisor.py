"""Starts the process under test, watches what it starts and takes, and ends all of it: no child outlives its task.

It is a process of its own for each task, so that everything below it belongs to the task: what loses its parent becomes
its child. It loads nothing of the submission. Only Linux has the means; elsewhere the process under test is alone.
"""
import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import NamedTuple

PROCESSES = 64                      # with threads
DISK, FILES = 512 << 20, 20_000     # bytes and files in its folder
STEP = 0.05                         # seconds between two looks
SUBREAPER = 36


class Settings(NamedTuple):
    """What the grader tells the process that it starts, as a JSON list."""
    work: str                       # the submission's folder
    root: str                       # an empty folder
    megabytes: int                  # of memory, for each process and for all together
    checkout: str                   # where the grader's modules are
    forbidden: list[str]            # folders that must not be read
    line: int | None                # a socket to the grader: it closes to end the task; None where there is none
    mark: str                       # a word that no other task has
    grader: int                     # its process
    without: list[str]              # of confinement.MECHANISMS, for tests
    probe: bool                     # whether only to say what the kernel confines


def main(text):
    """Run a task, from its Settings as JSON."""
    settings = Settings(*json.loads(text))
    if settings.line is not None:
        _supervise(settings)
        return
    from scripts.course import child, privileges
    child.main(settings, lambda: privileges.limit(settings.megabytes))


def _supervise(settings):
    from scripts.course import cgroups, namespaces, privileges, process_tree, sweep, task_folder
    from scripts.course.syscalls import prctl
    began, without, line = time.time(), settings.without, settings.line
    prctl(SUBREAPER, 1)
    group = None if "cgroup" in without else cgroups.make(settings.mark, settings.megabytes, PROCESSES)
    folders = [folder for folder in sys.path if folder != settings.checkout]
    user = None if "user" in without else privileges.own_user(settings.work, folders)
    apart = set() if "namespaces" in without else namespaces.separate(user is not None)
    init = _fork(_wait_for_ever, line) if apart else None           # the first process of their namespace
    heard, told = os.pipe()
    worker = _fork(lambda: _work(settings, told, apart, user, group), line, heard)
    for descriptor in (0, 1, told):
        os.close(descriptor)
    status, reason, held = _watch(settings, worker, init, heard)
    if group:
        cgroups.end(group)
    if init:
        os.kill(init, signal.SIGKILL)                               # and the kernel all others with it
    process_tree.end_all(lambda: process_tree.below(os.getpid()))
    if user is not None or "IPC" not in held:                       # it could leave something to the next task
        sweep.sweep(os.getuid() if user is None else user, began, user is not None)
    _tell(line, reason.encode())
    if os.getppid() != settings.grader:                             # it was killed, and has left the folder
        task_folder.remove_around(settings.work)
    _end_like(status)


def _fork(function, *closed):
    """A child that runs a function and ends; `closed`: descriptors that are not for it."""
    child = os.fork()
    if child:
        return child
    try:
        for descriptor in closed:
            os.close(descriptor)
        function()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
    os._exit(0)


def _wait_for_ever():
    from scripts.course.confine import end_with_parent
    end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)                   # so that the kernel removes what has ended
    os.closerange(0, 256)
    while True:
        signal.pause()


def _work(settings, told, apart, user, group):
    from scripts.course import cgroups
    from scripts.course.confine import end_with_parent
    from scripts.course.confinement import confine_process
    end_with_parent()
    if group:
        cgroups.join(group)

    def confine():
        held = confine_process(settings.work, settings.root, settings.megabytes, PROCESSES, apart, user,
                               settings.without)
        os.write(told, json.dumps(held).encode() + b"\n")
        os.close(told)
    if settings.probe:
        confine()
        return
    from scripts.course import child
    child.main(settings, confine)


def _watch(settings, worker, init, heard):
    """Wait for the end of the worker, or of the grader's wish for it.

    -> the worker's status or None, why it was ended or "", and the parts that the kernel confines.
    """
    from scripts.course.process_tree import reap
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    poll, begin, looked, held = select.poll(), _free(settings.work), 0.0, b""
    for descriptor in (settings.line, heard, wake):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(1000 * STEP)}
        if wake in ready:
            os.read(wake, 1000)
        ended = reap()
        if heard in ready:
            held = os.read(heard, 1000) or b"[]\n"
            _tell(settings.line, held)
            poll.unregister(heard)
        if worker in ended or settings.line in ready:
            return ended.get(worker), "", held.decode()
        if time.monotonic() - looked > STEP:
            looked = time.monotonic()
            if reason := _too_much(settings, init, begin):
                return None, reason, held.decode()


def _too_much(settings, init, begin):
    """What the task takes beyond its limits, or ""."""
    from scripts.course import privileges, process_tree
    pids = [pid for pid in process_tree.below(os.getpid()) if pid != init]
    used, most = process_tree.usage(pids), settings.megabytes << 20
    if used.tasks > PROCESSES:
        return f"it started {used.tasks} processes and threads, {PROCESSES} are allowed"
    if used.memory > most and (process_tree.own_memory(pids) or used.memory) > most:
        return f"its processes took more than {settings.megabytes} MB of memory together"
    now = _free(settings.work)
    if begin[0] - now[0] > DISK // 4 or begin[1] - now[1] > FILES // 4:         # by whomever
        from scripts.course.task_folder import taken
        size, count = taken(settings.work, FILES)
        if count >= FILES or size + process_tree.deleted_files(pids, privileges.LARGEST_FILE) > DISK:
            return f"it left more than {DISK >> 20} MB or {FILES:,} files in its folder"
    return ""


def _free(folder):
    """The free bytes and files of the disk that a folder is on."""
    with contextlib.suppress(OSError):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize, found.f_ffree
    return 0, 0


def _tell(line, content):
    with contextlib.suppress(OSError):                              # the grader may have gone
        os.write(line, content)


def _end_like(status):
    """End as the process under test has ended, so that the grader can say how."""
    if status is not None and os.WIFSIGNALED(status):
        import resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.set_wakeup_fd(-1)
        if os.WTERMSIG(status) not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status) if status is not None else 0)
