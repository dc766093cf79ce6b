"""Index files: named arrays behind a header, all under checksums.

`SQSCALAR`, length and CRC-32 of the header (two little-endian u32), the header as JSON, then the arrays at multiples of
64 bytes. The header holds what the index says of itself, and name, type, shape, place and CRC-32 of each array.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slowq.engine.mapped import MappedFile
from slowq.engine.scalar.truth import Array

_MAGIC = b"SQSCALAR"
_START = struct.Struct("<8sII")
_ALIGNED = 64
_DTYPES = frozenset(("<i8", "<i4", "<i2", "|i1", "|u1", "<u4", "<u8", "<f4", "<f8", "|b1"))


class IndexFileError(ValueError):
    """A file that is no scalar index, or no longer; the message names it."""


def write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Complete or not at all: written beside its place, synced, renamed."""
    listed, place = [], 0
    for name, array in arrays.items():
        body = np.ascontiguousarray(array)
        listed.append([name, body.dtype.str, list(body.shape), place, zlib.crc32(body.data if body.size else b"")])
        place += -(-body.nbytes // _ALIGNED) * _ALIGNED
    header = json.dumps({"about": about, "arrays": listed, "bytes": place}).encode()
    beside = path.with_name(f"{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(_START.pack(_MAGIC, len(header), zlib.crc32(header)) + header)
        file.write(bytes(-file.tell() % _ALIGNED))
        for array in arrays.values():
            body = np.ascontiguousarray(array)
            file.write(body.tobytes() + bytes(-body.nbytes % _ALIGNED))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read(path: Path, *, mapped: bool = False) -> tuple[dict[str, Any], dict[str, Array], MappedFile | None]:
    """What the index says of itself, its arrays, and the mapping that they are views of where it was asked for. Raises
    IndexFileError, and OSError where it cannot be read at all."""
    size = path.stat().st_size
    memory = MappedFile(path, size) if mapped and size else None  # nothing cannot be mapped
    content = memoryview(path.read_bytes()) if memory is None else memoryview(memory.bytes)  # type: ignore[arg-type]
    header, start = _header(path, content)
    if len(content) != start + header["bytes"]:
        raise IndexFileError(f"{path}: {len(content):,} bytes long, not {start + header['bytes']:,}")
    arrays: dict[str, Array] = {}
    for name, dtype, shape, place, crc in header["arrays"]:
        if dtype not in _DTYPES:
            raise IndexFileError(f"{path}: array {name} of type {dtype}")
        kind, count = np.dtype(dtype), int(np.prod(shape))
        body = content[start + place : start + place + count * kind.itemsize]
        if zlib.crc32(body) != crc:
            raise IndexFileError(f"{path}: array {name} at byte {start + place:,} is damaged (CRC)")
        arrays[name] = np.frombuffer(body, dtype=kind, count=count).reshape(shape)
    return header["about"], arrays, memory


def _header(path: Path, content: memoryview) -> tuple[dict[str, Any], int]:
    if len(content) < _START.size:
        raise IndexFileError(f"{path}: {len(content)} bytes are no scalar index")
    magic, length, crc = _START.unpack_from(content)
    if magic != _MAGIC:
        raise IndexFileError(f"{path}: no scalar index, it begins with {magic!r}")
    text = bytes(content[_START.size : _START.size + length])
    if len(text) != length or zlib.crc32(text) != crc:
        raise IndexFileError(f"{path}: its header is damaged (CRC)")
    behind = _START.size + length
    return json.loads(text), behind + -behind % _ALIGNED
