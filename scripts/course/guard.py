"""An audit hook that stops the process under test from leaving its folder. Python code cannot remove it.

It contains honest mistakes and pranks. It is no sandbox: native code gets past it. If submissions may be more hostile
than that, run the grader in a container, as Gradescope does.
"""
import os
import sys

FRAMEWORKS = {"torch", "tensorflow", "jax", "autograd", "mxnet", "theano", "tinygrad"}
PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
             "os.startfile", "os.kill", "os.killpg", "signal.pthread_kill", "pty.spawn"}
NETWORK = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname"}
LISTING = {"os.listdir", "os.scandir"}
CHANGING = {"os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.mkdir": 1, "os.truncate": 1, "os.link": 2,
            "os.symlink": 2, "os.chmod": 1, "os.chown": 1, "shutil.rmtree": 1, "shutil.move": 2}    # paths among args
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install(work, forbidden, notes):
    """Allow writing in the folder `work` alone; forbid reading below `forbidden`, processes and network.

    Each kind of refusal is appended to the list `notes` once.
    """
    work, forbidden = os.path.realpath(work), [os.path.realpath(folder) for folder in forbidden]
    installed = [os.path.realpath(folder) for folder in {sys.prefix, sys.base_prefix, sys.exec_prefix}]

    def refuse(what, kind=PermissionError):
        if what not in notes and len(notes) < 20:
            notes.append(what)
        raise kind(f"refused by the grader: the submission {what}")

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
        elif event in LISTING:
            check_read(args[0])
        elif event in CHANGING:
            for path in args[:CHANGING[event]]:
                check_write(path)
        elif event in PROCESSES:
            refuse("starts or ends processes")
        elif event in NETWORK:
            refuse("uses the network")
    sys.addaudithook(hook)


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
