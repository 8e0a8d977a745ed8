"""Watches how often a command's files are opened: a program that opens its own source reads its tests.

The kernel's inotify reports every opening of a file, by whatever path or descriptor. It also works for the files of a
process in /proc. The judge, which runs as root, keeps the watch; the program cannot see or remove it.
"""

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Mapping, Sequence

OPEN, ACCESS, CLOSE = 0x20, 0x01, 0x10
"""IN_OPEN, IN_ACCESS and IN_CLOSE_NOWRITE. The last two keep the kernel from merging two openings into one event."""
EVENT_HEADER = struct.Struct("iIII")
"""An inotify event: watch, mask, cookie, length of the name that follows."""
MEMORY_FILES = ("mem", "task/{pid}/mem")
COMMAND_FILES = ("cmdline", *MEMORY_FILES)
"""Files of a process, in /proc/PID, that no language's runtime opens."""

_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Counts by inotify how often files are opened, to detect a program that reads its own source.

    `max_opens` maps the name of each file in `folder` to the number of times that the language's compiler or
    interpreter opens it. More openings are a violation.
    """

    def __init__(self, max_opens: Mapping[str, int], folder: str):
        self.fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.violation = ""
        self.opened: Counter[str] = Counter()
        self._max_opens = dict(max_opens)
        self._names: dict[int, str] = {}
        self._folder = folder
        for name in max_opens:
            self.watch_file(name)

    def watch_file(self, file_name: str) -> None:
        """Starts watching the file `file_name` in the folder of this watch, if the file exists."""
        self._watch_path(os.path.join(self._folder, file_name), file_name)

    def watch_process(self, pid: int, files: Sequence[str] = COMMAND_FILES, proc_folder: str = "/proc") -> None:
        """Also watches a process's files in /proc/PID, such as `mem`, which nothing may open.

        `proc_folder` is the path of the /proc that the process itself sees, and `pid` is its pid there.
        """
        for form in files:
            name = form.format(pid=pid)
            self._max_opens[name] = 0
            self._watch_path(f"{proc_folder}/{pid}/{name}", name)

    def _watch_path(self, path: str, file_name: str) -> None:
        watch = _libc.inotify_add_watch(self.fd, os.fsencode(path), OPEN | ACCESS | CLOSE)
        if watch >= 0:
            self._names[watch] = file_name

    def count_openings(self) -> None:
        """Reads new inotify events and counts them; sets `violation` to a message if a file was opened too often."""
        while data := self._read_events():
            position = 0
            while position < len(data):
                watch, mask, _, length = EVENT_HEADER.unpack_from(data, position)
                position += EVENT_HEADER.size + length
                if mask & OPEN and watch in self._names:
                    self.opened[self._names[watch]] += 1
        for name, count in self.opened.items():
            if count > self._max_opens[name]:
                file = name if self._max_opens[name] else f"/proc/PID/{name}"
                self.violation = f"the program opens {file} itself, which is not allowed"

    def _read_events(self) -> bytes:
        try:
            return os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Stops watching the files."""
        os.close(self.fd)
