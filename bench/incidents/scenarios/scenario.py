"""What an incident is made of, and the words that several of them use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.incidents.load import Clients, Request

Fault = Callable[[threading.Event, list[str]], None]
"""Runs beside the clients until the event is set; appends one sentence for each thing that it did."""


@dataclass(frozen=True)
class Contrast:
    """The same request with and without what is at fault, each sent alone to a quiet server, one after another."""

    says: str
    at_fault: Request
    without: Request


@dataclass(frozen=True)
class Scenario:
    """`begins_s` is when the fault begins; who was there before and after shows what it changed."""

    cause: str | None
    sub_cause: str | None
    what: str
    title: str
    story: str
    clients: tuple[Clients, ...]
    seconds: float = 60
    fault: Fault | None = None
    accept: tuple[tuple[str, str | None], ...] = ()
    decidable: bool = True
    context: dict[str, object] = field(default_factory=dict)
    log_level: str = "info"
    contrast: Contrast | None = None
    begins_s: float | None = None
    observed: bool = False  # a user would know the node's CPU and memory: they go into the context as measured


PLAIN = Request("catalog")
QUIET_S = 12.0  # ordinary traffic alone, before the fault begins


def many(count: float, strength: float) -> int:
    return max(1, round(count * strength))


def about(*collections: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "milvus": {"version": "2.3.5", "deployment": "standalone"},
        "hardware": {"query_nodes": 1, "cpus_per_node": 2, "memory_gib_per_node": 24, "disk": "ssd"},
        "collections": list(collections),
        **more,
    }


def chain(terms: int, group: int = 24) -> str:
    """`(a || b …) || (c || d …)`: one plain chain of 160 terms fails in Milvus 2.3.5, it nests too deeply."""
    each = [
        f'(tag == "tenant-{n:04d}/kind-{n % 100:02d}/item-{n:07d}" && price < {n % 90}.5)'
        for n in range(0, terms * 31, 31)
    ]
    return " || ".join("(" + " || ".join(each[k : k + group]) + ")" for k in range(0, terms, group))
