"""Values of log lines: bytes as logged into what the requests table holds. Unknown, and unreadable, is None."""

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from slowq.parsers import zap

_HYBRID_PART = re.compile(r"(?:^|\])\[No\.\d+ req, expr: ")
_DEEPEST = 32
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_FLOAT = re.compile(r"-?(?:\d{1,300}\.\d{0,300}|\.\d{1,300}|\d{1,300})(?:[eE][+-]?\d{1,3})?")


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def database(value: bytes | None) -> str | None:
    """An empty name means the default database."""
    return None if value is None else text(value) or "default"


def zap_list(value: bytes | None) -> str | None:
    """A zap array as a JSON list."""
    found = None if value is None else zap.array(value.decode("utf-8", "replace"))
    return None if found is None else json.dumps(found, ensure_ascii=False)


def number(value: bytes | None) -> float | None:
    return float(value) if value is not None and value.isdigit() and len(value) < 16 else None


@lru_cache(maxsize=65536)
def search_params(value: bytes | None) -> dict[str, Any] | None:
    """`[{"key":"topk","value":"10"},{"key":"params","value":"{\\"ef\\":64}"}]` as one object, numbers as numbers."""
    pairs = loaded(value.decode("utf-8", "replace")) if value else None
    if isinstance(pairs, dict):
        return {str(key): _as_number(one) for key, one in pairs.items()}
    if not isinstance(pairs, list):
        return None
    return {str(p["key"]): _as_number(p.get("value")) for p in pairs if isinstance(p, dict) and "key" in p}


def _as_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith(("{", "[")):
        inner = loaded(value)
        return value if inner is None else inner
    try:
        number = int(value) if value.lstrip("-").isdigit() else float(value) if _FLOAT.fullmatch(value) else value
    except ValueError:
        return value
    return value if number in (math.inf, -math.inf) else number


def loaded(text: str) -> Any:
    """A JSON value that can be written as JSON again; None for what is none.

    Python reads more than JSON is: infinite numbers, halves of surrogate pairs, and nesting that it cannot write.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return None if _is_deeper(value, _DEEPEST) else _without_surrogates(value) if _SURROGATE.search(text) else value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if number in (math.inf, -math.inf):
        raise ValueError(text)
    return number


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value


def as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def top_k(params: dict[str, Any] | None) -> float | None:
    for name in ("topk", "limit"):
        value = (params or {}).get(name)
        if isinstance(value, int) and 0 <= value < 2**53:
            return float(value)
    return None


def string_of(params: dict[str, Any] | None, name: str) -> str | None:
    value = (params or {}).get(name)
    return value if isinstance(value, str) and value else None


def metric(params: dict[str, Any] | None) -> str | None:
    inner = (params or {}).get("params")
    return string_of(params, "metric_type") or (string_of(inner, "metric_type") if isinstance(inner, dict) else None)


def extra_fields(extra: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Fields of a slow line that slowq does not know, as a JSON object."""
    return as_json({text(key): text(value) for key, value in extra}) if extra else None


def hybrid_parts(text: str) -> str:
    """`[No.0 req, expr: a > 1][No.1 req, expr: ]` as a JSON list."""
    parts = _HYBRID_PART.split(text.removesuffix("]"))
    return json.dumps(parts[1:], ensure_ascii=False)


def go_list(value: bytes | None) -> str | None:
    """A Go slice as `%v` prints it, `[a b]`, as a JSON list."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return json.dumps(text.split(), ensure_ascii=False)
