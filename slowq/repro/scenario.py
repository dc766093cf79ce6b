"""A scenario: a set-up, what breaks it, what mends it. All of it are values, and YAML.

`Setup` is flat on purpose: a fault, a remedy and a step of a sweep are each a few of its fields with other values, so
that "before" and "after" differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from slowq.errors import UsageError

Change = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A scalar field. `values` are (value, share of the rows); the other rows get one of `distinct` made-up values.

    A JSON column has `paths`, each with values of its own. Made-up values of a VARCHAR are followed by so many `words`.
    """

    name: str
    type: str  # Milvus' name: INT64, FLOAT, VARCHAR, JSON …
    values: tuple[tuple[Any, float], ...] = ()
    distinct: int = 1000
    paths: tuple[Column, ...] = ()  # of JSON: `name` is the key, or keys joined by "."
    words: int = 0


DEFAULT_COLUMNS = (
    Column("price", "FLOAT", distinct=100),
    Column("tag", "VARCHAR", distinct=1000),
    Column("owner", "INT64", distinct=1000),
    Column("meta", "JSON", paths=(Column("kind", "INT64", distinct=10), Column("shop.city", "VARCHAR", distinct=50))),
)


@dataclass(frozen=True, slots=True)
class Other:
    """Another pattern of requests, on the same collection with the same search params.

    `share` is its part of all requests that clients send; `arrivals` are as those of a set-up.
    """

    name: str
    share: float
    kind: str = "search"
    nq: int = 1
    top_k: int = 10
    filter: str = ""
    level: str = "Bounded"
    arrivals: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """A collection, who searches it and what runs beside.

    `clients` send the request and wait for the answer (a closed loop). With `arrivals` it is sent when it is due instead,
    however slow the answers are (an open loop): the moments are seconds on any clock, and are replayed at a pace at which
    the server has `busy` of the work that it can do.
    `probes` send plain searches beside either (nq 1, no filter), with a pause, and are what a neighbour would notice.
    `measured` says whose latency counts.
    """

    # data
    rows: int = 100_000
    dim: int = 64
    vector: str = "FLOAT_VECTOR"
    columns: tuple[Column, ...] = DEFAULT_COLUMNS
    segments: int = 2
    growing_rows: int = 0  # written after the load, and not flushed
    purged: float = 0.0  # share of the rows that are deleted after the load, the oldest
    compacted: bool = False  # after that, so that the deleted rows are gone from the segments
    shards: int = 1
    partitions: int = 0
    partition_key: str = ""  # the rows are spread over the partitions by the value of that column
    clustering_key: str = ""  # the rows are sorted into segments by that column
    # indexes
    index: str = "IVF_FLAT"
    metric: str = "L2"
    index_params: Mapping[str, Any] = field(default_factory=lambda: {"nlist": 128})
    scalar_indexes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by field or JSON path
    mmap: bool = False
    # requests
    kind: str = "search"
    nq: int = 1
    vectors: int = 0  # of a client's request, sent nq at a time, one part after the other; 0 is nq
    top_k: int = 10
    page: int = 0  # an iterator reads the top-k in pages of that many; each page is a request
    filter: str = ""
    templates: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=lambda: {"nprobe": 8})
    output_fields: tuple[str, ...] = ()
    level: str = "Bounded"
    group_by: str = ""
    sub_requests: int = 0  # of a hybrid search
    radius: float | None = None
    guarantee_ahead_s: float = 0.0  # the client's clock is that much ahead
    clients: int = 4
    pause_s: float = 0.0
    others: tuple[Other, ...] = ()  # patterns that are sent too
    arrivals: tuple[float, ...] = ()
    logged: bool = False  # the arrivals, of the others too, are those of a log; else they are made up
    busy: float = 0.9
    probes: int = 1
    measured: str = "clients"
    # what runs beside
    writes_per_s: int = 0
    write_batch: int = 100
    deletes_per_s: int = 0
    upserts_per_s: int = 0
    builds: bool = False  # indexes of another collection are built, again and again
    compacts: bool = False  # the segments of another collection are compacted, again and again
    loads: bool = False  # another collection is loaded and released, again and again
    cold: bool = False  # released and loaded before each round, its pages dropped
    stall_s: float = 0.0  # how long the time tick stands still, from the end of a round to the end of the next or later
    other_collections: int = 0  # loaded beside it, each with as many partitions by key
    # the server
    nodes: int = 1
    replicas: int = 1
    cpus: int = 2
    config: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, change: Change) -> Setup:
        """With some fields other. Raises UsageError for a field that there is not."""
        known = {one.name for one in fields(self)}
        unknown = sorted(set(change) - known)
        if unknown:
            raise UsageError(f"a scenario has no {unknown[0]!r}", hint=f"it has {', '.join(sorted(known))}")
        return replace(self, **{name: _typed(name, value) for name, value in change.items()})

    def of(self, other: Other) -> Setup:
        """The set-up whose own request is the other pattern's."""
        return replace(
            self,
            kind=other.kind,
            nq=other.nq,
            vectors=0,
            top_k=other.top_k,
            filter=other.filter,
            templates={},
            output_fields=(),
            level=other.level,
            group_by="",
            sub_requests=0,
            radius=None,
            guarantee_ahead_s=0.0,
        )

    @property
    def bytes_estimated(self) -> int:
        """What a server needs for it, roughly: vectors as rows and in the index, scalars, the graph of an HNSW."""
        width = self.dim / 8 if self.vector == "BINARY_VECTOR" else self.dim * 4
        graph = 300 if self.index.startswith("HNSW") else 16
        return int((self.rows + self.growing_rows) * (2.2 * width + graph + 250)) + (120 << 20)


@dataclass(frozen=True, slots=True)
class Remedy:
    """`key` is that of the rule's remedy, where it has one."""

    key: str
    says: str
    change: Change


@dataclass(frozen=True, slots=True)
class Scenario:
    """`base` is healthy; `fault` makes `before` of it; each remedy makes an `after` of that.

    `rule` is the sub-cause that must fire before. `engine_only` says why it cannot run on a real Milvus.
    """

    name: str
    rule: str
    says: str
    base: Setup
    fault: Change
    remedies: tuple[Remedy, ...]
    accept: tuple[str, ...] = ()  # other sub-causes that may come first, and why is said in the file
    engine_only: str = ""
    assumed: tuple[str, ...] = ()  # what was not known of the incident

    @property
    def before(self) -> Setup:
        return self.base.changed(self.fault)

    def after(self, remedy: Remedy) -> Setup:
        return self.before.changed(remedy.change)

    def remedy(self, key: str) -> Remedy:
        for one in self.remedies:
            if one.key == key:
                return one
        raise UsageError(
            f"the scenario {self.name} has no remedy {key!r}",
            hint="it has " + ", ".join(one.key for one in self.remedies),
        )


def _typed(name: str, value: Any) -> Any:
    if name == "columns":
        return tuple(value if isinstance(value, Column) else _column(value) for value in value)
    if name == "others":
        return tuple(value if isinstance(value, Other) else _other(value) for value in value)
    if name in ("output_fields", "arrivals"):
        return tuple(value)
    return value


def _column(raw: Mapping[str, Any]) -> Column:
    return Column(
        raw["name"],
        raw["type"],
        tuple((value, share) for value, share in raw.get("values", ())),
        raw.get("distinct", 1000),
        tuple(_column(one) for one in raw.get("paths", ())),
        raw.get("words", 0),
    )


def _other(raw: Mapping[str, Any]) -> Other:
    return Other(**{**raw, "arrivals": tuple(raw.get("arrivals", ()))})


def to_yaml(scenario: Scenario) -> str:
    """The scenario as a file that `from_yaml` reads back; only what differs from the defaults of a set-up."""
    plain = asdict(Setup())
    base = {name: value for name, value in asdict(scenario.base).items() if value != plain[name]}
    body = {
        "name": scenario.name,
        "rule": scenario.rule,
        "says": scenario.says,
        "base": base,
        "fault": dict(scenario.fault),
        "remedies": [asdict(one) for one in scenario.remedies],
        "accept": list(scenario.accept),
        "engine_only": scenario.engine_only,
        "assumed": list(scenario.assumed),
    }
    return yaml.safe_dump(_plain(body), sort_keys=False, allow_unicode=True, default_flow_style=None)


def from_yaml(path: Path) -> Scenario:
    """Raises UsageError, which names the file and what is wrong."""
    try:
        raw = yaml.safe_load(path.read_text())
        remedies = tuple(Remedy(one["key"], one["says"], one["change"]) for one in raw["remedies"])
        return Scenario(
            raw["name"],
            raw["rule"],
            raw.get("says", ""),
            Setup().changed(raw["base"]),
            raw["fault"],
            remedies,
            tuple(raw.get("accept", ())),
            raw.get("engine_only", ""),
            tuple(raw.get("assumed", ())),
        )
    except OSError as error:
        raise UsageError(f"cannot read the scenario {str(path)!r}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path}: no scenario: {error}", hint="slowq reproduce --save writes one") from error


def _plain(value: Any) -> Any:
    """Without tuples, which YAML would write as Python's own."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    return value
