"""What the metrics say of requests that wait for their turn on a node, and of those that never get one."""

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


def queue_is_long(measured: Signals) -> bool:
    """Whether at least as many reads wait for the query nodes as run on them, or some left the queue without a turn."""
    running = measured.mean("running")
    return bool(running > 0 and measured.mean("queued") >= running) or measured.total("expired") > 0


def waits_for_threads(measured: Signals) -> bool:
    """Whether a call of segcore waits for a thread for at least as long as a search of one segment works."""
    return bool(measured.mean("thread_wait") >= measured.mean("core") > 0)


def in_line(measured: Signals) -> Iterator[Evidence]:
    """How many wait, for what, and who was turned away."""
    queued, running = measured.mean("queued"), measured.mean("running")
    if running > 0 and queued >= running:
        says = f"On average {queued:,.0f} reads wait in the queues of the query nodes, and {running:,.0f} run."
        yield measured.says("queued", says, queued, running)
    yield from for_threads(measured)
    yield from turned_away(measured)


def for_threads(measured: Signals) -> Iterator[Evidence]:
    """How long calls of segcore wait for a thread, where that is much."""
    if waits_for_threads(measured):
        waited, worked = measured.mean("thread_wait"), measured.mean("core")
        says = (
            f"A call of segcore waits {duration(waited)} for a thread; a search of a segment works {duration(worked)}."
        )
        yield measured.says("thread_wait", says, waited, worked)


def turned_away(measured: Signals) -> Iterator[Evidence]:
    """Who never got a turn. Some are among the failures of any slow time, so that they prove nothing by themselves."""
    for name, (what, fate) in _TURNED_AWAY.items():
        if (total := round(np.nan_to_num(measured.total(name)))) >= 1:
            yield measured.says(name, f"{count(total, what)} {do(total, 'were')} {fate}.", total)
