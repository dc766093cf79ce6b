"""What all scalar indexes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from slowq.engine.mapped import MappedFile
from slowq.engine.scalar.indexes import files
from slowq.engine.scalar.indexes.lookups import Lookup
from slowq.engine.scalar.truth import Array, Mask

Keys = tuple[str | int, ...]


class ScalarIndex(ABC):
    """An index of one column of one segment. `kind` is Milvus' name, in capitals; `null` tells the NULL rows."""

    exact: ClassVar[bool] = True  # whether what is found holds, or has to be looked at in the column

    def __init__(self, kind: str, rows: int, null: Mask | None) -> None:
        self.kind = kind
        self.rows = rows
        self.null = null
        self.mapped: MappedFile | None = None  # where its arrays are on disk

    @abstractmethod
    def serves(self, lookup: Lookup, keys: Keys) -> bool:
        """Whether it answers; `keys` lead from the indexed value to the one that is asked for."""

    @abstractmethod
    def find(self, lookup: Lookup, keys: Keys) -> Mask:
        """The rows (all of the segment), for a lookup that it serves."""

    @abstractmethod
    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What a file holds beside kind, rows and NULLs: JSON, and arrays."""

    @property
    def size_bytes(self) -> int:
        return sum(array.nbytes for array in self.parts()[1].values())

    def warm(self) -> int:
        """Reads what is mapped into memory; returns its bytes."""
        return 0 if self.mapped is None else self.mapped.warm()

    def cool(self) -> None:
        """Drops what is mapped from memory."""
        if self.mapped is not None:
            self.mapped.cool()

    def save(self, path: Path) -> None:
        about, arrays = self.parts()
        if self.null is not None:
            arrays = {**arrays, "null": np.packbits(self.null)}
        files.write(path, {**about, "kind": self.kind, "total": self.rows}, arrays)
