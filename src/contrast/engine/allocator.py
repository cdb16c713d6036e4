"""Memory that was freed is kept for the next step, in large pages, in place of being asked for anew from the kernel.

A training step frees and takes the same large blocks again and again. glibc returns each to the kernel and asks for it
back, and the kernel hands it out in pages of 4 KiB, each cleared at its first touch: on some machines half of a step's time.
"""

from __future__ import annotations

import ctypes
import functools
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's numbers of `mallopt`'s parameters."""
MADV_HUGEPAGE = 14
LARGEST_KEPT = 512 << 20
"""Bytes; larger blocks are mapped one by one and go back."""
RESERVED = 1 << 30
"""Bytes of address space, not of memory, that are marked for large pages."""
LARGE_PAGE = 2 << 20
"""Bytes of a large page (x86 and most ARM)."""
NEVER = (1 << 31) - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed, and the kernel to back it with large pages; once in a process, and for all of it.

    The process then holds on to the most memory that it ever had. Results do not change.

    Returns:
        Whether the C library took it: glibc's does; others are left as they are.
    """
    libc = _glibc()
    if libc is None:
        return False
    kept = bool(libc.mallopt(M_TRIM_THRESHOLD, NEVER)) and bool(libc.mallopt(M_MMAP_THRESHOLD, NEVER))
    if kept:
        _mark_for_large_pages(libc)  # a block of this size is of the heap only as long as none is mapped by itself
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
    return kept


def give_back_freed_memory() -> None:
    """Return what was freed and kept to the kernel, where a process begins with something else: one run after another."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The process's C library; None where it is another than glibc, which has not these settings."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return libc if hasattr(libc, "mallopt") else None


def _mark_for_large_pages(libc: ctypes.CDLL) -> None:
    """Let the heap grow by address space that is marked, before anything is in it; a kernel that has no large pages says so and goes on."""
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_size_t,), (ctypes.c_void_p,)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    block = libc.malloc(RESERVED)
    if block is None:  # a limit on address space
        return
    first = -(-block // LARGE_PAGE) * LARGE_PAGE
    libc.madvise(first, (block + RESERVED - first) // LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE)
    libc.free(block)
