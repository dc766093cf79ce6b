"""What a quantity and its sources are, and short words to write them down with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from slowq.facts import Version
from slowq.measures import Kind

MS = 1e-3  # milliseconds in seconds
Across = Literal["sum", "max"]


@dataclass(frozen=True, slots=True)
class Source:
    """One metric as it measures the quantity: which of its series (`where`: label → values), times what (`scale`).

    `since` and `before` bound the versions that write it so; for reading, they matter only where `unit_by_version`.
    """

    metric: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scale: float = 1.0
    since: Version | None = None
    before: Version | None = None
    unit_by_version: bool = False

    @property
    def text(self) -> str:
        """As PromQL selects it."""
        chosen = [f'{key}="{v[0]}"' if len(v) == 1 else f'{key}=~"{"|".join(v)}"' for key, v in self.where.items()]
        return self.metric + ("{" + ", ".join(chosen) + "}" if chosen else "")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured. `parts`: name of a split → the labels that may carry it, the first present one counts; of labels
    with a slash between them every pair of values is a part.

    `across` says what gauges of several series make together; histograms and counters always add up.
    """

    name: str
    says: str
    unit: str
    kind: Kind
    sources: tuple[Source, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    across: Across = "sum"


NODE = {"node": ("pod", "instance", "node_id")}
COLLECTION = {"collection": ("collection_name", "collection_id")}


def latency(name: str, says: str, *sources: Source, parts: Mapping[str, tuple[str, ...]] | None = None) -> Quantity:
    """A histogram of durations; by node where no other parts are given, as of the other kinds."""
    return Quantity(name, says, "s", "histogram", sources, NODE if parts is None else parts)


def ms(
    metric: str, since: Version | None = None, before: Version | None = None, **where: str | tuple[str, ...]
) -> Source:
    """A metric in milliseconds."""
    return Source(metric, _where(where), MS, since, before)


def plain(
    metric: str, since: Version | None = None, before: Version | None = None, **where: str | tuple[str, ...]
) -> Source:
    """A metric in the unit of its quantity."""
    return Source(metric, _where(where), 1.0, since, before)


def _where(where: Mapping[str, str | tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {key: (value,) if isinstance(value, str) else value for key, value in where.items()}


def counter(
    name: str, says: str, unit: str, *sources: Source, parts: Mapping[str, tuple[str, ...]] | None = None
) -> Quantity:
    """What only rises."""
    return Quantity(name, says, unit, "counter", sources, NODE if parts is None else parts)


def gauge(
    name: str,
    says: str,
    unit: str,
    *sources: Source,
    parts: Mapping[str, tuple[str, ...]] | None = None,
    across: Across = "sum",
) -> Quantity:
    """What rises and falls."""
    return Quantity(name, says, unit, "gauge", sources, NODE if parts is None else parts, across)
