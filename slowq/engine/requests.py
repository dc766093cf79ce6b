"""What a client asks, once the wire form is taken off, and what it gets. Times in seconds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from slowq.engine.rows import Rows
from slowq.engine.search import Floats
from slowq.engine.vector import Vectors


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and until when (monotonic clock)."""

    trace_id: str = ""
    user: str = ""
    client: str = ""
    deadline_s: float = dataclasses.field(default_factory=lambda: time.monotonic() + 3600)
    waited_s: float = 0.0  # for a thread that serves the request


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new the answer must be: the level and the guarantee timestamp as the client sent them."""

    level: str = "Bounded"
    uses_default: bool = True
    guarantee: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """One vector search. `params` are those of the index (ef, nprobe …); `raw_params` the key-value pairs as sent."""

    database: str
    collection: str
    field: str
    queries: Vectors
    limit: int
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)
    metric: str = ""
    filter: str = ""
    templates: Mapping[str, object] = dataclasses.field(default_factory=dict)
    partitions: Sequence[str] = ()
    output_fields: Sequence[str] = ()
    offset: int = 0
    radius: float | None = None
    range_filter: float | None = None
    group_by: str = ""
    group_size: int = 1
    round_decimal: int = -1
    ignore_growing: bool = False
    freshness: Freshness = Freshness()
    raw_params: Mapping[str, str] = dataclasses.field(default_factory=dict)
    placeholder_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ranker:
    """How a hybrid search joins its parts: `rrf` with k, or `weighted` with a weight a part."""

    kind: str = "rrf"
    k: float = 60.0
    weights: Sequence[float] = ()
    normalise: bool = True


@dataclass(frozen=True, slots=True)
class HybridSearch:
    parts: Sequence[Search]
    ranker: Ranker
    limit: int
    offset: int = 0
    round_decimal: int = -1
    output_fields: Sequence[str] = ()
    partitions: Sequence[str] = ()
    freshness: Freshness = Freshness()


@dataclass(frozen=True, slots=True)
class Query:
    """`limit` None: no limit. `ids`: rows by primary key instead of a filter."""

    database: str
    collection: str
    filter: str = ""
    templates: Mapping[str, object] = dataclasses.field(default_factory=dict)
    partitions: Sequence[str] = ()
    output_fields: Sequence[str] = ()
    limit: int | None = None
    offset: int = 0
    ignore_growing: bool = False
    freshness: Freshness = Freshness()
    label: str = "query"


Column: TypeAlias = "pa.Array | Vectors"


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Hits of all queries in one row after the other; `counts` says how many each query has."""

    collection: str
    primary: str
    keys: NDArray[np.generic]
    scores: Floats
    counts: Sequence[int]
    columns: Mapping[str, Column]
    groups: pa.Array | None = None
    session_ts: int = 0


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    collection: str
    primary: str
    columns: Mapping[str, Column]
    count: int | None = None  # of `count(*)`
    session_ts: int = 0


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows of one partition, or of the partitions that the partition key says. Timestamps are given later."""

    database: str
    collection: str
    partition: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Mutation:
    keys: NDArray[np.generic]
    inserted: int = 0
    deleted: int = 0
    upserted: int = 0
    timestamp: int = 0
