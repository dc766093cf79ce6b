"""Files that are mapped, and what of them is in memory when a segment begins to serve."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 20
_PAGE = mmap.PAGESIZE


class Paged(Protocol):
    """Something whose bytes are on disk until somebody needs them."""

    def warm(self) -> int:
        """Reads them into memory; returns how many there are."""

    def cool(self) -> None:
        """Drops them from memory, so that the next one who needs them reads them again."""


def warm_up(policy: str, paged: Paged, later: Callable[[Callable[[], object]], object]) -> None:
    """Milvus' policies (`queryNode.segcore.tieredStorage.warmup.*`): `sync` reads all before anybody searches, `disable` leaves
    it to the searches, `async` reads in the background."""
    if policy == "sync":
        paged.warm()
        return
    paged.cool()  # a load has read or written the file just now
    if policy == "async":
        later(paged.warm)


class MappedFile:
    """A file's bytes as memory; pages come from the disk when they are touched, and `cool` gives them back."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8, count=size)

    def warm(self) -> int:
        """Touches each page; returns the bytes that are in memory now."""
        for start in range(0, self.size, _BLOCK):
            self.bytes[start : start + _BLOCK : _PAGE].max()
        return self.size

    def cool(self) -> None:
        """Takes the pages from this process and asks the kernel to forget them, which it does unless another process maps
        them."""
        if hasattr(self._map, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
        forget(self.path)


def forget(path: Path) -> None:
    """Asks the kernel to drop the file's cached pages, where it can be asked (Linux)."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())  # what is not on disk yet cannot be forgotten
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
