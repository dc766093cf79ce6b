"""Rows in columns: what an insert brings, what the log keeps, what a segment holds.

Scalars are Arrow arrays, vectors are `slowq.engine.vector.Vectors`; a JSON value (and the dynamic field `$meta`) is its
UTF-8 text. In bytes, rows are one Arrow stream: a dense vector is a fixed-size binary value, a sparse one is its uint32
indices and float32 values, one after the other, the wire form of Milvus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from slowq.engine.scalar import min_max
from slowq.engine.schema import DYNAMIC, VECTOR_KINDS, Collection, FieldSpec
from slowq.engine.vector import Vectors

TIMESTAMP = "$ts"

ARROW_TYPES: Mapping[str, pa.DataType] = {
    "BOOL": pa.bool_(),
    "INT8": pa.int8(),
    "INT16": pa.int16(),
    "INT32": pa.int32(),
    "INT64": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "JSON": pa.binary(),
}
DENSE_TYPES = {"float": np.float32, "float16": np.float16, "bfloat16": np.uint16, "int8": np.int8, "binary": np.uint8}
_SPARSE_ENTRY = np.dtype([("index", "<u4"), ("value", "<f4")])


def arrow_type(spec: FieldSpec) -> pa.DataType:
    if spec.type == "ARRAY":
        return pa.list_(ARROW_TYPES[spec.element_type or "INT64"])
    return ARROW_TYPES[spec.type]


@dataclass(frozen=True, slots=True)
class Rows:
    """`keys` are the primary keys: int64, or an object array of str. `timestamps` is uint64, one a row."""

    keys: NDArray[np.generic]
    timestamps: NDArray[np.uint64]
    columns: Mapping[str, pa.Array]
    vectors: Mapping[str, Vectors]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        scalars = sum(int(one.nbytes) for one in self.columns.values())
        return scalars + sum(one.nbytes() for one in self.vectors.values()) + int(self.timestamps.nbytes)

    def take(self, offsets: NDArray[np.int64]) -> Rows:
        picked = pa.array(offsets)
        return Rows(
            self.keys[offsets],
            self.timestamps[offsets],
            {name: column.take(picked) for name, column in self.columns.items()},
            {name: one.take(offsets) for name, one in self.vectors.items()},
        )

    def stamped(self, timestamp: int) -> Rows:
        return Rows(self.keys, np.full(len(self.keys), timestamp, np.uint64), self.columns, self.vectors)


def concat(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return Rows(
        np.concatenate([one.keys for one in parts]),
        np.concatenate([one.timestamps for one in parts]),
        {name: pa.concat_arrays([one.columns[name] for one in parts]) for name in first.columns},
        {name: Vectors.concat([one.vectors[name] for one in parts]) for name in first.vectors},
    )


def keys_of(column: pa.Array) -> NDArray[np.generic]:
    """Primary keys as NumPy can look them up."""
    kind = np.int64 if pa.types.is_integer(column.type) else object
    keys: NDArray[np.generic] = column.to_numpy(zero_copy_only=False).astype(kind, copy=False)
    return keys


def key_array(keys: NDArray[np.generic]) -> pa.Array:
    return pa.array(keys, pa.string() if keys.dtype == object else pa.int64())


def vectors_to_arrow(vectors: Vectors) -> pa.Array:
    if vectors.kind == "sparse":
        indptr, indices, values = vectors.postings()
        entries = np.empty(len(indices), _SPARSE_ENTRY)
        entries["index"], entries["value"] = indices, values
        offsets = ((indptr - indptr[0]) * _SPARSE_ENTRY.itemsize).astype(np.int64)
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), vectors.rows, [None, pa.py_buffer(offsets), pa.py_buffer(entries)]
        )
    data = np.ascontiguousarray(vectors.data)
    width = data.dtype.itemsize * data.shape[1]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), vectors.rows, [None, pa.py_buffer(data)])


def vectors_from_arrow(spec: FieldSpec, column: pa.Array) -> Vectors:
    kind = VECTOR_KINDS[spec.type]
    if kind == "sparse":
        column = column.cast(pa.large_binary())
        starts = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + len(column) + 1]
        whole = np.frombuffer(column.buffers()[2] or b"", np.uint8)
        entries = whole[starts[0] : starts[-1]].view(_SPARSE_ENTRY) if len(starts) else np.empty(0, _SPARSE_ENTRY)
        indptr = (starts - starts[0]) // _SPARSE_ENTRY.itemsize
        return Vectors.sparse(indptr, entries["index"].copy(), entries["value"].copy())
    width = column.type.byte_width
    raw = np.frombuffer(column.buffers()[1], np.uint8)[column.offset * width : (column.offset + len(column)) * width]
    return Vectors.of_kind(kind, raw.view(DENSE_TYPES[kind]).reshape(len(column), -1))


def to_bytes(rows: Rows) -> bytes:
    """One Arrow stream; the timestamps are not in it, since the log's entry carries the one of all rows."""
    arrays = [*rows.columns.values(), *(vectors_to_arrow(one) for one in rows.vectors.values())]
    batch = pa.RecordBatch.from_arrays(arrays, [*rows.columns, *rows.vectors])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


def from_bytes(collection: Collection, data: bytes, timestamp: int) -> Rows:
    with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
        batch = stream.read_next_batch()
    return rows_of(collection, batch, np.full(batch.num_rows, timestamp, np.uint64))


def rows_of(collection: Collection, batch: pa.RecordBatch, timestamps: NDArray[np.uint64]) -> Rows:
    names = set(batch.schema.names)
    columns = {one.name: batch.column(one.name) for one in collection.scalars if one.name in names}
    if DYNAMIC in names:
        columns[DYNAMIC] = batch.column(DYNAMIC)
    vectors = {
        one.name: vectors_from_arrow(one, batch.column(one.name)) for one in collection.vectors if one.name in names
    }
    return Rows(keys_of(columns[collection.primary.name]), timestamps, columns, vectors)


def key_range(column: pa.Array) -> tuple[object, object] | None:
    """Least and greatest value, where they say all: None with NULL or NaN among the values, and where there is none."""
    if column.null_count:
        return None
    if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
        return None
    return min_max(column)
