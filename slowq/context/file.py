"""What a context file may hold, key by key, and how it is read."""

from __future__ import annotations

from typing import Any

import yaml

from slowq.context.merge import Added, Merged
from slowq.context.nodes import nodes_of, read_nodes
from slowq.context.spot import Spot
from slowq.context.values import (
    count,
    flag,
    free_mapping,
    list_of,
    mapping,
    moment,
    number,
    occasion,
    one_of,
    record,
    seconds,
    settings,
    share,
    text,
    text_or_not_stated,
    word,
)
from slowq.facts import (
    NO_INDEX,
    CollectionFacts,
    Context,
    EventFacts,
    FieldFacts,
    IndexFacts,
    RequestFacts,
    SegmentFacts,
)


def load(path: str) -> Context:
    """The facts of a YAML or JSON file. Every key is optional; an empty file is an empty context.

    Raises UsageError, with the file and the line, for anything that is not in the contract: a key nobody reads would
    look as if it had been taken into account.
    """
    return _context(path, read_nodes(path))


def loads(text: str, name: str) -> Context:
    """The same of a text that stands in no file. `name` is where it comes from."""
    return _context(name, nodes_of(name, text))


def completed(path: str, text: str, name: str) -> tuple[Context, tuple[str, ...]]:
    """The facts of a file with what only the text says, and the keys in which the two differ, where the file counts."""
    inside, beside = read_nodes(path), nodes_of(name, text)
    if inside is None or beside is None:
        return (_context(name, beside) if inside is None else _context(path, inside)), ()
    _context(path, inside)  # whose errors name the file
    both = Merged(name)
    return _context(path, both.of(inside, beside), both.added), tuple(both.differences)


def _context(path: str, root: yaml.Node | None, added: Added | None = None) -> Context:
    if root is None:
        return Context(path=path)
    spot = Spot(path, root, added=added)
    facts = _CONTEXT(spot)
    return Context(**facts, path=path, lines=spot.lines, sources=spot.sources)


def _index(spot: Spot) -> IndexFacts:
    """`index: null` says that there is none; "(not stated)" that there is one."""
    return NO_INDEX if spot.is_null else _INDEX(spot)


_CONSISTENCY = one_of("Strong", "Session", "Bounded", "Eventually")
_DEPENDENCY_STATE = one_of("lagging", "unavailable")

_INDEX = record(
    IndexFacts,
    {
        "type": text,
        "metric": text,
        "params": free_mapping,
        "mmap": flag,
        "state": one_of("built", "building", "failed"),
        "pending_rows": count("rows"),
        "failed": text,
    },
)

_FIELD = record(
    FieldFacts,
    {
        "name": text,
        "type": text,
        "element": text,
        "dim": count("dimensions"),
        "primary": flag,
        "partition_key": flag,
        "nullable": flag,
        "mmap": flag,
        "index": _index,
        "more_indexes": list_of(_INDEX, "indexes"),
    },
)

_SEGMENTS = record(
    SegmentFacts,
    {
        "sealed": count("segments"),
        "growing": count("segments"),
        "indexed": count("segments"),
        "small": count("segments"),
        "rows": count("rows"),
        "loaded": count("segments"),
        "stored": count("segments"),
        "memory_gib": number("GiB"),
    },
)

_COLLECTION = record(
    CollectionFacts,
    {
        "name": text,
        "database": text,
        "rows": count("rows"),
        "partitions": count("partitions"),
        "shards": count("shards"),
        "loaded": flag,
        "replicas": count("replicas"),
        "resource_groups": list_of(text, "names"),
        "consistency": _CONSISTENCY,
        "fields": list_of(_FIELD, "fields"),
        "segments": _SEGMENTS,
    },
    keyed=True,
)

_OBSERVATIONS = {
    "cpu_share": share,
    "memory_share": share,
    "disk_util_share": share,
    "qps": number("requests per second"),
    "concurrency": number("requests at a time"),
    "writes_per_s": number("rows per second"),
    "deletes_per_s": number("rows per second"),
    "wait_tsafe_s": seconds,
    "queue_s": seconds,
    "scalar_filter_s": seconds,
    "vector_search_s": seconds,
    "reduce_s": seconds,
}

_EVENT = record(
    EventFacts,
    {
        "at": moment,
        "what": one_of(
            "restart",
            "load",
            "release",
            "upgrade",
            "compaction",
            "index_build",
            "balance",
            "flush",
            "import",
            "delete",
            "scale",
            "config",
        ),
        "subject": text,
        "detail": text,
    },
    keyed=True,
)

_REQUEST = record(
    RequestFacts,
    {
        "kind": one_of("search", "query", "hybrid_search"),
        "nq": count("query vectors"),
        "top_k": count("results"),
        "offset": count("results to skip"),
        "filter": text_or_not_stated,
        "in_list_length": count("values"),
        "consistency": _CONSISTENCY,
        "duration_s": seconds,
        "fast_duration_s": seconds,
        "search_params": free_mapping,
        "output_fields": list_of(text, "field names"),
        "sub_requests": count("sub-requests"),
        "partitions": list_of(text, "partition names"),
        "rows_returned": count("rows"),
        "timeout": flag,
    },
    keyed=True,
)

_SECTIONS: dict[str, Any] = {
    "milvus": mapping({"version": text, "deployment": one_of("standalone", "cluster", "lite", "cloud")}),
    "hardware": mapping(
        {
            "query_nodes": count("query nodes"),
            "cpus_per_node": number("CPUs"),
            "memory_gib_per_node": number("GiB"),
            "disk": one_of("nvme", "ssd", "hdd", "network"),
        }
    ),
    "config": settings,
    "collections": list_of(_COLLECTION, "collections"),
    "totals": mapping(
        {
            "databases": count("databases"),
            "collections": count("collections"),
            "partitions": count("partitions"),
            "segments": count("segments"),
        }
    ),
    "resource_groups": list_of(mapping({"name": text, "nodes": count("query nodes")}), "resource groups"),
    "dependencies": mapping(
        {
            "message_queue": word,
            "object_storage": word,
            "meta": word,
            "state": mapping(
                {
                    "message_queue": _DEPENDENCY_STATE,
                    "object_storage": _DEPENDENCY_STATE,
                    "meta": _DEPENDENCY_STATE,
                }
            ),
            "clock_offset_s": number("seconds", signed=True),
        }
    ),
    "client": mapping(
        {
            "p50_s": seconds,
            "p99_s": seconds,
            "sdk": text,
            "language": text,
            "where": one_of("same_host", "same_network", "remote"),
            "connection_per_request": flag,
            "cpu_share": share,
        }
    ),
    "server": mapping({"p50_s": seconds, "p99_s": seconds}),
    "observations": mapping(_OBSERVATIONS),
    "observations_per_node": list_of(mapping({"node": text, "segments": count("segments"), **_OBSERVATIONS}), "nodes"),
    "events": list_of(_EVENT, "events"),
    "pattern": mapping(
        {
            "only_first_searches": flag,
            "only_with_filter": flag,
            "only_while_writing": flag,
            "only_after": occasion,
            "periodic_s": seconds,
            "all_collections": flag,
            "min_duration_s": seconds,
        }
    ),
    "requests": list_of(_REQUEST, "requests"),
    "notes": list_of(text, "texts"),
}

_CONTEXT = mapping(_SECTIONS)
