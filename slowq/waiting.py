"""What the metrics say of requests that wait for their turn on a node, and of those that never get one.

It is told, and weighs nothing: wherever searches are slow, whatever the reason, some wait and some are given up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from slowq.findings import Evidence
from slowq.signals import Signals
from slowq.wording import count, do, duration

# Requests that failed for want of a turn; one that its client gave up counts as well, whatever made it wait.
_TURNED_AWAY = {
    "expired": ("read", "dropped from the read queue, as the time given to a read was up"),
    "rejected": ("request", "rejected or given up"),
    "refused": ("request", "refused by a quota or a rate limit"),
}


def in_line(measured: Signals) -> Iterator[Evidence]:
    """How many wait, for what, and who was turned away."""
    queued, running = measured.mean("queued"), measured.mean("running")
    if running > 0 and queued >= running:
        says = f"On average {queued:,.0f} reads wait in the queues of the query nodes, and {running:,.0f} run."
        yield measured.says("queued", says, queued, running)
    yield from for_threads(measured)
    yield from turned_away(measured)


def for_threads(measured: Signals) -> Iterator[Evidence]:
    """How long a call of segcore waits for a thread, where that is at least as long as a search of one segment works."""
    waited_s, worked_s = measured.mean("thread_wait"), measured.mean("core")
    if waited_s >= worked_s > 0:
        says = f"A call of segcore waits {duration(waited_s)} for a thread; a search of a segment works {duration(worked_s)}."
        yield measured.says("thread_wait", says, waited_s, worked_s)


def turned_away(measured: Signals) -> Iterator[Evidence]:
    """Who never got a turn. Some are among the failures of any slow time, so that they prove nothing by themselves."""
    for name, (what, fate) in _TURNED_AWAY.items():
        if (total := round(np.nan_to_num(measured.total(name)))) >= 1:
            yield measured.says(name, f"{count(total, what)} {do(total, 'were')} {fate}.", total)
