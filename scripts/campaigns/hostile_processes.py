"""Kinds that start processes, reach other ones, or take more than their share of the machine."""
from scripts.campaigns.hostile_kinds import Kind

KINDS = [
    Kind("forks", "os.fork() in a loop", "import os\nfor k in range(5):\n    os.fork()\n"),
    Kind("forks by ctypes", "fork of the C library, found by its name",
         "import ctypes, os, time\nif ctypes.CDLL(None).fork() == 0:\n    os.setsid()\n    time.sleep(300)\n"),
    Kind("forks by a system call", "a child without the C library, in a session of its own, that keeps the pipes open",
         "import time\nchild(lambda: (call('setsid'), time.sleep(300)))\n"),
    Kind("a daemon", "two forks, so that its parent is gone, and no open files",
         "import time\ndef daemon():\n    call('setsid')\n    child(lambda: (os.closerange(0, 64), time.sleep(300)))\n"
         "child(daemon)\n"),
    Kind("fork bomb", "every child forks for ever", "def bomb():\n    while True:\n        child(bomb)\nbomb()\n",
         alone=True),
    Kind("fork bomb of orphans", "every child forks once and ends",
         "def bomb():\n    child(bomb)\nfor k in range(20):\n    child(bomb)\n", alone=True),
    Kind("starts a program", "subprocess", "import subprocess\nsubprocess.run(['sleep', '300'])\n"),
    Kind("starts a shell", "os.system", "import os\nos.system('sleep 300 &')\n"),
    Kind("spawns", "os.posix_spawn", "import os\nos.posix_spawn('/bin/sleep', ['sleep', '300'], {})\n"),
    Kind("multiprocessing by fork", "a process of multiprocessing",
         "import multiprocessing, time\nmultiprocessing.get_context('fork').Process(target=time.sleep, args=(300,))"
         ".start()\n"),
    Kind("multiprocessing by spawn", "the same, which starts Python without an event",
         "import multiprocessing, time\nmultiprocessing.get_context('spawn').Process(target=time.sleep, args=(300,))"
         ".start()\n"),
    Kind("the function below subprocess", "_posixsubprocess.fork_exec, loaded once more",
         "import sys, os\nsys.modules.pop('_posixsubprocess', None)\nimport _posixsubprocess\n"
         "r, w = os.pipe()\nargs = [[b'sleep', b'300'], [b'/bin/sleep'], True, (), None, None, -1, -1, -1, -1, "
         "-1, -1, r, w,"
         " False, False, None, None, None, -1, None]\n_posixsubprocess.fork_exec(*args)\n"),
    Kind("becomes another program", "execve by a system call",
         "import struct\npath, word = (ctypes.create_string_buffer(text) for text in (b'/bin/sleep', b'300'))\n"
         "words = (ctypes.c_void_p * 3)(ctypes.addressof(path), ctypes.addressof(word), None)\n"
         "call('execve', path, ctypes.addressof(words), 0)\n"),
    Kind("threads without end", "5,000 threads that sleep",
         "import threading, time\nthreading.stack_size(1 << 16)\nfor k in range(5000):\n"
         "    threading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n"),
    Kind("a thread that goes on", "a thread that computes when the call has returned",
         "import threading\ndef loop():\n    while True:\n        sum(range(1000))\n"
         "threading.Thread(target=loop).start()\n"),
    Kind("waits at its end", "atexit and __del__ that never return",
         "import atexit, time\nclass Late:\n    def __del__(self):\n        time.sleep(300)\nlate = Late()\n"
         "atexit.register(time.sleep, 300)\n"),
    Kind("ends the process", "os._exit in the first call", step="    import os; os._exit(0)\n"),
    Kind("crashes", "an address that is not there", step="    import ctypes; ctypes.string_at(1)\n"),
    Kind("loops", "while True", step="    while True: pass\n", seconds=1.0),
    Kind("sleeps", "it waits and computes nothing", step="    import time; time.sleep(300)\n", seconds=0.5),
    Kind("kills its parent", "SIGKILL to the process that started it, by a system call",
         "call('kill', call('getppid') or @victim@, 9)\nimport time\n"
         "child(lambda: (call('setsid'), time.sleep(300)))\n"),
    Kind("stops its parent", "SIGSTOP to it", "call('kill', call('getppid') or @victim@, 19)\n"),
    Kind("kills somebody else's process", "by os.kill and by a system call",
         "attempt(lambda: __import__('os').kill(@victim@, 9))\ncall('kill', @victim@, 9)\n"),
    Kind("signals by a descriptor", "pidfd_send_signal", "call('pidfd_send_signal', call('pidfd_open', @victim@), "
         "9)\n"),
    Kind("signals by fcntl", "the owner of its pipe's signals is somebody else",
         "r, w = os.pipe()\nimport fcntl\nattempt(lambda: (fcntl.fcntl(r, 8, @victim@), fcntl.fcntl(r, 10, 9),\n"
         "    fcntl.fcntl(r, 4, 0o20000), os.write(w, b'x')))\n"),
    Kind("attaches to a process", "ptrace", "call('ptrace', 16, @victim@)\n"),
    Kind("reads another's memory", "process_vm_readv",
         "here = ctypes.create_string_buffer(64)\nwords = (ctypes.c_ulong * 2)(ctypes.addressof(here), 64)\n"
         "there = (ctypes.c_ulong * 2)(@address@, 64)\n"
         "call('process_vm_readv', @victim@, ctypes.addressof(words), 1, ctypes.addressof(there), 1)\n"
         "print(here.value)\n"),
    Kind("reads the grader's environment", "/proc/PID/environ and /proc/PID/mem of the grader",
         "for pid in ('@grader@', call('getppid')):\n    for name in ('environ', 'mem'):\n"
         "        fd = call('openat', -100, f'/proc/{pid}/{name}'.encode(), 0)\n"
         "        print(fd >= 0 and os.read(fd, 100000) if name == 'environ' else fd)\n"),
    Kind("slows another process", "setpriority", "call('setpriority', 0, @victim@, 19)\n"),
    Kind("pins another process", "sched_setaffinity",
         "call('sched_setaffinity', @victim@, 8, (1).to_bytes(8, 'little'))\n"),
    Kind("schedules another process", "sched_setscheduler to idle",
         "call('sched_setscheduler', @victim@, 5, bytes(4))\n"),
    Kind("limits another process", "prlimit of its files",
         "call('prlimit64', @victim@, 7, (9).to_bytes(8, 'little') * 2, 0)\n"),
    Kind("memory", "arrays until it is full", step="    kept = []\n    while True: kept.append(bytearray(50 << 20))\n"),
    Kind("memory of many", "twenty children with 250 MB each",
         "import time\nfor k in range(20):\n    child(lambda: (bytearray(b'x') * (250 << 20), time.sleep(300)))\n"
         "time.sleep(3)\n"),
    Kind("memory without a process", "memfd_create, and segments of System V that nobody holds",
         "for k in range(20):\n    call('shmget', @key@ + 8 + k, 100 << 20, 0o1600)\n"
         "    fd = call('memfd_create', b'x', 0)\n"
         "    attempt(lambda: os.write(fd, bytes(60 << 20)))\n"),
    Kind("asks the kernel", "io_uring, bpf, perf_event_open, userfaultfd, a user namespace, a mount",
         "got = [call('io_uring_setup', 4, bytes(200)), call('bpf', 0, bytes(128), 128), call('unshare', 0x10000000),\n"
         "       call('perf_event_open', bytes(128), 0, -1, -1, 0), call('mount', b'x', b'/tmp', b'tmpfs', 0, 0)]\n"
         "print(got)\n", alone=True),
]
