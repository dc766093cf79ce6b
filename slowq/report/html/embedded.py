"""The document inside the page: put in by `embed`, taken out by `extract`.

It stands there as JSON with every character that could end the element escaped. A document too large for that is
compressed; one that is too large even then has its longest texts cut, which it says of itself under `embedded`.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_OPEN = b'<script type="application/json" id="slowq-document">'
_OPEN_PACKED = b'<script type="application/gzip" id="slowq-document">'
_CLOSE = b"</script>"
_FOUND = re.compile(rb'<script type="application/(json|gzip)" id="slowq-document">([^<]*)</script>')
_PLAIN_BYTES = 250_000  # beyond that, compressed
_CUTS = (10_000, 2_000, 400, 80)
_FEWEST_PATTERNS = 100
_MOST_UNPACKED = 256 * 1024 * 1024


def embed(document: Mapping[str, Any], room: int) -> bytes:
    """The element that holds the document, at most `room` bytes long."""
    text = json_text(document).encode("utf-8", "backslashreplace")
    if len(text) <= min(room - 100, _PLAIN_BYTES):
        return _OPEN + text + _CLOSE
    for said in _smaller(document):
        packed = base64.b64encode(gzip.compress(json_text(said).encode("utf-8", "backslashreplace"), mtime=0))
        if len(packed) <= room - 100:
            break
    return _OPEN_PACKED + packed + _CLOSE


def _smaller(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The document, and then with ever less in it."""
    yield document
    for longest in _CUTS:
        yield {**shortened(document, longest), "embedded": {"longest_text": longest}}
    least: dict[str, Any] = shortened(document, _CUTS[-1])
    left_out = {"longest_text": _CUTS[-1], "left_out": ["metrics", f"patterns after the first {_FEWEST_PATTERNS}"]}
    yield {**least, "patterns": least["patterns"][:_FEWEST_PATTERNS], "metrics": None, "embedded": left_out}


def extract(page: bytes) -> bytes | None:
    """The document's JSON; None where the page holds none. Raises OSError or ValueError where it is damaged."""
    found = _FOUND.search(page)
    if found is None:
        return None
    if found[1] == b"json":
        return found[2]
    with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(found[2], validate=True))) as unpacked:
        text = unpacked.read(_MOST_UNPACKED + 1)
    if len(text) > _MOST_UNPACKED:
        raise ValueError("it is larger than any report")
    return text


def json_text(value: Any) -> str:
    """JSON that can stand in a script element: no text in it can end the element or begin a comment."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return said.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def shortened(value: Any, longest: int | None) -> Any:
    """The value with no text longer than `longest`; None is no limit."""
    match value:
        case str():
            return value if longest is None or len(value) <= longest else value[: longest - 1] + "…"
        case dict():
            return {key: shortened(one, longest) for key, one in value.items()}
        case list():
            return [shortened(one, longest) for one in value]
    return value
