"""A program that lists all that a sample can see and change, and one that changes as much of it as it can."""

LISTING = r"""
import ctypes, fcntl, hashlib, os, socket, stat, struct
TMPFS = ("/tmp", "/dev/shm")
libc = ctypes.CDLL(None, use_errno=True)
found = {}

def walk(top="/"):
    yield top
    for entry in sorted(os.scandir(top), key=lambda entry: entry.name) if os.access(top, os.R_OK | os.X_OK) else ():
        if top == "/proc" and (entry.name.isdigit() or entry.name in ("self", "thread-self", "net", "mounts")):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path)
        else:
            yield entry.path

paths = [path for path in walk() if os.path.lexists(path)]
mine = f"/tmp/{os.getuid()}"
name = lambda path: path.replace(mine, "/tmp/UID")
found["writable"] = [name(path) for path in paths if not os.path.islink(path) and os.access(path, os.W_OK)]
found["owned"] = [path for path in paths if os.lstat(path).st_uid == os.getuid()]

def facts(path):
    it = os.lstat(path)
    times = () if path.startswith(("/proc", *TMPFS)) else (it.st_atime_ns, it.st_mtime_ns, it.st_ctime_ns)
    links = 0 if path == "/proc" else it.st_nlink  # that of /proc is the number of the machine's processes now
    return (name(path), it.st_mode, links, it.st_uid, it.st_gid, it.st_size, it.st_rdev, times)

found["facts of files"] = [facts(path) for path in paths]
found["numbers of files in memory"] = [(name(path), os.lstat(path).st_ino) for path in paths if path.startswith(TMPFS)]
own = [path for path in paths if path.startswith(("/dev", "/tmp"))]
found["attributes"] = [(name(path), os.listxattr(path, follow_symlinks=False)) for path in own]

def content(path):
    try:
        if stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.R_OK):
            with open(path, "rb") as file:
                return file.read(1 << 16)
    except OSError as error:
        return error.errno

found["files of the machine"] = [(path, content(path)) for path in paths if path.startswith(("/proc", "/sys"))]
found["process numbers"] = (os.getpid(), os.getppid(), sorted(filter(str.isdigit, os.listdir("/proc"))))
child = os.fork() or os._exit(0)
found["next process number"] = child
os.waitpid(child, 0)
found["space"] = [(path, os.statvfs(path)[:9]) for path in TMPFS]

def new_entry(folder):
    path = f"{folder}/new"
    open(path, "w").close()
    opened, data = os.open(folder, os.O_RDONLY), ctypes.create_string_buffer(4096)
    size = libc.syscall({"x86_64": 217, "aarch64": 61}[os.uname().machine], opened, data, 4096)
    os.close(opened)
    made = os.lstat(path).st_ino, os.lstat(folder).st_size
    os.unlink(path)
    cookies, position = [], 0
    while position < size:
        ino, cookie, length = struct.unpack_from("QqH", data, position)
        cookies.append(cookie)
        position += length
    return made, cookies

found["new files"] = [new_entry(folder) for folder in (*TMPFS, ".")]
lines = open("/proc/self/mountinfo").read().splitlines()
found["mounts"] = [line.split()[3:] for line in lines]
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
keys = ("SigQ", "Groups", "Seccomp", "CapEff", "CapBnd", "NoNewPrivs", "Threads")
found["own status"] = [status[key].strip() for key in keys]
found["network"] = [(path, content(f"/proc/self/net/{path}")) for path in ("unix", "dev", "route")]
found["groups of control"] = open("/proc/self/cgroup").read()
found["System V"] = [open(f"/proc/sysvipc/{kind}").read() for kind in ("shm", "sem", "msg")]

def lock(path):
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file.fileno() and fcntl.fcntl(file, fcntl.F_GETLK, bytes(32)).hex()
        except OSError as error:
            return error.errno

found["locks"] = [lock(path) for path in ("/etc/passwd", "/bin/sh", "/usr/bin/env", "/etc/hostname")]

def hint(path):
    with open(path, "rb") as file:
        try:
            return fcntl.fcntl(file, 1035, bytes(8)).hex()
        except OSError as error:
            return error.errno

found["hints"] = [hint(path) for path in ("/etc/passwd", "/bin/sh", "/dev/null")]
names = [b"\0left%d" % number for number in range(8)]

def is_free(address):
    with socket.socket(socket.AF_UNIX) as end:
        try:
            return end.bind(address)
        except OSError as error:
            return error.errno

found["sockets with names"] = [is_free(address) for address in names]

def refused(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(number, *arguments), ctypes.get_errno()

if os.uname().machine == "x86_64":
    calls = dict(mincore=27, shmget=29, semget=64, msgget=68, mq_open=240, add_key=248, keyctl=250, inotify_init1=294)
    calls.update(name_to_handle_at=303, perf_event_open=298, cachestat=451, statmount=457, io_uring_setup=425)
    found["refused calls"] = [(call, refused(number, 0, 0, 0, 0, 0)) for call, number in calls.items()]
with open("/etc/passwd", "rb") as file:
    try:
        found["cached pages"] = os.preadv(file.fileno(), [bytearray(9)], 0, os.RWF_NOWAIT)
    except OSError as error:
        found["cached pages"] = error.errno
if SHOWN:
    key, start = SHOWN
    raise AssertionError(repr(found[key])[start : start + 250])
raise AssertionError(" ".join(hashlib.sha1(repr(value).encode()).hexdigest()[:6] for value in found.values()))
"""

CATEGORIES = (
    *("writable", "owned", "facts of files", "numbers of files in memory", "attributes", "files of the machine"),
    *("process numbers", "next process number", "space", "new files", "mounts", "own status", "network"),
    *("groups of control", "System V", "locks", "hints", "sockets with names", "refused calls", "cached pages"),
)
"""The keys of `found`, in its order."""

CHANGING = r"""
import ctypes, fcntl, os, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(action, *arguments, **more):
    try:
        return action(*arguments, **more)
    except (OSError, ValueError):
        pass

def change(path):
    attempt(os.utime, path)
    attempt(os.utime, path, (1, 1))
    attempt(os.chmod, path, 0o700)
    attempt(os.chown, path, os.getuid(), -1)
    attempt(os.setxattr, path, "user.left", b"x")
    attempt(os.mkdir, f"{path}/left")
    attempt(os.link, path, "/tmp/link")
    attempt(os.mkdir, f"/sys/fs/cgroup/left")

for top, folders, names in os.walk("/"):
    if top == "/proc":
        folders[:] = [name for name in folders if not name.isdigit()]
    for path in (top, *(os.path.join(top, name) for name in names)):
        change(path)
for path in ("/etc/passwd", "/bin/sh", "/usr/bin/env", "/etc/hostname", "/dev/null"):
    opened = os.open(path, os.O_RDONLY)
    attempt(fcntl.flock, opened, fcntl.LOCK_EX)
    for command in (1036, 1038):
        attempt(fcntl.fcntl, opened, command, struct.pack("Q", 3))
    attempt(fcntl.fcntl, opened, 1024, 0)
    attempt(fcntl.fcntl, opened, 1026, 0x8000003F)
    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    attempt(fcntl.ioctl, opened, 0x40086602, struct.pack("Q", 0x80))
    attempt(fcntl.ioctl, opened, 0x6612)
for number in range(700):
    for folder in ("/tmp", "/dev/shm", "."):
        with open(f"{folder}/f{number}", "w") as file:
            file.write("x" * 100)
for number in range(650):
    os.unlink(f"/tmp/f{number}")
sockets = [socket.socket(socket.AF_UNIX) for _ in range(8)]
for number, end in enumerate(sockets):
    end.bind(b"\0left%d" % number)
for call in (29, 64, 68):
    libc.syscall(call, 77, 4096, 0o1666)
libc.syscall(248, b"user", b"left", b"x", 1, -4)
for name in ("sys/kernel/ns_last_pid", "self/oom_score_adj", "sysrq-trigger", "sys/vm/drop_caches"):
    attempt(lambda: open(f"/proc/{name}", "w").write("1000"))
for _ in range(300):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        os.closerange(0, 3)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        time.sleep(60)
time.sleep(0.4)
raise AssertionError("changed")
"""


def listing(shown: tuple[str, int] | None = None) -> str:
    """Returns the program that fails with a digest of each category, or with a part of the text of one."""
    return f"SHOWN = {shown!r}\n{LISTING}"
