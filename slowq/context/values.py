"""Readers of single values: a `Spot` in, a checked Python value out, None for unknown, a UsageError for anything else.

Mappings and lists are readers made of readers. Scalars are read by their text, not by YAML's idea of their type, so
that a version of 2.10 stays "2.10".
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import yaml

from slowq.context.spot import Spot, given_twice, quoted
from slowq.errors import UsageError
from slowq.moments import iso_moment, utc_text

T = TypeVar("T")

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]{0,30}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off"}

# Rates that are divided by a limit overshoot it a little.
_HIGHEST_SHARE = 1.1


Reader = Callable[[Spot], T]


def text(spot: Spot) -> str | None:
    if spot.text is None:
        raise spot.wrong("a text")
    return None if spot.is_unknown else spot.text


def text_or_not_stated(spot: Spot) -> str | None:
    """A text whose presence matters even where the reporter does not state it."""
    if spot.text is None:
        raise spot.wrong("a text")
    return None if spot.is_null else spot.text


# Other words for what `events` calls an import: rows came.
_WRITES = ("insert", "write", "writes", "bulk_insert", "bulkinsert")


def occasion(spot: Spot) -> str | None:
    """What something came after, in the words of `events`."""
    value = word(spot)
    return "import" if value in _WRITES else value


def word(spot: Spot) -> str | None:
    """A name that is compared: in lower case, with underscores."""
    value = text(spot)
    return None if value is None else _as_word(value)


def one_of(*allowed: str) -> Reader[str | None]:
    """One of some words, in any case, with hyphens or blanks for underscores; the result is spelled as in `allowed`."""
    by_word = {_as_word(one): one for one in allowed}

    def read(spot: Spot) -> str | None:
        if spot.is_unknown:
            return None
        value = by_word.get(_as_word(spot.text)) if spot.text is not None else None
        if value is None:
            near = _nearest(_as_word(spot.text or ""), by_word)
            raise spot.wrong(_either(allowed), hint=f"did you mean {by_word[near]}?" if near else None)
        return value

    return read


def flag(spot: Spot) -> bool | None:
    if spot.is_unknown:
        return None
    value = (spot.plain or "").lower()
    if value not in _TRUE | _FALSE:
        raise spot.wrong("true or false")
    return value in _TRUE


def count(of: str) -> Reader[int | None]:
    """A whole number that is not negative: 12000000, 12_000_000 or 1.2e7."""

    def read(spot: Spot) -> int | None:
        if spot.is_unknown:
            return None
        value = _number(spot.plain)
        if value is None or value < 0 or value != int(value) or value >= 2**63:
            raise spot.wrong(f"a number of {of} (integer)", hint=_unquote_hint(spot))
        return int(value)

    return read


def number(of: str, *, signed: bool = False) -> Reader[float | None]:
    """A finite number, not negative unless `signed`."""

    def read(spot: Spot) -> float | None:
        if spot.is_unknown:
            return None
        value = _number(spot.plain)
        if value is None or (value < 0 and not signed):
            raise spot.wrong(f"{of} (number)", hint=_unquote_hint(spot))
        return float(value)

    return read


seconds = number("seconds")


def share(spot: Spot) -> float | None:
    if spot.is_unknown:
        return None
    value = _number(spot.plain)
    if value is None or not 0 <= value <= _HIGHEST_SHARE:
        raise spot.wrong("a share from 0 to 1 (number)", hint="write 95 % as 0.95")
    return float(value)


def moment(spot: Spot) -> str | None:
    """ISO 8601 text: in UTC where a zone is given, without a zone where none is, a bare date as it stands."""
    if spot.is_unknown:
        return None
    found = iso_moment(spot.text.strip()) if spot.text is not None else None
    try:
        if found is None or spot.text is None:
            raise spot.wrong("a date or a time in ISO 8601, such as 2025-08-23T19:20:00Z")
        if len(spot.text.strip()) == len("2025-08-23"):
            return found.date().isoformat()
        return utc_text(found) if found.tzinfo else found.isoformat()
    except OverflowError:
        raise spot.wrong("a time between the years 1 and 9999") from None


def anything(spot: Spot) -> Any:
    """Whatever stands there, as JSON would hold it, "(not stated)" included; keys that are null are left out."""
    match spot.node:
        case yaml.MappingNode():
            read = {name: anything(value) for name, _, value in spot.entries()}
            return {name: value for name, value in read.items() if value is not None}
        case yaml.SequenceNode():
            return [anything(item) for item in spot.items()]
    if spot.is_null:
        return None
    if spot.plain in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return spot.plain.lower() == "true"
    value = _number(spot.plain)
    return spot.text if value is None else value


def free_mapping(spot: Spot) -> dict[str, Any]:
    """A mapping whose keys are Milvus' own, not slowq's."""
    if spot.is_unknown:
        return {}
    if not isinstance(spot.node, yaml.MappingNode):
        raise spot.wrong("a mapping")
    found: dict[str, Any] = anything(spot)
    return found


def settings(spot: Spot) -> dict[str, Any]:
    """Settings of milvus.yaml, under dotted keys or nested as in milvus.yaml itself; the result has dotted keys."""
    if spot.is_unknown:
        return {}
    if not isinstance(spot.node, yaml.MappingNode):
        raise spot.wrong("a mapping of settings such as queryNode.mmap.mmapEnabled: true")
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for name, line, value in spot.entries():
        nested = isinstance(value.node, yaml.MappingNode)
        inner = {f"{name}.{key}": one for key, one in settings(value).items()} if nested else {name: anything(value)}
        for key, one in inner.items():
            if key in lines:
                raise given_twice(spot.path, f"{spot.key}.{key}", lines[key], line)
            lines[key] = line
            if one is not None:
                found[key] = one
    return found


def mapping(readers: Mapping[str, Reader[Any]]) -> Reader[dict[str, Any]]:
    """A mapping of known keys. Keys whose value is unknown are left out."""

    def read(spot: Spot) -> dict[str, Any]:
        if spot.is_unknown:
            return {}
        if not isinstance(spot.node, yaml.MappingNode):
            raise spot.wrong(f"a mapping with keys such as {', '.join(list(readers)[:4])}")
        found: dict[str, Any] = {}
        for name, line, value in spot.entries():
            if name not in readers:
                raise _unknown_key(spot, name, line, readers)
            one = readers[name](value)
            if one is not None:
                found[name] = one
        return found

    return read


def record(make: Callable[..., T], readers: Mapping[str, Reader[Any]], *, keyed: bool = False) -> Reader[T]:
    """A mapping of known keys as a dataclass. `keyed`: it also takes `key`, where it stands in the file."""
    read_mapping = mapping(readers)

    def read(spot: Spot) -> T:
        found = read_mapping(spot)
        return make(**found, key=spot.key) if keyed else make(**found)

    return read


def list_of(item: Reader[T | None], what: str) -> Reader[tuple[T, ...]]:
    def read(spot: Spot) -> tuple[T, ...]:
        if spot.is_unknown:
            return ()
        if not isinstance(spot.node, yaml.SequenceNode):
            raise spot.wrong(f"a list of {what}")
        found = [item(one) for one in spot.items()]
        return tuple(one for one in found if one is not None)

    return read


def _number(plain: str | None) -> int | float | None:
    if plain is None:
        return None
    if _INTEGER.fullmatch(plain):
        return int(plain.replace("_", ""))
    if not _FLOAT.fullmatch(plain) or (plain.lstrip("+-").isdigit()):  # 007: rather an id
        return None
    value = float(plain.replace("_", ""))
    return value if math.isfinite(value) else None


def _as_word(value: str) -> str:
    return value.strip().lower().replace("-", "_").replace(" ", "_")


def _nearest(given: str, known: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(given[:100], list(known), n=1)
    return found[0] if found else None


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _unquote_hint(spot: Spot) -> str | None:
    return "write it without quotes" if spot.plain is None and _number(spot.text) is not None else None


def _unknown_key(spot: Spot, name: str, line: int, known: Iterable[str]) -> UsageError:
    near = _nearest(name.lower(), known)
    hint = f"did you mean {near!r}?" if near else f"the keys allowed here: {', '.join(known)}"
    where = f" in {quoted(spot.key)}" if spot.key else ""
    return UsageError(f"{spot.path}:{line}: unknown key {quoted(name)}{where}", hint=hint)
