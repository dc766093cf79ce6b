"""`slowq.toml`: what it may hold, read and checked.

`KEYS` declares every key once, with its kind, its meaning and its default; reading, checking, `slowq config show` and
`slowq config schema` all follow from it. An error names the file, the line and what was expected.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from slowq.errors import UsageError
from slowq.units import go_duration_s

NAME = "slowq.toml"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is read: `read` returns it or raises ValueError; `schema` is its JSON schema."""

    expected: str
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]


def _duration(value: Any) -> float:
    if isinstance(value, str):
        seconds = go_duration_s(value.strip().encode("utf-8", "replace"))
    else:
        seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if seconds is None or not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _number(value: Any, most: float = math.inf) -> float:
    if isinstance(value, str) and value.strip().endswith("%"):
        value = float(value.strip()[:-1]) / 100
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError
    return float(value)


def _share(value: Any) -> float:
    return _number(value, 1.0)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(_text(one) for one in value)


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    if isinstance(value, str):
        return date.fromisoformat(value)
    raise ValueError


_STRING = {"type": "string", "minLength": 1}
DURATION = Kind(
    'a duration such as "2.5s", or seconds', _duration, {"anyOf": [_STRING, {"type": "number", "minimum": 0}]}
)
COUNT = Kind("a number of 0 or more", _count, {"type": "integer", "minimum": 0})
SHARE = Kind(
    'a share from 0 to 1, or "95%"', _share, {"anyOf": [_STRING, {"type": "number", "minimum": 0, "maximum": 1}]}
)
RATIO = Kind("a number of 0 or more", _number, {"anyOf": [_STRING, {"type": "number", "minimum": 0}]})
TEXT = Kind("a text", _text, _STRING)
NAMES = Kind("a list of texts", _names, {"type": "array", "items": _STRING})
DAY = Kind("a day such as 2026-12-31", _day, {"type": "string", "format": "date"})


@dataclass(frozen=True, slots=True)
class Key:
    kind: Kind
    says: str
    default: Any = None


LIMITS: Mapping[str, Key] = {
    "max_p99": Key(DURATION, "the p99 of the slow requests may not be longer"),
    "max_count": Key(COUNT, "there may not be more slow requests"),
    "max_share_of_time": Key(
        RATIO, "seconds spent in slow requests, for each second of the window, may not be more; 1 is one at any time"
    ),
}
ALLOWANCE: Mapping[str, Key] = {
    "cause": Key(TEXT, "a cause or a sub-cause that may be there"),
    "owner": Key(TEXT, "who answers for it"),
    "reason": Key(TEXT, "why it may be there"),
    "until": Key(DAY, "the last day on which it may; after it the allowance fails"),
}
# Dotted name of a table → its keys. `*` stands for a name of the user's own; a name that ends in [] is a list of tables.
KEYS: Mapping[str, Mapping[str, Key]] = {
    "check": {
        **LIMITS,
        "fail_on": Key(NAMES, "causes, sub-causes or severities that fail the check", ()),
        "min_coverage": Key(
            SHARE, "less than this share of the lines understood is no usable input (exit code 3)", 0.5
        ),
        "baseline": Key(TEXT, "an earlier result: only patterns that are new or worse fail"),
        "tolerance": Key(RATIO, "how much worse than the baseline a pattern must be to count as worse", 0.2),
    },
    "check.collections.*": LIMITS,
    "check.patterns.*": LIMITS,
    "check.allow[]": ALLOWANCE,
    "rules": {
        "folder": Key(
            TEXT, "the folder of your own rules, seen from this file's; they run only where --policy names the file"
        ),
    },
}


@dataclass(frozen=True, slots=True)
class Config:
    """The values of a file by dotted name, such as ``check.collections.products.max_p99``, and the lines they stand in."""

    path: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    def children(self, name: str) -> list[str]:
        """The user's own names under a table: those of the collections, the patterns, the allowances."""
        found = {key.removeprefix(name + ".").rpartition(".")[0] for key in self.values if key.startswith(name + ".")}
        return sorted(found)

    def place(self, name: str) -> str:
        """``slowq.toml:7``"""
        return f"{self.path}:{self.lines[name]}" if name in self.lines else str(self.path)


def load(path: str | None) -> Config:
    """The file's values; an empty configuration without a path. Raises UsageError with file and line."""
    if path is None:
        return Config()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from error
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    lines = _lines(text)
    values: dict[str, Any] = {}
    _read(tables, (), "", values, lines, path)
    return Config(path, values, lines)


def find(given: str | None) -> str | None:
    """The file that is asked for, else `slowq.toml` of the current folder where there is one."""
    return given if given is not None else NAME if Path(NAME).is_file() else None


def _read(
    table: Mapping[str, Any],
    names: tuple[str, ...],
    shape: str,
    values: dict[str, Any],
    lines: dict[str, int],
    path: str,
) -> None:
    keys = KEYS.get(shape, {})
    inner = {
        one[len(shape) + 1 if shape else 0 :].partition(".")[0]
        for one in KEYS
        if not shape or one.startswith(shape + ".")
    }
    for name, value in table.items():
        dotted = ".".join((*names, name))
        where = f"{path}:{lines.get(dotted, 1)}"
        below = f"{shape}.{name}" if shape else name
        if name in keys:
            try:
                values[dotted] = keys[name].kind.read(value)
            except (ValueError, TypeError) as error:
                raise UsageError(f"{where}: {dotted} = {value!r}: expected {keys[name].kind.expected}") from error
        elif f"{name}[]" in inner and isinstance(value, list):
            for at, one in enumerate(value):
                if not isinstance(one, Mapping):
                    raise UsageError(f"{where}: {dotted} = {value!r}: expected [[{dotted}]] tables")
                _read(one, (*names, f"{name}[{at}]"), f"{below}[]", values, lines, path)
        elif (name in inner or "*" in inner) and isinstance(value, Mapping):
            _read(value, (*names, name), below if name in inner else f"{shape}.*", values, lines, path)
        elif name in inner or "*" in inner:
            raise UsageError(f"{where}: {dotted} = {value!r}: expected a table, [{dotted}]")
        else:
            known = [*keys, *(one.removesuffix("[]") for one in inner)]
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            raise UsageError(
                f"{where}: unknown key {dotted!r}",
                hint=f"did you mean {close[0]}?" if close else f"it may hold {', '.join(sorted(known))}",
            )


_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]\n]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"\n]*"|'[^'\n]*')(?:\s*\.\s*(?:[\w-]+|"[^"\n]*"|'[^'\n]*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"\n]*"|'[^'\n]*'""")


def _lines(text: str) -> dict[str, int]:
    """Dotted name → the line that it stands in. tomllib tells no positions; tables and keys begin lines of their own."""
    found: dict[str, int] = {}
    within = ""
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            name = _dotted(header[2])
            if header[1] == "[[":
                seen[name] = seen.get(name, -1) + 1
                name = f"{name}[{seen[name]}]"
            within = name
            found.setdefault(within, number)
        elif key := _KEY.match(line):
            found.setdefault(f"{within}.{_dotted(key[1])}" if within else _dotted(key[1]), number)
    return found


def _dotted(name: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(name))


def schema() -> dict[str, Any]:
    """The JSON schema of `slowq.toml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": NAME,
        **_schema_of(""),
    }


def _schema_of(shape: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {
            "description": key.says,
            **key.kind.schema,
            **_default(key),
        }
        for name, key in KEYS.get(shape, {}).items()
    }
    table: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    for name in _below(shape):
        dotted = f"{shape}.{name}" if shape else name
        if name == "*":
            table["additionalProperties"] = _schema_of(dotted)
        elif name.endswith("[]"):
            properties[name.removesuffix("[]")] = {"type": "array", "items": _schema_of(dotted)}
        else:
            properties[name] = _schema_of(dotted)
    return table


def _below(shape: str) -> Sequence[str]:
    """The tables right below one, in the order of KEYS."""
    heads = (
        one.removeprefix(shape + ".").partition(".")[0] for one in KEYS if not shape or one.startswith(shape + ".")
    )
    return list(dict.fromkeys(heads))


def _default(key: Key) -> dict[str, Any]:
    if key.default is None:
        return {}
    return {"default": list(key.default) if isinstance(key.default, tuple) else key.default}
