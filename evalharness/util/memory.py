"""The process's memory."""

import ctypes


def return_free_memory() -> None:
    """Returns freed memory that glibc has retained to the system. Does nothing with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
