"""What all indexes share: checks, empty segments, the mask, and the folder in which an index is kept."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self

import faiss

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.files import DamagedError, replace_folder, seal, sealed_size
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.params import Values, check_search
from slowq.engine.vector.ranges import nearest_in_range
from slowq.engine.vector.results import Hits, Mask, Work, better
from slowq.engine.vector.vectors import FieldKind, Vectors

_ABOUT = "about.json"


class VectorIndex(Protocol):
    """An index of the rows of one segment. Several threads may search it at once; it never changes."""

    @property
    def kind(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def params(self) -> Mapping[str, object]: ...
    @property
    def rows(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...

    def search(
        self,
        queries: Vectors,
        k: int,
        params: Mapping[str, object],
        mask: Mask | None = None,
        *,
        asked: int | None = None,
    ) -> tuple[Hits, Work]:
        """The k nearest rows among those that the mask (rows,) marks. Raises `BadIndexParam`.

        The parameters need only suit the `asked` hits, where the engine itself looks for more than a user asked for.
        """

    def range_search(
        self,
        queries: Vectors,
        radius: float,
        range_filter: float | None,
        k: int,
        params: Mapping[str, object],
        mask: Mask | None = None,
    ) -> tuple[Hits, Work]:
        """The k nearest of the rows whose score lies between `range_filter` (inclusive) and `radius` (exclusive)."""

    def save(self, path: Path) -> None:
        """Writes the folder `path`; `open_index` reads it back."""

    def warm(self) -> int:
        """Reads what is on disk into memory; returns its bytes: 0 where nothing is mapped."""

    def cool(self) -> None:
        """Drops what is on disk from memory, so that the next search reads it again."""


@dataclass(frozen=True, slots=True)
class About:
    """What an index says of itself, in its folder's `about.json`."""

    kind: str
    metric: str
    field: FieldKind
    dim: int
    rows: int
    params: Values


class Index(ABC):
    """A `VectorIndex` whose subclass brings `_nearest` and the files."""

    def __init__(self, about: About, *mapped: MappedFile | None) -> None:
        self._about = about
        self._mapped = [file for file in mapped if file is not None]

    @property
    def kind(self) -> str:
        return self._about.kind

    @property
    def metric(self) -> str:
        return self._about.metric

    @property
    def params(self) -> Mapping[str, object]:
        return self._about.params

    @property
    def rows(self) -> int:
        return self._about.rows

    @property
    @abstractmethod
    def size_bytes(self) -> int: ...

    def search(
        self,
        queries: Vectors,
        k: int,
        params: Mapping[str, object],
        mask: Mask | None = None,
        *,
        asked: int | None = None,
    ) -> tuple[Hits, Work]:
        if queries.kind != self._about.field or queries.dim != self._about.dim:
            raise ValueError(
                f"queries are {queries.kind} of {queries.dim}, the index {self._about.field} of {self._about.dim}"
            )
        checked = check_search(self.kind, self.metric, params, asked or k)
        return self._search(queries, k, self._widened(checked, k) if asked else checked, mask)

    def _search(self, queries: Vectors, k: int, params: Values, mask: Mask | None) -> tuple[Hits, Work]:
        chosen = Chosen.of(mask, self.rows)
        count = survivors(chosen, self.rows)
        if count == 0 or queries.rows == 0:
            return Hits.none(queries.rows, k, self.metric), Work(exact=True)
        hits, work = self._nearest(queries, min(k, count), params, chosen)
        return hits.padded(k, self.metric), work

    def range_search(
        self,
        queries: Vectors,
        radius: float,
        range_filter: float | None,
        k: int,
        params: Mapping[str, object],
        mask: Mask | None = None,
    ) -> tuple[Hits, Work]:
        def search(part: Vectors, width: int) -> tuple[Hits, Work]:
            return self._search(part, width, self._widened(checked, width), mask)

        checked = check_search(self.kind, self.metric, params, 1)
        return nearest_in_range(search, self.metric, queries, radius, range_filter, k, self.rows)

    def _widened(self, params: Values, k: int) -> Values:
        """The parameters with which k hits can be found."""
        return params

    @abstractmethod
    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        """k is at least 1 and at most the number of chosen rows, of which there is one."""

    @abstractmethod
    def _write(self, folder: Path) -> None: ...

    @classmethod
    @abstractmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        """Of one row or more."""

    @classmethod
    @abstractmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self: ...

    def save(self, path: Path) -> None:
        def write(folder: Path) -> None:
            self._write(folder)
            (folder / _ABOUT).write_text(json.dumps(asdict(self._about), indent=1))
            seal(folder / _ABOUT)

        replace_folder(path, write)

    def warm(self) -> int:
        return sum(file.warm() for file in self._mapped)

    def cool(self) -> None:
        for file in self._mapped:
            file.cool()


def read_about(folder: Path) -> About:
    """Raises `DamagedError`."""
    path = folder / _ABOUT
    size = sealed_size(path)
    try:
        return About(**json.loads(path.read_bytes()[:size]))
    except (ValueError, TypeError) as error:
        raise DamagedError(path, f"it does not describe an index ({error})") from error


def faiss_metric(metric: str) -> object:
    return faiss.METRIC_INNER_PRODUCT if better(metric) == "large" else faiss.METRIC_L2


def write_faiss(index: faiss.Index, path: Path) -> None:
    faiss.write_index(index, str(path))
    seal(path)


def read_faiss(path: Path, *, mapped: bool) -> tuple[faiss.Index, MappedFile | None]:
    """The index of a file; where it is mapped, the index reads from the mapping, which its owner must keep. Raises
    `DamagedError`."""
    size = sealed_size(path)
    try:
        if not mapped:
            return faiss.read_index(str(path)), None
        memory = MappedFile(path, size)
        reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(memory.bytes), size)
        return faiss.read_index(reader, faiss.IO_FLAG_MMAP_IFC), memory
    except RuntimeError as error:
        raise DamagedError(path, f"faiss cannot read it ({str(error).splitlines()[0]})") from error
