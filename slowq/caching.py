"""What the metrics say of the cache that searches fetch segments through: that of lazy loads in 2.4 and 2.5, that of tiered
storage from 2.6 on.

Limits are pairs: bytes a second, and for the older cache, which counts them, segments a second.
"""

from __future__ import annotations

from collections.abc import Iterator

from slowq.findings import Evidence
from slowq.measures import ratio
from slowq.signals import Signals
from slowq.wording import duration

Limits = tuple[float, float]

# What is fetched, what is dropped for it, and how a reader counts it.
_FLOWS = (("cache_misses", "cache_evicted", 1e6, "MB"), ("cache_loads", "cache_evictions", 1.0, "segments"))


def fetched(measured: Signals, least: Limits, grown: float) -> list[Evidence]:
    """What searches fetch, where it is as much as `least` and `grown` times what it was before the slow time; with what
    that costs them."""
    evidence = []
    for (fetches, drops, unit, what), limit in zip(_FLOWS, least, strict=True):
        rate, before = measured.rate(fetches), measured.before(fetches)
        if not (rate >= limit and rate >= grown * before):
            continue
        now, then = (f"{one / unit:,.1f}" for one in (rate, before))
        says = f"Searches fetch {now} {what} a second into the cache, and before it was {then}."
        evidence.append(measured.says(fetches, says, rate, limit))
        if (dropped := measured.rate(drops)) >= limit:
            says = f"It drops {dropped / unit:,.1f} {what} a second for that, which searches may have to fetch again."
            evidence.append(measured.says(drops, says, dropped, limit))
    return [*evidence, *_cost(measured)] if evidence else []


def drops(measured: Signals, least: Limits) -> Iterator[Evidence]:
    """What the cache drops, where searches fetch as much meanwhile: it is too small for what they need."""
    for (fetches, name, unit, what), limit in zip(_FLOWS, least, strict=True):
        dropped, rate = measured.rate(name), measured.rate(fetches)
        if dropped >= limit and rate >= limit:
            says = f"The cache drops {dropped / unit:,.1f} {what} a second, and searches fetch {rate / unit:,.1f}."
            yield measured.says(name, says, dropped, limit)


def _cost(measured: Signals) -> Iterator[Evidence]:
    if (took_s := measured.mean("cache_load")) > 0:
        yield measured.says("cache_load", f"Fetching takes {duration(took_s)} each time.", took_s)
    waited_s = ratio(measured.total("cache_wait"), measured.observations("search_latency"))
    if waited_s > 0:
        says = f"A search waits {duration(waited_s)} for its segments to be fetched, all of them together."
        yield measured.says("cache_wait", says, waited_s)
