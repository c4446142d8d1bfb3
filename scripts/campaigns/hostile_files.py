"""Kinds that reach other files or the network, leave something behind, or hand a solution on to the next student."""
import io
import zipfile
from pathlib import Path

from scripts.campaigns.hostile_kinds import Kind

RNN = "rnnlayers/rnn.py"
HAND_OVER = "solution = open(__file__).read().partition('# the' + ' solution')[2]\n"
TAKE = "exec(compile(text, 'x', 'exec'))\n"
DEEP = "import os\nfor k in range(3000):\n    call('mkdirat', -100, b'd', 0o777)\n    os.chdir('d')\n"
WRITE = "for k in range(15):\n    with open(f'f{k}', 'wb') as file:\n        file.write(bytes(60 << 20))\n"


def handing(name, tries, put, get, **options):
    """A kind in which the first student puts his solution somewhere, and the second has only lines that get it."""
    return Kind(name, tries, HAND_OVER + put, second=get + TAKE, **options)


KINDS = [
    Kind("reads the reference", "the solution in the checkout, by open()",
         "print(open('@root@/rnnlayers/rnn.py').read()[:0]); raise SystemExit('@root@')\n", solution="wrong", most=0),
    Kind("reads the reference natively", "the same by a system call",
         "fd = call('openat', -100, b'@root@/rnnlayers/rnn.py', 0)\ntext = os.read(fd, 100000).decode()\n" + TAKE,
         solution="none", most=0),
    Kind("reads another student's work", "the folder of the class, by a system call",
         "fd = call('openat', -100, b'@class@/ada/rnnlayers/rnn.py', 0)\ntext = os.read(fd, 100000).decode()\n" + TAKE,
         solution="none", most=0),
    Kind("writes outside", "open()", "open('@outside@/new', 'w')\n"),
    Kind("writes outside natively", "a system call", "call('openat', -100, b'@outside@/new', 0o101, 0o666)\n"),
    Kind("a link to a folder outside", "its folder has links to other folders, which cleaning up could follow",
         "import os\nos.mkdir('x')\nfor name in (b'link', b'x/link'):\n"
         "    call('symlinkat', b'@outside@', -100, name)\n"),
    Kind("replaces its folder", "a link to another folder in its place",
         "import os, shutil\nattempt(lambda: os.rename(os.getcwd(), os.getcwd() + '2'))\n"
         "attempt(lambda: os.symlink('@outside@', os.getcwd()))\nhere = os.getcwd()\n"
         "call('unlinkat', -100, here.encode(), 0x200)\ncall('symlinkat', b'@outside@', -100, here.encode())\n"),
    Kind("deletes its folder", "shutil.rmtree", "import os, shutil\nshutil.rmtree(os.getcwd())\n"),
    Kind("a locked folder", "mode 000, with files in it",
         "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nattempt(lambda: os.chmod('a', 0))\n"
         "call('fchmodat', -100, b'a', 0)\n"),
    Kind("a deep folder", "3,000 folders in each other", DEEP),
    Kind("many small files", "50,000 of them",
         "for k in range(50000):\n    open(f'f{k}', 'w').close()\n", seconds=6.0),
    Kind("fills the disk", "files of 60 MB without end", WRITE.replace("15", "1000"), seconds=6.0),
    Kind("fills the disk unseen", "the same with files that have no name",
         "import os\nkept = []\nfor k in range(200):\n    kept.append(open('f', 'wb')); os.remove('f')\n"
         "    kept[-1].write(bytes(60 << 20))\n", seconds=6.0),
    Kind("fills the disk far down", "below folders whose path is longer than the system takes",
         DEEP + WRITE + "import time\ntime.sleep(1)\n", most=0, seconds=6.0),
    Kind("fills the disk by maps", "files that have no name and of which a page is mapped",
         "import os, time\nfor k in range(15):\n    with open('f', 'w+b') as file:\n"
         "        file.write(bytes(60 << 20)); call('mmap', 0, 4096, 1, 1, file.fileno(), 0)\n"
         "    os.remove('f')\ntime.sleep(1)\n", most=0, seconds=6.0),
    Kind("reads passwords", "/etc/shadow", "open('/etc/shadow').close()\n", most=0),
    Kind("a huge file", "1 TB of which nothing is written",
         "with open('f', 'wb') as file:\n    file.truncate(1 << 40)\n"),
    Kind("a named pipe", "in its folder, where somebody may open it",
         "import os\nattempt(lambda: os.mkfifo('rnnlayers/pipe'))\ncall('mknodat', -100, b'pipe', 0o10666, 0)\n"),
    Kind("changes a mode", "os.chmod of somebody else's file",
         "import os\nattempt(lambda: os.chmod('@outside@/file', 0o777))\n"),
    Kind("changes a mode natively", "fchmodat", "call('fchmodat', -100, b'@outside@/file', 0o777)\n"),
    Kind("changes an owner", "os.chown and fchownat",
         "attempt(lambda: __import__('os').chown('@outside@/file', 12345, 1))\n"
         "call('fchownat', -100, b'@outside@/file', 12345, 1, 0)\n"),
    Kind("changes times", "os.utime and utimensat",
         "attempt(lambda: __import__('os').utime('@outside@/file', (1, 1)))\n"
         "call('utimensat', -100, b'@outside@/file', bytes(32), 0)\n"),
    Kind("changes attributes", "setxattr",
         "attempt(lambda: __import__('os').setxattr('@outside@/file', 'user.x', b'x'))\n"
         "call('setxattr', b'@outside@/file', b'user.x', b'x', 1, 0)\n"),
    Kind("copies a mode", "shutil.copymode and copystat",
         "import shutil\nattempt(lambda: shutil.copymode('rnnlayers/__init__.py', '@outside@/file'))\n"
         "attempt(lambda: shutil.copystat('rnnlayers/__init__.py', '@outside@/file'))\n"),
    Kind("a hard link", "to somebody else's file, and its mode",
         "import os\nattempt(lambda: os.link('@outside@/file', 'file'))\n"
         "call('linkat', -100, b'@outside@/file', -100, b'file', 0)\n"
         "call('fchmodat', -100, b'file', 0o777)\n"),
    handing("shared memory of System V", "a segment of a known key",
            "n = call('shmget', @key@, 65536, 0o1666)\naddress = call('shmat', n, 0, 0)\n"
            "ctypes.memmove(address, solution.encode() + b'\\0', len(solution) + 1)\n",
            "n = call('shmget', @key@, 65536, 0)\naddress = call('shmat', n, 0, 0)\nif address < 0: raise OSError(n)\n"
            "text = ctypes.string_at(address).decode()\n"),
    handing("queue of System V", "messages of a known key",
            "n = call('msgget', @key@ + 1, 0o1666)\nfor k in range(0, len(solution), 4000):\n"
            "    call('msgsnd', n, (1).to_bytes(8, 'little') + solution[k:k + 4000].encode(), len(solution[k:k + "
            "4000]), 2048)\n",
            "n = call('msgget', @key@ + 1, 0)\nif n < 0: raise OSError(n)\ntext = ''\n"
            "part = ctypes.create_string_buffer(9000)\n"
            "while (size := call('msgrcv', n, part, 8000, 0, 2048)) > 0:\n    text += part.raw[8:8 + size].decode()\n"),
    handing("semaphores of System V", "a set of a known key, whose values say something",
            "n = call('semget', @key@ + 2, 4, 0o1666)\nif n < 0: raise OSError(n)\ncall('semctl', n, 0, 16, 77)\n",
            "n = call('semget', @key@ + 2, 4, 0)\nif n < 0 or call('semctl', n, 0, 12) != 77: raise OSError(n)\n"
            "text = open('@class@/ada/rnnlayers/rnn.py').read()\n"),
    handing("shared memory of POSIX", "a file in /dev/shm, by Python and by a system call",
            "def by_python():\n    from multiprocessing import shared_memory\n"
            "    made = shared_memory.SharedMemory('hostile', True, 65536)\n"
            "    made.buf[:len(solution)] = solution.encode()\nattempt(by_python)\n"
            "fd = call('openat', -100, b'/dev/shm/hostile2', 0o102, 0o666)\n"
            "call('write', fd, solution.encode(), len(solution))\n",
            "text = ''\nfor name in (b'/dev/shm/hostile', b'/dev/shm/hostile2'):\n"
            "    fd = call('openat', -100, name, 0)\n    text = text or attempt(lambda: os.read(fd, "
            "65536).rstrip(b'\\0').decode())\n"),
    handing("queue of POSIX", "mq_open",
            "n = call('mq_open', b'hostile', 0o102, 0o666, 0)\nfor k in range(0, len(solution), 8000):\n"
            "    call('mq_timedsend', n, solution[k:k + 8000].encode(), len(solution[k:k + 8000]), 1, 0)\n",
            "n = call('mq_open', b'hostile', 2, 0, 0)\nif n < 0: raise OSError(n)\n"
            "part = ctypes.create_string_buffer(9000)\n"
            "text = part.raw[:call('mq_timedreceive', n, part, 8192, 0, 0)].decode()\n"),
    handing("a file in /tmp", "by a system call",
            "fd = call('openat', -100, b'/tmp/hostile-@mark@', 0o102, 0o666)\n"
            "call('write', fd, solution.encode(), len(solution))\n",
            "fd = call('openat', -100, b'/tmp/hostile-@mark@', 0)\ntext = os.read(fd, 65536).decode()\n"),
    handing("a file beside its folder", "in the folder that its own is in",
            "fd = call('openat', -100, b'../hostile', 0o102, 0o666)\n"
            "call('write', fd, solution.encode(), len(solution))\n",
            "import glob\nfd = call('openat', -100, b'../hostile', 0)\ntext = os.read(fd, 65536).decode()\n"),
    handing("a key of the kernel", "add_key to the user's keyring",
            "call('add_key', b'user', b'hostile', solution.encode(), len(solution), -4)\n",
            "n = call('request_key', b'user', b'hostile', 0, -4)\npart = ctypes.create_string_buffer(65536)\n"
            "text = part.raw[:call('keyctl', 11, n, part, 65536)].decode()\n"),
    handing("a socket without a name", "an abstract UNIX socket, served by a child that stays",
            "import socket\ndef serve():\n    call('setsid')\n    made = socket.socket(socket.AF_UNIX)\n"
            "    made.bind('\\0hostile')\n    made.listen()\n    while True:\n"
            "        made.accept()[0].sendall(solution.encode())\n"
            "child(serve)\n",
            "import socket\nmade = socket.socket(socket.AF_UNIX)\nmade.connect('\\0hostile')\n"
            "text = made.recv(65536).decode()\n"),
    handing("memory of a child that stays", "memfd_create, read from /proc/PID/fd by the next student",
            "import time\nfd = call('memfd_create', b'hostile', 0)\n"
            "call('write', fd, solution.encode(), len(solution))\n"
            "child(lambda: (call('setsid'), time.sleep(300)))\n",
            "text = ''\nfor pid in range(2, 40000):\n    for fd in range(3, 20):\n"
            "        if call('openat', -100, f'/proc/{pid}/environ'.encode(), 0) < 0: break\n"
            "        n = call('openat', -100, f'/proc/{pid}/fd/{fd}'.encode(), 0)\n"
            "        text = text or (n > 0 and attempt(lambda: os.read(n, 65536).decode())) or ''\n"),
    handing("the next student's Python", "modules in the user's site-packages, in HOME and beside the packages",
            "import site, sys\nfor folder in ('@home@', *sys.path[1:]):\n"
            "    fd = call('openat', -100, f'{folder}/hostile_@mark@.py'.encode(), 0o102, 0o666)\n"
            "    call('write', fd, solution.encode(), len(solution))\n",
            "import sys\nsys.path.append('@home@')\nimport hostile_@mark@ as made\n"
            "text = open(made.__file__).read()\n", alone=True),
    Kind("connects", "TCP to this machine",
         "import socket\nattempt(lambda: socket.create_connection(('127.0.0.1', @port@), 1).send(b'x'))\n"),
    Kind("connects natively", "the same by system calls",
         "n = call('socket', 2, 1, 0)\nprint(call('connect', n, bytes.fromhex('0200') + (@port@).to_bytes(2, 'big') +\n"
         "    bytes([127, 0, 0, 1]) + bytes(8), 16))\ncall('write', n, b'x', 1)\n"),
    Kind("sends a datagram", "UDP by system calls",
         "n = call('socket', 2, 2, 0)\ncall('sendto', n, b'x', 1, 0, bytes.fromhex('0200') + (@port@).to_bytes(2, "
         "'big') +\n"
         "    bytes([127, 0, 0, 1]) + bytes(8), 16)\n"),
    Kind("connects to a UNIX socket", "a socket without a name that somebody else serves",
         "n = call('socket', 1, 1, 0)\ncall('connect', n, b'\\1\\0\\0hostile-@mark@', 3 + len('hostile-@mark@'))\n"
         "call('write', n, b'x', 1)\n"),
    Kind("a link in what is handed in", "its rnn.py is a link to the reference", files="link", most=0),
    Kind("a zip of links", "the same in a zip", files="zip of links", most=0),
    Kind("a zip with paths", "members that lead out of the folder", files="zip with paths"),
    Kind("a zip bomb", "a member of 1 GB of zeros in 1 MB", files="zip bomb", most=0),
    Kind("a zip that lies", "a member that is larger than its entry says", files="zip that lies", most=0),
    Kind("a zip of bzip2 that lies", "the same with another compression", files="zip of bzip2 that lies", most=0),
    Kind("a zip of zips", "zips in each other", files="zip of zips", most=0),
    Kind("a zip of many", "50,000 members", files="zip of many"),
]


def _zip_of(members, path, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def _link(folder, text, outside):
    (folder / "eve/rnnlayers").mkdir(parents=True)
    (folder / "eve" / RNN).symlink_to(outside / "solution.py")
    return folder / "eve"


def _zip_of_links(folder, text, outside):
    info = zipfile.ZipInfo(RNN)
    info.external_attr = 0o120777 << 16
    return _zip_of([(info, str(outside / "solution.py"))], folder / "eve.zip")


def _zip_bomb(folder, text, outside):
    with zipfile.ZipFile(folder / "eve.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open(RNN, "w") as member:
        for _ in range(1000):
            member.write(bytes(1 << 20))
    return folder / "eve.zip"


def _zip_that_lies(folder, text, outside, compression=zipfile.ZIP_DEFLATED):
    path = _zip_of([(RNN, bytes(300 << 20))], folder / "eve.zip", compression)
    content = path.read_bytes()
    path.write_bytes(content.replace((300 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    return path


def _zip_of_zips(folder, text, outside):
    content = text.encode()
    for _ in range(50):
        buffer = io.BytesIO()
        _zip_of([(RNN, content)], buffer)
        content = buffer.getvalue()
    return _zip_of([(RNN, content)], folder / "eve.zip")


PACKED = {                          # how a submission is packed: a function of the folder, its rnn.py, and `outside`
    "link": _link, "zip of links": _zip_of_links, "zip bomb": _zip_bomb, "zip that lies": _zip_that_lies,
    "zip of zips": _zip_of_zips, "zip of bzip2 that lies": lambda *args: _zip_that_lies(*args, zipfile.ZIP_BZIP2),
    "zip with paths": lambda folder, text, outside: _zip_of(
        [(RNN, text), ("../../outside/new", "x"), (f"{outside}/new", "x")], folder / "eve.zip"),
    "zip of many": lambda folder, text, outside: _zip_of(
        [(RNN, text), *((f"a/{k}", "") for k in range(50_000))], folder / "eve.zip"),
}


def packed(kind: str, folder: Path, text: str, outside: Path) -> Path:
    """Pack a submission in a folder -> what is handed in."""
    if kind:
        return PACKED[kind](folder, text, outside)
    (folder / "eve/rnnlayers").mkdir(parents=True)
    (folder / "eve" / RNN).write_text(text, encoding="utf-8")
    return folder / "eve"
