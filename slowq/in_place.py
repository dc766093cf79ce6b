"""Advice that the context file shows to be followed already: it would only cost the reader's trust."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from slowq.facts import CollectionFacts, Context
from slowq.findings import Remedy

_CONFIGURES = "# milvus.yaml\n"
_REPLICAS = re.compile(r"replica_number=(\d+)")
_RESOURCE_GROUP = "create_resource_group("


def is_in_place(remedy: Remedy, context: Context, collection: CollectionFacts | None) -> bool:
    """Whether what the remedy's snippet sets is so: keys of milvus.yaml, the replicas or the resource group of the collection."""
    if remedy.snippet.startswith(_CONFIGURES):
        return _is_configured(remedy.snippet, context.config)
    if collection is None:
        return False
    wanted = _REPLICAS.search(remedy.snippet)
    if wanted is not None and collection.replicas is not None:
        return collection.replicas >= int(wanted[1])
    return _RESOURCE_GROUP in remedy.snippet and bool(collection.resource_groups)


def _is_configured(snippet: str, config: Mapping[str, Any]) -> bool:
    if not config:
        return False
    import yaml

    wanted = dict(_flat(yaml.safe_load(snippet)))
    return all(config.get(key) == value for key, value in wanted.items())


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
