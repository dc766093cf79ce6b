"""JSON documents that hold many log lines, as one JSON object a line.

    Grafana, JSON        [{"line":"[2025/08/23 …","timestamp":"…","fields":{"pod":"…"}}, …]
    Loki's API           {"status":"success","data":{"result":[{"stream":{"pod":"…"},"values":[["…","[2025/08/23 …"], …]}]}}
    Elasticsearch's API  {"took":3,"hits":{"hits":[{"_source":{"message":"[2025/08/23 …"}}, …]}}     (Kibana: *Inspect*)
    jq, json-pretty      objects that each span several lines

An entry of these becomes a line, whose number is that of the entry.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Grafana and Loki give 5,000 lines at most by default, Elasticsearch 10,000 hits: a larger one is no download of theirs,
# and would take several times its size of memory.
MAX_BYTES = 64 << 20

# An array of objects; an object that goes on in the next line; an answer of one of these servers.
_BEGINS = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:"
    rb'\[\s*\{\s*"|\{[ \t]*\r?\n\s*"|'
    rb'\{\s*"(?:_scroll_id|_shards|data|hits|rawResponse|responses|status|streams|timed_out|took)"\s*:)'
)
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")
# Strings, of which the last may not end, and brackets outside of them.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_DEEPEST = 32  # brackets within brackets; an answer has eight or so
_NESTS = ("data", "rawResponse", "responses", "result", "streams")


def begins(head: bytes) -> bool:
    """Whether what begins like this may be such a document; `lines` knows."""
    return _BEGINS.match(head) is not None


def lines(content: bytes) -> bytes | None:
    """A document's entries, a line each; None where it is none, as where each line is an object of its own.

    Of one that is cut off the entries before the cut are there, and the rest as it is.
    """
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    found: list[str] = []
    at = 0
    while (at := _SPACE.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        value, end = _value(text, at)
        entries = None if end == at else _entries(value)
        if entries is None and not found and "\n" not in text[at:end]:
            return None
        if end == at:
            break
        found += (json.dumps(one) for one in (entries if entries is not None else [value]))
        at = end
    if not found:  # an answer that holds nothing is a line, too
        return None
    return "\n".join([*found, text[at:]]).encode("utf-8", "replace")


def _value(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins there, and where it ends: at its beginning where there is none."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        pass
    end, missing = _whole_elements(text, at)
    try:
        value = json.loads(text[at:end] + missing)
    except (ValueError, RecursionError):
        return None, at
    return (value, end) if missing and _entries(value) is not None else (None, at)


def _whole_elements(text: str, at: int) -> tuple[int, str]:
    """Where the last whole element of an array ends, and the brackets that are missing then; none where nothing is cut off."""
    open_ones: list[str] = []
    end, missing = at, ""
    for token in _TOKEN.finditer(text, at):
        if len(open_ones) > _DEEPEST:
            return at, ""
        match token[0]:
            case "{":
                open_ones.append("}")
            case "[":
                open_ones.append("]")
            case "}" | "]":
                if not open_ones or open_ones.pop() != token[0]:
                    return at, ""
                if not open_ones:
                    return at, ""
                if open_ones[-1] == "]" and token.end() > end:
                    end, missing = token.end(), "".join(reversed(open_ones))
    return end, missing


def _entries(value: Any) -> list[Any] | None:
    """The entries of an array or an answer; None for a value that is an entry itself."""
    return _of_list(value) if isinstance(value, list) else _of_answer(value)


def _of_answer(value: Any) -> list[Any] | None:
    match value:
        case {"hits": {"hits": list(hits)}}:
            return hits
        # Each is a time, a line, and perhaps more. Of an answer that is cut off the labels may be missing.
        case {"values": [[str(), str(), *_], *_] as values}:
            labels = value.get("stream", {})
            return [{"line": one[1], "labels": labels} if _is_pair(one) else one for one in values]
        case dict():
            held = (value.get(key) for key in _NESTS)
            found = (_of_list(one, of_answers=True) if isinstance(one, list) else _of_answer(one) for one in held)
            return next((entries for entries in found if entries is not None), None)
    return None


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(one, dict) for one in value[2:])


def _of_list(values: list[Any], *, of_answers: bool = False) -> list[Any] | None:
    """The entries of each answer in a list, and what is none as it is; None where there has to be an answer and is none."""
    held = [_of_answer(one) for one in values]
    if of_answers and all(entries is None for entries in held):
        return None
    parts = ([one] if entries is None else entries for one, entries in zip(values, held, strict=True))
    return [entry for part in parts for entry in part]
