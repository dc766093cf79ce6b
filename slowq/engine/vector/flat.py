"""FLAT: the rows themselves, compared one by one."""

from pathlib import Path
from typing import Self, cast

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.exact import nearest, prepared
from slowq.engine.vector.files import read_array, write_array
from slowq.engine.vector.index import About, Index
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.params import Values
from slowq.engine.vector.results import Hits, Work
from slowq.engine.vector.vectors import Floats, Vectors

_ROWS = "rows.npy"


class FlatIndex(Index):
    def __init__(self, about: About, rows: Floats, mapped: MappedFile | None = None) -> None:
        super().__init__(about, mapped)
        self._rows = rows

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        return cls(about, prepared(about.metric, vectors.floats()))

    @property
    def size_bytes(self) -> int:
        return self._rows.nbytes

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        hits = nearest(self.metric, self._rows, prepared(self.metric, queries.floats()), k, chosen)
        return hits, Work(distances=survivors(chosen, self.rows) * queries.rows, exact=True)

    def _write(self, folder: Path) -> None:
        write_array(folder / _ROWS, self._rows)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        rows, memory = read_array(folder / _ROWS, mapped=mapped)
        return cls(about, cast(Floats, rows), memory)
