"""When the requests of a round are due: the recorded arrivals, at a pace that the machine can follow.

The pace is one number for all of them, so bursts stay bursts. It is chosen so that requests come as often, on average, as
is asked for; of a longer record a round replays a stretch in which about as many of each pattern came as on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slowq.repro.scenario import Setup

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Replay:
    """`due` are (seconds from the start, which request) in order: 0 is the set-up's own, then its `others`.

    `pace` is how many times as fast as recorded they come; `per_s` how many a second.
    """

    due: tuple[tuple[float, int], ...]
    pace: float
    per_s: float


def replay(setup: Setup, per_s: float, seconds: float) -> Replay:
    """The recorded arrivals as `per_s` a second. A record that is too short for a round is repeated."""
    moments = [np.asarray(one, dtype=float) for one in (setup.arrivals, *(other.arrivals for other in setup.others))]
    at = np.concatenate(moments)
    which = np.repeat(np.arange(len(moments)), [len(one) for one in moments])
    order = np.argsort(at, kind="stable")
    at, which = at[order] - at.min(), which[order]
    whole = max(float(at[-1]) * len(at) / max(1, len(at) - 1), 1e-3)  # until the next one would have come
    pace = per_s * whole / len(at)
    window = seconds * pace
    times = int(np.ceil(window / whole))
    if times > 1:
        at = np.concatenate([at + whole * number for number in range(times)])
        which = np.tile(which, times)
        begin = 0.0
    else:
        begin = _usual(at, which, window, window / whole)
    inside = (at >= begin) & (at < begin + window)
    due = zip(((at[inside] - begin) / pace).tolist(), which[inside].tolist(), strict=True)
    return Replay(tuple(due), pace, per_s)


def _usual(at: Floats, which: NDArray[np.int64], window: float, share: float) -> float:
    """Where the stretch begins that holds this share of each request's arrivals, as nearly as one does; the first of equal
    ones. As in a chi-square, one request too many of a rare pattern weighs more than one of a frequent pattern."""
    starts = at[at <= max(0.0, at[-1] - window)]
    unlike = np.zeros(len(starts))
    for number in np.unique(which):
        own = at[which == number]
        expected = len(own) * share
        counts = np.searchsorted(own, starts + window) - np.searchsorted(own, starts)
        unlike += (counts - expected) ** 2 / expected
    return float(starts[np.argmin(unlike)])
