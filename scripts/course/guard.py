"""An audit hook that stops the process under test from leaving its folder. Python code cannot remove it.

It says what a submission did, and it is all there is where the kernel confines nothing. Then it contains honest
mistakes and pranks; it is no sandbox: native code gets past it.
"""
import contextlib
import importlib
import os
import sys
import threading

from scripts.course.evaluations import Watch

FRAMEWORKS = {"torch", "tensorflow", "jax", "autograd", "mxnet", "theano", "tinygrad"}
PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
             "os.startfile", "os.kill", "os.killpg", "signal.pthread_kill", "pty.spawn", "_winapi.CreateProcess",
             "_winapi.TerminateProcess", "_posixsubprocess.fork_exec", "resource.prlimit"}
NETWORK = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname"}
LISTING = {"os.listdir", "os.scandir"}
CHANGING = {"os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.mkdir": 1, "os.truncate": 1, "os.link": 2,
            "os.symlink": 2, "shutil.rmtree": 1, "shutil.move": 2}      # how many of the arguments are paths
METADATA = {"os.chmod", "os.chown", "os.chflags", "os.utime", "os.setxattr", "os.removexattr"}
INSPECTION = {"gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames", "sys.settrace",
              "sys.setprofile"}
SILENT = {                          # functions that reach others and raise no event, in all Pythons or in some
    "_posixsubprocess": ("fork_exec",), "_posixshmem": ("shm_open", "shm_unlink"),
    "posix": ("mkfifo", "mknod", "memfd_create", "unshare", "setns", "setpriority", "nice", "pidfd_open", "chroot",
              "sched_setaffinity", "sched_setparam", "sched_setscheduler"),
    "signal": ("pidfd_send_signal",)}
NATIVE = {                          # functions of the C library, called by ctypes
    "fork", "vfork", "execv", "execve", "posix_spawn", "posix_spawnp", "system", "popen", "daemon", "kill", "killpg",
    "ptrace", "syscall", "prctl", "shm_open", "shmget", "semget", "msgget", "sem_open", "mq_open", "memfd_create",
    "socket", "chmod", "fchmod", "fchmodat", "chown", "fchown", "utimes", "utimensat", "setxattr", "setpriority"}
BEYOND = "uses {}, which reaches beyond its own process"
WATCH = {function.__code__ for function in (                # they may trace
    Watch.__enter__, Watch.__exit__, Watch._line, threading.Thread._bootstrap_inner)}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install(work, forbidden, notes):
    """Allow writing in the folder `work` alone; forbid reading below `forbidden`, processes, network and metadata.

    Each kind of refusal is appended to the list `notes` once.
    """
    def refuse(what, kind=PermissionError):
        if what not in notes and len(notes) < 20:
            notes.append(what)
        raise kind(f"refused by the grader: the submission {what}")

    def refusing(name):
        return lambda *args, **kwargs: refuse(BEYOND.format(name))
    for module, names in SILENT.items():
        with contextlib.suppress(ImportError):
            module = importlib.import_module(module)
            for place in (module, os) if module.__name__ == "posix" else (module,):
                for name in names:
                    if hasattr(place, name):
                        setattr(place, name, refusing(name))
    sys.addaudithook(_hook(work, forbidden, refuse))


def _hook(work, forbidden, refuse):
    """The audit hook; refuse(what): notes it and raises."""
    work, forbidden = os.path.realpath(work), [os.path.realpath(folder) for folder in forbidden]
    installed = [os.path.realpath(folder) for folder in {sys.prefix, sys.base_prefix, sys.exec_prefix}]

    def check_read(path):
        path = _real(path)
        if path and _below(path, forbidden) and not _below(path, [work, *installed]):
            refuse("reads files of the course's own checkout, or of other students")

    def check_write(path):
        path = _real(path)
        if path and path != os.devnull and not _below(path, [work]):
            refuse("writes or deletes outside its own folder")

    def hook(event, args):
        if event == "open":
            writes = any(c in str(args[1] or "") for c in "wax+") or (args[2] or 0) & WRITING
            (check_write if writes else check_read)(args[0])
        elif event == "import":
            if args[0].partition(".")[0] in FRAMEWORKS:
                refuse(f"imports {args[0]}: the layers are to be written in NumPy", ImportError)
            if args[0] in SILENT:                       # once more, with the functions that are replaced
                refuse(BEYOND.format(args[0]))
        elif event in LISTING:
            check_read(args[0])
        elif event in CHANGING:
            for path in args[:CHANGING[event]]:
                check_write(path)
        elif event in PROCESSES:
            refuse("starts or ends processes")
        elif event == "ctypes.dlsym" and args[1] in NATIVE:
            refuse(BEYOND.format(args[1]))
        elif event in NETWORK:
            refuse("uses the network")
        elif event in METADATA:
            refuse("changes modes, owners, times or attributes of files")
        elif event in INSPECTION and not _is_ours(event):
            refuse("looks into the grader's process")
    return hook


def _is_ours(event):
    """Whether evaluations.Watch has raised it; frame 0 is this function's, frame 1 the hook's."""
    return sys._getframe(2).f_code in WATCH


def _real(path):
    """The path with links resolved, or None for a value that is no path, such as the number of an open file."""
    if isinstance(path, int) or path is None:
        return None
    try:
        return os.path.realpath(os.fsdecode(path))
    except (OSError, ValueError, TypeError):            # also where the working folder was deleted
        return os.fsdecode(path) if isinstance(path, (str, bytes)) else None


def _below(path, folders):
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)
