"""The process's memory."""

import ctypes


def return_free_memory() -> None:
    """Gives memory that was freed, but that glibc keeps, back to the system. Does nothing with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
