"""The metrics file of the contract: the answers of Prometheus range queries, kept to be read elsewhere."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from slowq.errors import UsageError
from slowq.metrics import catalogue
from slowq.metrics.raw import BadSeriesError, Raw, raw

# What a compressed file may grow to: metrics of a large cluster over a day are a few hundred megabytes.
MOST_BYTES = 4 << 30
_EXPECTED = (
    'expected {"start": seconds, "end": seconds, "step": seconds, "series": [{"metric": {"__name__": …}, '
    '"values": [[seconds, "value"], …]}]}, as `slowq metrics --save` writes'
)


def load(path: str) -> Raw:
    """The series that the catalogue knows. Raises UsageError, which names the file and what is wrong in it."""
    said = _parsed(path, _bytes(path))
    try:
        start, end, step = (float(said[key]) for key in ("start", "end", "step"))
        return raw(said["series"], start, end, step, catalogue.SERIES)
    except KeyError as error:
        raise UsageError(f"{path}: no key {error}", hint=_EXPECTED) from error
    except (BadSeriesError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}", hint=_EXPECTED) from error


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            if stream.read(2) != b"\x1f\x8b":
                stream.seek(0)
                return stream.read(MOST_BYTES)
        with gzip.open(path, "rb") as unpacked:
            return unpacked.read(MOST_BYTES)
    except EOFError as error:
        raise UsageError(f"{path}: the compressed file is cut off", hint="copy or save it again") from error
    except (OSError, zlib.error) as error:
        raise UsageError(
            f"cannot read the metrics file {path!r}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _parsed(path: str, data: bytes) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}", hint=_EXPECTED) from error
    if not isinstance(said, dict) or not isinstance(said.get("series"), list):
        raise UsageError(f"{path}: no list of series", hint=_EXPECTED)
    return said
