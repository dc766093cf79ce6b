"""What of a scenario a Milvus of some version can do, without its configuration being touched.

Since when Milvus has something is from its release notes and documentation; what 2.3.5 has was tried on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slowq.errors import SlowqError, UsageError
from slowq.filters import parse
from slowq.filters.ast import Like, walk
from slowq.repro.scenario import Remedy, Scenario, Setup
from slowq.versions import Version, version_range

# Of the server, which is not ours to change.
_SERVER = {
    "nodes": "query nodes",
    "replicas": "replicas, which need a query node each",
    "cpus": "CPUs of the nodes",
    "config": "keys of its configuration",
}
_INDEXES: Mapping[str, Version] = {
    "BITMAP": (2, 4, 8),
    "HNSW_SQ": (2, 5, 0),
    "HNSW_PQ": (2, 5, 0),
    "HNSW_PRQ": (2, 5, 0),
    "IVF_RABITQ": (2, 6, 0),
    "MINHASH_LSH": (2, 6, 0),
    "NGRAM": (2, 6, 0),
    "INVERTED": (2, 4, 0),
}
_JSON_PATH: Version = (2, 5, 11)
# What an older Milvus indexes a field of that type with: sorted values, or a trie of the words. It has none for others.
_BEFORE_INVERTED = {
    **dict.fromkeys(("INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE"), "STL_SORT"),
    "VARCHAR": "Trie",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A remedy that the Milvus cannot be given, and why."""

    remedy: str
    because: str


def fitted(scenario: Scenario, version: str) -> tuple[Scenario, tuple[LeftOut, ...]]:
    """The scenario with the remedies that can be measured there, and the others. What is done otherwise than it says is
    told in `assumed`.

    Raises UsageError where the fault itself cannot be made.
    """
    if scenario.engine_only:
        raise UsageError(
            f"the scenario {scenario.name} runs on the bundled engine only: {scenario.engine_only}",
            hint="--target engine",
        )
    found = version_range(version)
    low = found[0] if found else None  # one whose version is not known is believed to have everything
    notes: list[str] = []
    base, fault = _without_server(scenario, notes)
    before = base.changed(fault)
    if low is not None and (lacks := next(_lacks(before, low), None)):
        raise UsageError(f"the scenario {scenario.name} cannot be made there: {lacks} (this Milvus is {version})")
    kept: list[Remedy] = []
    left: list[LeftOut] = []
    for one in scenario.remedies:
        try:
            kept.append(_fitted(one, before, low, version, notes))
        except _NotThereError as error:
            left.append(LeftOut(one.key, error.message))
    assumed = (*scenario.assumed, *dict.fromkeys(notes))
    return replace(scenario, base=base, fault=fault, remedies=tuple(kept), assumed=assumed), tuple(left)


class _NotThereError(SlowqError):
    """A remedy cannot be applied."""


def _without_server(scenario: Scenario, notes: list[str]) -> tuple[Setup, dict[str, Any]]:
    """Base and fault, with the server as it is."""
    plain, base = Setup(), scenario.base
    fault = {name: value for name, value in scenario.fault.items() if name not in _SERVER}
    if not fault:
        changed = ", ".join(_SERVER[name] for name in scenario.fault)
        raise UsageError(
            f"the scenario {scenario.name} changes {changed}, which slowq does not touch on a Milvus that is not its own",
            hint="--target engine",
        )
    for name in _SERVER:
        if name in scenario.fault or getattr(base, name) != getattr(plain, name):
            notes.append(f"{_SERVER[name]} as the server has them")
    return base.changed({name: getattr(plain, name) for name in _SERVER}), fault


def _fitted(remedy: Remedy, before: Setup, low: Version | None, version: str, notes: list[str]) -> Remedy:
    """The remedy as the version can have it."""
    of_server = [_SERVER[name] for name in remedy.change if name in _SERVER]
    if of_server:
        raise _NotThereError(
            f"it changes {', '.join(of_server)}, which slowq does not touch on a Milvus that is not its own"
        )
    change = dict(remedy.change)
    if low is not None and low < _INDEXES["INVERTED"] and "scalar_indexes" in change:
        indexes, said = _older_indexes(before.changed(change))
        if not indexes and change.keys() == {"scalar_indexes"} and said:
            raise _NotThereError(f"{'; '.join(said)} (this Milvus is {version})")
        change["scalar_indexes"] = indexes
        notes += said
    if low is not None and (lacks := next(_lacks(before.changed(change), low), None)):
        raise _NotThereError(f"{lacks} (this Milvus is {version})")
    return replace(remedy, change=change)


def _older_indexes(setup: Setup) -> tuple[dict[str, Mapping[str, str]], list[str]]:
    """INVERTED indexes of fields as what there was before, and what was done in sentences."""
    types = {one.name: one.type for one in setup.columns}
    indexes: dict[str, Mapping[str, str]] = {}
    said = []
    for key, given in setup.scalar_indexes.items():
        kind = given.get("index_type")
        older = _BEFORE_INVERTED.get(types.get(key, ""))
        if kind != "INVERTED" or "[" in key:
            indexes[key] = given
        elif older is not None:
            indexes[key] = {"index_type": older}
            said.append(f"{older} on {key} in the place of INVERTED, which Milvus has from 2.4")
        else:
            said.append(f"no index on {key}: for {types.get(key, 'its type')} Milvus has one from 2.4")
    return indexes, said


def _lacks(setup: Setup, low: Version) -> Iterator[str]:
    """What the set-up needs and the version does not have."""
    for what, since in _needs(setup):
        if low < since:
            yield f"{what} from Milvus {since[0]}.{since[1]}{f'.{since[2]}' if since[2] else ''} on"


def _needs(setup: Setup) -> Iterator[tuple[str, Version]]:
    for key, given in setup.scalar_indexes.items():
        kind = given.get("index_type", "INVERTED")
        if "[" in key or "json_cast_type" in given:
            yield "an index on a JSON path exists", _JSON_PATH
        if kind in _INDEXES:
            yield f"{kind} indexes exist", _INDEXES[kind]
    if setup.index in _INDEXES:
        yield f"{setup.index} exists", _INDEXES[setup.index]
    if setup.metric == "MHJACCARD":
        yield "MHJACCARD exists", (2, 6, 0)
    if setup.templates:
        yield "filter templates exist", (2, 4, 14)
    if setup.sub_requests:
        yield "hybrid search exists", (2, 4, 0)
    if setup.group_by:
        yield "grouping search exists", (2, 4, 0)
    if setup.clustering_key:
        yield "clustering keys exist", (2, 4, 7)
    if setup.mmap:
        yield "mmap can be set for a collection", (2, 4, 0)
    if _is_infix(setup):
        yield 'LIKE takes more than a prefix, as in "abc%",', (2, 4, 0)


def _is_infix(setup: Setup) -> bool:
    if "like" not in setup.filter.lower():
        return False
    return any(isinstance(one, Like) and one.kind not in (None, "exact", "prefix") for one in walk(parse(setup.filter)))
