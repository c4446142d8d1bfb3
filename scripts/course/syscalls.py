"""System calls of Linux by name, for what Python has no function for; and the numbers of those that are refused.

Source of the numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""
import ctypes
import os
import platform
import sys

PROCESSORS = {"x86_64": 0, "aarch64": 1}                    # column of the numbers
REFUSED = {                         # name -> numbers on x86_64 and aarch64; where there is no such call, -1
    "shared memory of System V": "shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197",
    "semaphores of System V": "semget 64 190, semop 65 193, semctl 66 191, semtimedop 220 192",
    "queues of System V": "msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187",
    "queues of POSIX": "mq_open 240 180, mq_unlink 241 181, mq_timedsend 242 182, mq_timedreceive 243 183, "
                       "mq_notify 244 184, mq_getsetattr 245 185",
    "memory with a descriptor": "memfd_create 319 279, memfd_secret 447 447",
    "keys": "add_key 248 217, request_key 249 218, keyctl 250 219",
    "sockets": "socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201, accept 43 202, "
               "accept4 288 242, sendto 44 206, recvfrom 45 207, sendmsg 46 211, recvmsg 47 212, sendmmsg 307 269, "
               "recvmmsg 299 243, setsockopt 54 208",
    "other processes": "ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, "
                       "process_mrelease 448 448, kcmp 312 272, pidfd_open 434 434, pidfd_getfd 438 438, "
                       "pidfd_send_signal 424 424, migrate_pages 256 238, move_pages 279 239, tkill 200 130",
    "new processes": "fork 57 -1, vfork 58 -1, execve 59 221, execveat 322 281",
    "modes and owners": "chmod 90 -1, fchmod 91 52, fchmodat 268 53, chown 92 -1, fchown 93 55, lchown 94 -1, "
                        "fchownat 260 54",
    "times": "utime 132 -1, utimes 235 -1, futimesat 261 -1, utimensat 280 88",
    "attributes": "setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, "
                  "fremovexattr 199 16",
    "priorities": "setpriority 141 140, sched_setparam 142 118, sched_setscheduler 144 119, sched_setattr 314 274, "
                  "sched_setaffinity 203 122, ioprio_set 251 30",
    "mounts": "mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, open_tree 428 428, move_mount 429 429, "
              "fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442, "
              "swapon 167 224, swapoff 168 225, quotactl 179 60, quotactl_fd 443 443",
    "namespaces": "unshare 272 97, setns 308 268",
    "the kernel": "bpf 321 280, userfaultfd 323 282, perf_event_open 298 241, io_uring_setup 425 425, "
                  "io_uring_enter 426 426, io_uring_register 427 427, init_module 175 105, finit_module 313 273, "
                  "delete_module 176 106, kexec_load 246 104, kexec_file_load 320 294, reboot 169 142, "
                  "sethostname 170 161, setdomainname 171 162, iopl 172 -1, ioperm 173 -1, settimeofday 164 170, "
                  "clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, acct 163 89, syslog 103 116, "
                  "vhangup 153 58, personality 135 92, modify_ldt 154 -1",
    "files by other ways": "name_to_handle_at 303 264, open_by_handle_at 304 265, fanotify_init 300 262, "
                           "fanotify_mark 301 263, inotify_init 253 -1, inotify_init1 294 26, mknod 133 -1, "
                           "mknodat 259 33",
}
OTHERS = "clone 56 220, clone3 435 435, kill 62 129, tgkill 234 131, rt_sigqueueinfo 129 138, " \
         "rt_tgsigqueueinfo 297 240, prlimit64 302 261, ioctl 16 29, fcntl 72 25, seccomp 317 277, capset 126 91"
NEWEST = 450                        # what came after it is not known here


def _numbers(text):
    rows = [entry.split() for entry in text.split(", ")]
    return {name: tuple(map(int, numbers)) for name, *numbers in rows}


ALWAYS = {name: numbers for text in REFUSED.values() for name, numbers in _numbers(text).items()}
NUMBERS = {**ALWAYS, **_numbers(OTHERS)}


def processor() -> int | None:
    """The column of this processor in NUMBERS; None where it, or the system, is another."""
    is_64_bit = sys.maxsize > 1 << 32                       # a 32-bit Python has other numbers
    return PROCESSORS.get(platform.machine()) if sys.platform == "linux" and is_64_bit else None


def call(name: str | int, *args) -> int:
    """Make a system call, by its name in NUMBERS or its number. Raises OSError."""
    number = name if isinstance(name, int) else NUMBERS[name][processor() or 0]
    return checked(ctypes.CDLL(None, use_errno=True).syscall, number, *args)


def checked(function, *args) -> int:
    """Call a function of the C library. Raises OSError with its errno where it returns a negative number."""
    result = function(*args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, *args: int) -> int:
    """prctl with up to four whole numbers. Raises OSError."""
    words = [ctypes.c_ulong(word) for word in (*args, 0, 0, 0, 0)[:4]]
    return checked(ctypes.CDLL(None, use_errno=True).prctl, option, *words)
