"""The heap of a process that serves for days.

glibc gives each thread a heap of its own, up to eight a core, and raises the size from which a block is mapped apart to that of
the largest one that was ever freed, up to 32 MiB. Under minutes of mixed calls the freed pieces of segments, answers and
compactions then lie scattered over all of these heaps: four times what was in use (`python -m bench.engine.load`).

Once that size is set, a heap gives back what is free at its end beyond 128 KiB. A scan that takes and frees its scratch memory
block by block would fault its pages in anew for each (a JSON filter took more than twice as long), so that this is set too.
"""

from __future__ import annotations

from ctypes import CDLL

# mallopt(3), malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_FREE_BYTES, _MAPPED_FROM_BYTES, _HEAPS = 8 << 20, 256 << 10, 2


def keep_small() -> bool:
    """Let large blocks go back to the system when they are freed, and all threads share two heaps; whether that can be set.

    Of the whole process, so for one that does nothing but serve, and before it imports the engine.
    """
    try:
        mallopt = CDLL(None).mallopt
    except AttributeError:  # no glibc
        return False
    settings = ((_MMAP_THRESHOLD, _MAPPED_FROM_BYTES), (_TRIM_THRESHOLD, _FREE_BYTES), (_ARENA_MAX, _HEAPS))
    return all(mallopt(name, value) for name, value in settings)
