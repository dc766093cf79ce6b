"""The rows that a search may return: those that pass the filter and are not deleted."""

from functools import cached_property

import faiss
import numpy as np
import numpy.typing as npt

from slowq.engine.vector.results import Mask
from slowq.engine.vector.vectors import Offsets

_TAIL_ABOVE, _TAIL_UP_TO = 0.04, 0.1  # measured


class Chosen:
    """A mask, counted once, in the forms that the searches want."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.count = int(np.count_nonzero(mask))

    @staticmethod
    def of(mask: Mask | None, rows: int) -> "Chosen | None":
        """None where all rows may be returned."""
        if mask is None:
            return None
        if mask.shape != (rows,) or mask.dtype != np.bool_:
            raise ValueError(f"the mask is {mask.dtype} {mask.shape}, the index has {rows} rows")
        chosen = Chosen(mask)
        return None if chosen.count == rows else chosen

    @property
    def share(self) -> float:
        return self.count / len(self.mask)

    @cached_property
    def offsets(self) -> Offsets:
        """Ascending. NumPy goes without a branch a row through masks of which more than a tenth is marked, three times as fast;
        one of nearly so many gets a tail that is."""
        if not _TAIL_ABOVE < self.share <= _TAIL_UP_TO:
            return np.flatnonzero(self.mask)
        tail = np.ones(len(self.mask) // 8, dtype=np.bool_)
        return np.flatnonzero(np.concatenate((self.mask, tail)))[: self.count]

    @cached_property
    def _bits(self) -> npt.NDArray[np.uint8]:
        return np.packbits(self.mask, bitorder="little")

    @cached_property
    def selector(self) -> faiss.IDSelectorBitmap:
        """faiss reads the bits that this object holds, so it must outlive the call."""
        return faiss.IDSelectorBitmap(self._bits)


def survivors(chosen: Chosen | None, rows: int) -> int:
    return rows if chosen is None else chosen.count
