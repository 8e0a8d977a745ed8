"""The device nodes (/dev/null ...) of bubblewrap containers: made for them alone, if this user may."""

import contextlib
import os
import shutil
import stat
import tempfile
import weakref
from pathlib import Path

DEVICE_NUMBERS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
"""Major and minor number of the kernel's device, by node name."""


class DeviceNodes:
    """Device nodes (/dev/null ...) for bubblewrap containers: new ones, or the host's own if none can be created.

    New nodes are in a temporary folder that is removed with this object.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="evalharness-dev-", dir=_find_folder_for_device_nodes()))
        self._finalizer = weakref.finalize(self, shutil.rmtree, str(self._folder), ignore_errors=True)
        self._folder.chmod(0o755)
        self._own = all(self._try_to_make_device_node(name) for name in DEVICE_NUMBERS)

    def _try_to_make_device_node(self, name: str) -> bool:
        path = self._folder / name
        with contextlib.suppress(OSError):
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*DEVICE_NUMBERS[name]))
            path.chmod(0o666)
            if name != "tty":
                path.open("rb").close()  # fails where the folder's file system admits no devices
            return True
        return False

    def host_paths(self) -> dict[str, Path]:
        """Returns the host path of each device node by its name in /dev, such as `null`."""
        return {name: (self._folder if self._own else Path("/dev")) / name for name in DEVICE_NUMBERS}


def _find_folder_for_device_nodes() -> str | None:
    """Returns /dev if this user may write to it; otherwise None, for the system's temporary folder."""
    return "/dev" if os.access("/dev", os.W_OK) else None
