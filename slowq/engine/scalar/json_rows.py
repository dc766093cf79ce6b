"""The value at one path of JSON rows, read anew each time, as a segment without a JSON index does it.

msgspec decodes each row only along the path and skips over the rest: 0.13 µs a row of 45 bytes, where orjson, which
builds all of it, takes 0.29 µs and pyarrow.json 0.25 µs (200,000 rows, one thread). Whole numbers that stand where they can be
read without parsing (`json_numbers`) take 0.03 µs, or 0.08 where other keys come before; that others do costs 0.01.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar.json_numbers import way_to
from slowq.engine.scalar.truth import Array, Mask

Keys: TypeAlias = tuple[str | int, ...]

BATCH = 4096  # rows; 8192, as Milvus has it, is no faster
_READ_AT_ONCE = 4 * BATCH  # rows of which numbers are read
_WORTH_IT = 0.5  # of the rows: where fewer can be read, no more is tried


def batches(rows: pa.Array, keys: Keys) -> Iterator[list[Any]]:
    """What the rows hold there, some thousand at a time; None where the path leads nowhere or to JSON null.

    No row may be NULL. Raises ValueError for a row that is no JSON.
    """
    typed = 0
    while typed < len(keys) and _names_a_field(str(keys[typed])):
        typed += 1
    read = _reader(tuple(map(str, keys[:typed])))
    for start in range(0, len(rows), BATCH):
        batch = rows.slice(start, BATCH)
        values, rest = read(batch), keys[typed:]
        if values is None:
            values, rest = _decoded_slowly(batch.to_pylist()), keys
        for key in rest:
            values = [_step(value, key) for value in values]
        yield values


def truths(rows: pa.Array, keys: Keys, holds: Callable[[Array | list[Any]], Mask]) -> Mask:
    """What `holds` says of the values there: of whole numbers as an int64 array, or of any as a list.

    No row may be NULL. Raises ValueError for a row that is no JSON, where it had to be parsed.
    """
    way = way_to(keys)
    found = [np.zeros(0, dtype=np.bool_)]
    for start in range(0, len(rows), _READ_AT_ONCE):
        part = rows.slice(start, _READ_AT_ONCE)
        if way is None:
            found += map(holds, batches(part, keys))
            continue
        numbers, readable = way.numbers(part)
        truth, rest = holds(numbers), np.flatnonzero(~readable)
        if len(rest):
            others = part.take(pa.array(rest))
            truth[rest] = np.concatenate([holds(values) for values in batches(others, keys)])
        if len(rest) > (1 - _WORTH_IT) * len(part):
            way = None
        found.append(truth)
    return np.concatenate(found)


def values_at(rows: pa.Array, keys: Keys) -> list[Any]:
    return [value for values in batches(rows, keys) for value in values]


def parsed(rows: pa.Array) -> list[Any]:
    """All that the rows hold; None where NULL."""
    texts = rows.to_pylist()
    values = iter(_decoded_slowly([text for text in texts if text is not None]))
    return [None if text is None else next(values) for text in texts]


def _names_a_field(key: str) -> bool:
    """Whether msgspec can look for it; a number may also be a place in an array."""
    return not key.isdecimal() and key.isprintable() and '"' not in key and "\\" not in key


@lru_cache(maxsize=1024)
def _reader(keys: tuple[str, ...]) -> Callable[[pa.Array], list[Any] | None]:
    """Reads the values at a path of object keys; None where some row is not one line of JSON.

    The type that msgspec decodes into has one field at each level; what is absent is a default down to the end, so that
    one attrgetter takes all values out. Where a row has something else than an object on the way, level by level.
    """
    inner: Any = Any
    default: Any = None
    structs: list[Any] = []
    for key in reversed(keys):
        struct = msgspec.defstruct("Level", [("value", inner, default)], rename={"value": key}, gc=False, frozen=True)
        inner = struct | None | bool | int | float | str | list[Any]
        default = struct()
        structs.insert(0, struct)
    decoder = msgspec.json.Decoder(inner)
    at_end = operator.attrgetter(".".join(["value"] * len(keys))) if keys else None

    def read(rows: pa.Array) -> list[Any] | None:
        try:
            values: list[Any] = decoder.decode_lines(_lines(rows))
        except (msgspec.MsgspecError, RecursionError):
            return None
        if len(values) != len(rows):
            return None
        if at_end is None:
            return values
        try:
            return list(map(at_end, values))
        except AttributeError:
            for struct in structs:
                values = [one.value if one.__class__ is struct else None for one in values]
            return values

    return read


def _lines(rows: pa.Array) -> pa.Buffer:
    offsets = pa.array([0, len(rows)], pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, rows), b"\n")[0].as_buffer()


def _decoded_slowly(texts: Sequence[bytes]) -> list[Any]:
    """One by one, also numbers beyond a double; rows nested too deep for any parser hold nothing."""
    values = []
    for text in texts:
        try:
            values.append(json.loads(text))
        except RecursionError:
            values.append(None)
        except ValueError as error:
            raise ValueError(f"a row of a JSON column holds no JSON: {error}") from None
    return values


def _step(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and str(key).isdecimal() and int(key) < len(value):
        return value[int(key)]
    return None
