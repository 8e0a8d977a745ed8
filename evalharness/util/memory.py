"""The process's memory."""

import ctypes


def release_free_memory() -> None:
    """Gives freed memory back to the operating system, which glibc may retain. Does nothing with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
