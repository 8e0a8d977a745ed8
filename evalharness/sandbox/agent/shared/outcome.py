"""The outcome of a part of a program: status and reason."""

from typing import NamedTuple

STATUSES = ("passed", "failed", "timeout", "memory", "error", "tampered", "infrastructure")


class Outcome(NamedTuple):
    """How a part of a job ended: a status (one of `STATUSES`), and the reason (`detail`) in one line."""

    status: str
    detail: str = ""

    def pack(self) -> bytes:
        """Returns the outcome as bytes: the index of its status, then the detail."""
        return bytes([STATUSES.index(self.status)]) + self.detail.encode(errors="replace")

    @classmethod
    def unpack(cls, data: bytes) -> "Outcome":
        """Returns the outcome from the bytes of `pack`. Raises IndexError for an unknown status."""
        return cls(STATUSES[data[0]], data[1:].decode(errors="replace"))


PASSED = Outcome("passed")
