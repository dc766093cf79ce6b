"""The object folder: one folder a segment, with `scalars.parquet`, the vectors of each field, and its indexes; and, while
it is loaded, the scalar fields that are mapped.

Files appear under their name only when they are whole (written beside, synced, renamed); what no meta row names is
removed at the next start. A file that is damaged makes an error that names it, and the rest stays readable: the meta store
keeps the CRC-32 of each Parquet file, the others end in their own.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slowq.engine.durable import sync_folder
from slowq.engine.faults import StoreError
from slowq.engine.mapped import MappedFile, Paged
from slowq.engine.meta import StoredDelta, StoredSegment
from slowq.engine.rows import TIMESTAMP, Rows, arrow_type, keys_of
from slowq.engine.scalar import ScalarIndex
from slowq.engine.schema import DYNAMIC, Collection, IndexSpec
from slowq.engine.vector import DamagedError, VectorIndex, Vectors, read_array, write_array

SCALARS = "scalars.parquet"
MAPPED = "scalars.mapped"
WarmUp: TypeAlias = Callable[[str, Paged], None]


class Objects:
    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, collection: int, segment: int) -> Path:
        return self._root / str(collection) / str(segment)

    @contextmanager
    def undone_on_error(self) -> Iterator[Undo]:
        """What is written inside is removed again where the block does not come to its end."""
        undo = Undo(self)
        try:
            yield undo
        except BaseException:
            undo.now()
            raise

    def write_rows(self, collection: Collection, segment: int, rows: Rows) -> int:
        """Makes the folder of a new segment; the CRC-32 of its Parquet file."""
        final = self.folder(collection.id, segment)
        making = final.with_name(f"{final.name}.making")
        try:
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            table = pa.table({**rows.columns, TIMESTAMP: pa.array(rows.timestamps)})
            crc = _write_table(making / SCALARS, table)
            for name, vectors in rows.vectors.items():
                vectors.save(making / f"{name}.vectors")
            _put(making, final)
            return crc
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise StoreError(f"Cannot write {final}: {error.strerror or error}") from error

    def read_rows(
        self,
        collection: Collection,
        stored: StoredSegment,
        *,
        mapped: frozenset[str] = frozenset(),
        warm_up: WarmUp | None = None,
    ) -> Rows:
        """Rows of a stored segment; the fields in `mapped` stay on disk until they are read. `warm_up` gets all vectors of a
        "vectorField" and all scalars of the "scalarField" that are mapped: their pages are in memory, as they were read to
        be checked, or written."""
        folder = self.folder(collection.id, stored.id)
        table = _read_table(folder / SCALARS, stored.crc)
        columns = {name: _whole(table, name) for name in table.column_names if name != TIMESTAMP}
        for spec in collection.scalars:  # a field that was added later
            if spec.name not in columns:
                columns[spec.name] = pa.nulls(stored.rows, arrow_type(spec))
        if collection.dynamic and DYNAMIC not in columns:
            columns[DYNAMIC] = pa.array([b"{}"] * stored.rows, pa.binary())
        vectors = {}
        for spec in collection.vectors:
            path = folder / f"{spec.name}.vectors"
            vectors[spec.name] = Vectors.load(path, mmap=spec.name in mapped)
            if warm_up is not None:
                warm_up("vectorField", vectors[spec.name])
            if vectors[spec.name].rows != stored.rows:
                raise DamagedError(path, f"it has {vectors[spec.name].rows} rows, the meta store says {stored.rows}")
        timestamps = _whole(table, TIMESTAMP).to_numpy()
        if kept := {name: column for name, column in columns.items() if name in mapped}:
            memory, own = _mapped(folder / MAPPED, kept)
            if warm_up is not None:
                warm_up("scalarField", memory)
            columns |= own
        return Rows(keys_of(columns[collection.primary.name]), timestamps, columns, vectors)

    def index_path(self, collection: int, segment: int, index: IndexSpec) -> Path:
        return self.folder(collection, segment) / f"{index.id}.index"

    def write_index(self, collection: int, segment: int, index: IndexSpec, built: VectorIndex | ScalarIndex) -> None:
        final = self.index_path(collection, segment, index)
        making = final.with_name(f"{final.name}.making")
        _remove(making)
        built.save(making)
        _remove(final)
        _put(making, final)

    def remove_index(self, collection: int, segment: int, index: IndexSpec) -> None:
        _remove(self.index_path(collection, segment, index))

    def write_deltas(self, collection: int, number: int, keys: pa.Array, timestamps: NDArray[np.uint64]) -> int:
        """A delete file; its CRC-32."""
        path = self.delta_path(collection, number)
        making = path.with_suffix(".making")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            crc = _write_table(making, pa.table({"key": keys, TIMESTAMP: pa.array(timestamps)}))
            _put(making, path)
            return crc
        except OSError as error:
            making.unlink(missing_ok=True)
            raise StoreError(f"Cannot write {path}: {error.strerror or error}") from error

    def read_deltas(self, stored: StoredDelta) -> tuple[NDArray[np.generic], NDArray[np.uint64]]:
        table = _read_table(self.delta_path(stored.collection, stored.id), stored.crc)
        return keys_of(_whole(table, "key")), _whole(table, TIMESTAMP).to_numpy()

    def delta_path(self, collection: int, number: int) -> Path:
        return self._root / str(collection) / f"{number}.delta"

    def deleted_path(self, collection: int, segment: int) -> Path:
        return self.folder(collection, segment) / "deleted.npy"

    def write_deleted(self, collection: int, segment: int, mask: NDArray[np.bool_]) -> None:
        path = self.deleted_path(collection, segment)
        making = path.with_suffix(".making")
        try:
            write_array(making, np.flatnonzero(mask))
            _put(making, path)
        except OSError as error:
            making.unlink(missing_ok=True)
            raise StoreError(f"Cannot write {path}: {error.strerror or error}") from error

    def read_deleted(self, collection: int, segment: int, rows: int) -> NDArray[np.int64]:
        """Offsets of the deleted rows of a segment that has so many rows."""
        path = self.deleted_path(collection, segment)
        offsets = read_array(path)[0].astype(np.int64, copy=False)
        if len(offsets) and not 0 <= offsets.min() <= offsets.max() < rows:
            raise DamagedError(path, f"it names rows beyond the {rows} of the segment")
        return offsets

    def remove(self, collection: int, segment: int | None = None) -> None:
        _remove(self._root / str(collection) if segment is None else self.folder(collection, segment))

    def remove_delta(self, collection: int, number: int) -> None:
        self.delta_path(collection, number).unlink(missing_ok=True)

    def collections(self) -> list[Path]:
        """The folder of each collection that has segments."""
        return sorted(self._root.iterdir())

    def sweep(self, known: Iterable[tuple[int, frozenset[int], frozenset[int]]]) -> None:
        """Removes what no meta row names; `known` is (collection, its segments, its deltas)."""
        collections = {number: (segments, deltas) for number, segments, deltas in known}
        for folder in self._root.iterdir():
            if not folder.name.isdigit() or int(folder.name) not in collections:
                _remove(folder)
                continue
            segments, deltas = collections[int(folder.name)]
            for one in folder.iterdir():
                names = deltas if one.suffix == ".delta" else segments
                if not one.stem.isdigit() or one.suffix not in ("", ".delta") or int(one.stem) not in names:
                    _remove(one)


def _mapped(path: Path, columns: Mapping[str, pa.Array]) -> tuple[MappedFile, dict[str, pa.Array]]:
    """The same columns in a file of their own, not packed, whose pages come from the disk when they are touched.

    It is written anew at each load, as Milvus does with what it maps (`queryNode.mmapDirPath`).
    """
    batch = pa.RecordBatch.from_arrays([*columns.values()], names=[*columns])
    making = path.with_suffix(".making")
    try:
        with pa.OSFile(str(making), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        os.replace(making, path)  # a search may still read the file of an earlier load
        memory = MappedFile(path, path.stat().st_size)
    except OSError as error:
        making.unlink(missing_ok=True)
        raise StoreError(f"Cannot write {path}: {error.strerror or error}") from error
    read = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(memory.bytes))).get_batch(0)
    return memory, {name: read.column(name) for name in columns}


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no chunk at all
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _put(making: Path, final: Path) -> None:
    """Gives what is whole its name, durably."""
    _sync(making)
    os.rename(making, final)
    sync_folder(final.parent)
    sync_folder(final.parent.parent)


def _sync(path: Path) -> None:
    """Makes a file, or all of a folder, durable."""
    if not path.is_dir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return
    for one in path.iterdir():
        _sync(one)
    sync_folder(path)


def _write_table(path: Path, table: pa.Table) -> int:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue()
    path.write_bytes(data)
    return zlib.crc32(data)


def _read_table(path: Path, crc: int) -> pa.Table:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: damaged or missing: {error.strerror}") from error
    if zlib.crc32(data) != crc:
        raise StoreError(f"{path}: damaged: its {len(data)} bytes do not add up to the CRC in the meta store")
    return pq.read_table(pa.BufferReader(data))


class Undo:
    """What was written for a change that has not become true yet."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._written: list[Path] = []

    def segment(self, collection: int, number: int) -> None:
        self._written.append(self._objects.folder(collection, number))

    def delta(self, collection: int, number: int) -> None:
        self._written.append(self._objects.delta_path(collection, number))

    def now(self) -> None:
        for path in self._written:
            _remove(path)
