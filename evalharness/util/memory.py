"""The process's memory."""

import ctypes


def return_free_memory() -> None:
    """Returns to the system what the C library keeps of freed memory. Does nothing where it is not glibc."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
