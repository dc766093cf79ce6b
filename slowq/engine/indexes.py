"""What may be indexed, and how: from the parameters of a client to an `IndexSpec`. What of it may be changed later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slowq.engine.config import WARM_UP
from slowq.engine.coordinator import Coordinator
from slowq.engine.faults import Unserved, invalid
from slowq.engine.scalar import FilterError, check_index, index_key
from slowq.engine.schema import INDEX_PROPERTIES, VECTOR_KINDS, Collection, IndexSpec
from slowq.engine.vector import BadIndexParam, check_build

# What Milvus builds and the engine does not.
_KINDS_ELSEWHERE = frozenset(("HNSW_PRQ", "IVF_RABITQ", "AISAQ"))
_GPU = "GPU_"
_METRICS_ELSEWHERE = frozenset(("SUBSTRUCTURE", "SUPERSTRUCTURE"))
_EMBEDDING_LISTS = "MAX_SIM"

_VECTOR_DEFAULTS = {"BINARY_VECTOR": "HAMMING", "SPARSE_FLOAT_VECTOR": "IP"}


def create_index(
    coordinator: Coordinator, collection: Collection, field: str, name: str, params: Mapping[str, str]
) -> None:
    """Declares an index and begins to build it. Raises RequestFault with the parameter at fault."""
    spec = collection.named(field)
    if spec is None and not collection.dynamic:
        raise invalid(f"cannot create index on non-exist field: {field}")
    given = {key: str(value) for key, value in params.items()}
    kind = given.pop("index_type", "AUTOINDEX")
    metric = given.pop("metric_type", "").upper()
    properties = _checked({key: given.pop(key) for key in INDEX_PROPERTIES if key in given})
    checked: dict[str, object]
    key = field
    try:
        if spec is not None and spec.is_vector:
            _require_served(kind, metric, field)
            metric = metric or _VECTOR_DEFAULTS.get(spec.type, "COSINE")
            checked = dict(check_build(kind, metric, VECTOR_KINDS[spec.type], spec.dim, given))
        else:
            own = collection.indexed_scalar(field)
            if given.get("json_cast_function"):
                raise Unserved("json_cast_function", field)
            checked = dict(check_index(kind, own, given))
            metric, key = "", index_key(own, given)
    except (BadIndexParam, FilterError) as error:
        raise invalid(str(error)) from error
    values = {param: str(value) for param, value in checked.items()} | properties
    number = coordinator.oracle.next()
    coordinator.indexing.create(collection, IndexSpec(number, name or field, field, kind, metric, values, key))


def alter_index(
    coordinator: Coordinator, collection: Collection, name: str, given: Mapping[str, str], gone: Iterable[str]
) -> None:
    """Gives an index other properties, or takes some away; the next load goes by them. Raises RequestFault."""
    new, drop = _checked(given), frozenset(gone)
    if new and drop:
        raise invalid("cannot provide both DeleteKeys and ExtraParams")
    for key in (*new, *drop):
        if key not in INDEX_PROPERTIES:
            raise invalid(f"{key} is not a configable index property")
    coordinator.indexing.alter(collection, name, new, drop)


def _require_served(kind: str, metric: str, field: str) -> None:
    if kind in _KINDS_ELSEWHERE or kind.startswith(_GPU):
        raise Unserved(f"the index {kind}", field)
    if metric in _METRICS_ELSEWHERE or metric.startswith(_EMBEDDING_LISTS):
        raise Unserved(f"the metric {metric}", field)


def _checked(properties: Mapping[str, str]) -> dict[str, str]:
    mapped = properties.get("mmap.enabled", "true")
    if mapped.lower() not in ("true", "false"):
        raise invalid(f"invalid mmap.enabled value: {mapped}, expected: true, false")
    policy = properties.get("warmup", "sync")
    if policy not in WARM_UP:
        raise invalid(f"invalid warmup policy: {policy}, must be one of {', '.join(WARM_UP)}")
    return dict(properties)
