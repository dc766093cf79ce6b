"""Documents that were saved: read from a JSON or an HTML report, checked, and drawn again.

Guarantees: what comes back has every part that a report draws from, in the form of the contract; anything else is an
InputError that says where it departs. Parts that were added later may be missing, as older versions did not write them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from slowq.errors import InputError
from slowq.facts import SUMMARY
from slowq.report.document import SCHEMA
from slowq.report.html.embedded import extract

_TEXT, _MAYBE_TEXT, _COUNT = str, (str, type(None)), int
_NUMBER, _MAYBE_NUMBER = (int, float), (int, float, type(None))
_NAMED = {"sub_cause": _TEXT, "cause": _TEXT}
# A type, several of which one must fit, a list of one shape, or an object with at least these keys.
_SHAPE: Mapping[str, Any] = {
    "schema": int,
    "slowq": _TEXT,
    "inputs": [{"path": _TEXT, "format": _TEXT, "bytes": _COUNT, "lines": _COUNT}],
    "coverage": {
        **dict.fromkeys(("lines", "slow_requests", "other_milvus_lines", "continuation_lines"), _COUNT),
        **dict.fromkeys(("unrecognised_lines", "malformed_slow_lines"), _COUNT),
        "share_understood": _MAYBE_NUMBER,
    },
    "window": {"start": _MAYBE_TEXT, "end": _MAYBE_TEXT},
    "milvus": {"version": _MAYBE_TEXT, "deployment": _MAYBE_TEXT, "source": _MAYBE_TEXT},
    "requests": {"count": _COUNT, "by_kind": dict, "duration_s": dict, "nq": dict},
    "patterns": [
        {
            "id": _TEXT,
            "kind": _TEXT,
            "database": _MAYBE_TEXT,
            "collection": _MAYBE_TEXT,
            "filter": _MAYBE_TEXT,
            "count": _COUNT,
            "duration_s": dict,
            "example": {"path": _TEXT, "line": _COUNT},
        }
    ],
    "phases": (dict, type(None)),
    "findings": [
        {
            **_NAMED,
            "severity": _TEXT,
            "confidence": _NUMBER,
            "explains_s": _MAYBE_NUMBER,
            "explains_share": _NUMBER,
            "subject": _TEXT,
            "summary": _TEXT,
            "culprits": [_TEXT],
            "victims": [_TEXT],
            "evidence": [{"says": _TEXT, "cites": [dict]}],
            "remedies": [dict.fromkeys(("do", "because", "cost", "verify", "snippet"), _TEXT)],
        }
    ],
    "ruled_out": [{**_NAMED, "because": _TEXT}],
    "skipped": [{**_NAMED, "how_to_supply": _TEXT}],
    "broken": [{"sub_cause": _TEXT, "cause": _MAYBE_TEXT, "error": _TEXT}],
    "verdict": {"outcome": _TEXT, "summary": _TEXT},
}


def load(content: bytes, name: str) -> dict[str, Any]:
    """The document in the content of a report; `name` is what messages call it."""
    is_page = content.lstrip()[:1] == b"<"
    try:
        text = extract(content) if is_page else content
        found = None if text is None else json.loads(text, parse_constant=_refused)
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise InputError(f"{name!r} cannot be read as a report: {error}", hint=_HINT) from None
    if text is None:
        raise InputError(f"{name!r} is a page that holds no report of slowq", hint=_HINT)
    if not isinstance(found, dict) or "schema" not in found:
        raise InputError(f"{name!r} is no report of slowq", hint=_HINT)
    if found["schema"] != SCHEMA:
        raise InputError(
            f"{name!r} has schema {found['schema']!r}, and this slowq reads {SCHEMA}",
            hint="use the slowq that wrote it",
        )
    for departure in _departures(found, _SHAPE, ""):
        raise InputError(f"{name!r} is no whole report: {departure}", hint=_HINT)
    # Earlier versions left out what was not known.
    for one in (found["requests"], *found["patterns"]):
        one["duration_s"] = dict.fromkeys(SUMMARY) | one["duration_s"]
    return found


_HINT = "give what slowq analyze --format json or --html wrote"


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number in JSON")


def _departures(value: Any, shape: Any, at: str) -> Iterator[str]:
    """Where a value departs from a shape."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            yield f"{at} is no object"
            return
        for key, inner in shape.items():
            if key not in value:
                yield f"{at}.{key} is missing".removeprefix(".")
            else:
                yield from _departures(value[key], inner, f"{at}.{key}".removeprefix("."))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{at} is no list"
            return
        for number, one in enumerate(value):
            yield from _departures(one, shape[0], f"{at}[{number}]")
    elif not isinstance(value, shape) or isinstance(value, bool):
        yield f"{at} is {str(value)[:60]!r}"
