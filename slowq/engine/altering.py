"""What of a collection and of its fields may be changed once they are there: Milvus' rules (`proxy/task.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from slowq.engine.coordinator.catalog import Catalog
from slowq.engine.faults import COLLECTION_LOADED, RequestFault, invalid
from slowq.engine.schema import MAX_CAPACITY, MAX_LENGTH, Collection, FieldSpec

_MAPPED = "mmap.enabled"
_DESCRIPTION = "field.description"
_LIMITS = {"max_length": MAX_LENGTH, "max_capacity": MAX_CAPACITY}
_OLDER_NAMES = {"mmap_enabled": _MAPPED}


def alter_collection(
    catalog: Catalog, collection: Collection, new: Mapping[str, str], gone: Iterable[str]
) -> Collection:
    """Gives a collection other properties, or takes some away. Raises RequestFault: what is mapped is so from load to
    release."""
    drop = frozenset(gone)
    if new and drop:
        raise invalid("cannot provide both DeleteKeys and ExtraParams")

    def altered(now: Collection) -> Collection:
        if now.loaded and _MAPPED in (*new, *drop):
            raise _loaded(now, f"can not {'delete' if drop else 'alter'} mmap properties if collection loaded")
        return replace(now, properties=_changed(now.properties, new, drop))

    return catalog.change(collection.id, altered)


def alter_field(
    catalog: Catalog, collection: Collection, name: str, given: Mapping[str, str], gone: Iterable[str]
) -> Collection:
    """Gives a field another limit or description, maps it or does not. Raises RequestFault with the parameter at fault."""
    new = {_OLDER_NAMES.get(key, key): value for key, value in given.items()}
    drop = frozenset(_OLDER_NAMES.get(key, key) for key in gone)
    for key in drop - {_MAPPED}:
        raise invalid(f"{key} is not allowed to drop in collection field param")

    def altered(now: Collection) -> Collection:
        spec = now.named(name)
        if spec is None:
            raise invalid(f"field {name} does not exist in collection {now.name}")
        for key, value in new.items():
            _check_param(spec, key, value)
        if now.loaded and _MAPPED in (*new, *drop):
            raise _loaded(
                now, f"can not {'drop' if drop else 'alter'} collection field properties if collection loaded"
            )
        params = {key: value for key, value in new.items() if key != _DESCRIPTION}
        changed = replace(
            spec, params=_changed(spec.params, params, drop), description=new.get(_DESCRIPTION, spec.description)
        )
        return replace(now, fields=tuple(changed if one is spec else one for one in now.fields))

    return catalog.change(collection.id, altered)


def _changed(now: Mapping[str, str], new: Mapping[str, str], drop: frozenset[str]) -> dict[str, str]:
    return {key: value for key, value in {**now, **new}.items() if key not in drop}


def _loaded(collection: Collection, what: str) -> RequestFault:
    return RequestFault(COLLECTION_LOADED, f"{what}: collection already loaded[collection={collection.name}]")


def _check_param(spec: FieldSpec, key: str, value: str) -> None:
    if key in (_MAPPED, _DESCRIPTION):
        return
    if key not in _LIMITS:
        raise invalid(f"{key} does not allow update in collection field param, field name = {spec.name}")
    texts = "VARCHAR" in (spec.type, spec.element_type)
    if not (texts if key == "max_length" else spec.type == "ARRAY"):
        kind = "string" if key == "max_length" else "array"
        raise invalid(f"{spec.name} can not modify the {key} for non-{kind} types")
    if not value.isdecimal() or not 1 <= int(value) <= _LIMITS[key]:
        raise invalid(f"the {key} of field {spec.name} must be in (0, {_LIMITS[key]}], got {value}")
