"""What may be indexed, and how: from the parameters of a client to an `IndexSpec`."""

from __future__ import annotations

from collections.abc import Mapping

from slowq.engine.coordinator import Coordinator
from slowq.engine.faults import invalid
from slowq.engine.scalar import FilterError, check_index, index_key
from slowq.engine.schema import VECTOR_KINDS, Collection, IndexSpec
from slowq.engine.vector import BadIndexParam, check_build

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
    mmap = {key: given.pop(key) for key in ("mmap.enabled", "warmup") if key in given}
    checked: dict[str, object]
    key = field
    try:
        if spec is not None and spec.is_vector:
            metric = metric or _VECTOR_DEFAULTS.get(spec.type, "COSINE")
            checked = dict(check_build(kind, metric, VECTOR_KINDS[spec.type], spec.dim, given))
        else:
            own = collection.indexed_scalar(field)
            checked = dict(check_index(kind, own, given))
            metric, key = "", index_key(own, given)
    except (BadIndexParam, FilterError) as error:
        raise invalid(str(error)) from error
    values = {param: str(value) for param, value in checked.items()} | mmap
    number = coordinator.oracle.next()
    coordinator.indexing.create(collection, IndexSpec(number, name or field, field, kind, metric, values, key))
