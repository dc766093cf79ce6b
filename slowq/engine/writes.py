"""What is written to a shard at once, and its form in the log."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyarrow as pa

from slowq.engine.rows import Rows, from_bytes, key_array, keys_of, to_bytes
from slowq.engine.schema import Collection
from slowq.engine.segment import Keys
from slowq.engine.wal import Entry


@dataclass(frozen=True, slots=True)
class Write:
    """Rows by partition, and keys to delete before them: an insert has no keys, a delete no rows, an upsert both."""

    rows: dict[str, Rows]
    delete: Keys | None = None


_PART = struct.Struct("<HI")  # length of the partition's name, length of what follows it


def encoded(write: Write) -> bytes:
    """One entry, so that an upsert is there as a whole or not at all: the deleted keys (maybe none), then each partition."""
    keys = b"" if write.delete is None else _key_bytes(write.delete)
    parts = [(b"", keys), *((name.encode(), to_bytes(rows)) for name, rows in write.rows.items())]
    return b"".join(_PART.pack(len(name), len(data)) + name + data for name, data in parts)


def decoded(collection: Collection, entry: Entry) -> Write:
    parts, at = [], 0
    while at < len(entry.payload):
        name_size, size = _PART.unpack_from(entry.payload, at)
        begin = at + _PART.size + name_size
        parts.append((entry.payload[begin - name_size : begin].decode(), entry.payload[begin : begin + size]))
        at = begin + size
    keys = parts[0][1]
    rows = {name: from_bytes(collection, data, entry.timestamp) for name, data in parts[1:]}
    if not keys:
        return Write(rows)
    with pa.ipc.open_stream(pa.py_buffer(keys)) as stream:
        return Write(rows, keys_of(stream.read_next_batch().column(0)))


def _key_bytes(keys: Keys) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays([key_array(keys)], ["key"])
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())
