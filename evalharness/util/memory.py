"""The process's memory."""

import ctypes


def release_free_memory() -> None:
    """Makes glibc return freed memory to the operating system. Does nothing with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
