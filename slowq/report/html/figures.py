"""What the charts of the page have in common: figures for plotly.js, colours by name, text that is no markup.

A figure names its colours as `var(--name)`; the page puts in those of its theme, so that a chart follows light, dark and
paper. plotly draws tags in text as markup, so log text reaches it through `plain` alone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import plotly.graph_objects as go

from slowq.report import text as say

_LABEL = 28  # cells of a label beside an axis
_HOVER = 90
_COARSE = (1e-4, 1e-3, 0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, *(864000 * 10**power for power in range(6)))
_USUAL = (
    *(one * step for one in _COARSE[:6] for step in (1, 2, 5)),
    60,
    120,
    300,
    600,
    1800,
    3600,
    10800,
    43200,
    86400,
)
_FINE = sorted(
    {*(one * step for one in _COARSE for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)), 15, 20, 25, 30, 35, 40, 45}
)
_ROUND = (_COARSE, _USUAL, _FINE)
_MOST_TICKS = 7


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of the page: what it shows, in a title and a sentence; the figure; the same as a table."""

    id: str
    title: str
    says: str
    figure: dict[str, Any]
    columns: Sequence[str]  # a number's begins with "#"
    rows: Sequence[Sequence[str]]
    place: str = "when"  # the part of the page that it belongs to
    zooms: bool = False
    extra: str = ""
    keys: Sequence[tuple[str, str]] = ()  # colour → meaning; without a colour, words before those that follow


def figure(traces: Iterable[Any], *, height: int, **layout: Any) -> dict[str, Any]:
    """A figure as plotly.js takes it; plotly.py checks that every property exists."""
    drawn = go.Figure(data=list(traces))
    drawn.update_layout(
        template=None,
        height=height,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "var(--soft)", "size": 12},
        hoverlabel={"bgcolor": "var(--paper)", "bordercolor": "var(--rule)", "font": {"color": "var(--ink)"}},
        barmode="overlay",
        bargap=0,
        showlegend=False,
        **layout,
    )
    plain_figure: dict[str, Any] = drawn.to_plotly_json()
    plain_figure["layout"].pop("template", None)
    return plain_figure


def axis(**given: Any) -> dict[str, Any]:
    """A quiet axis."""
    return {
        "gridcolor": "var(--rule)",
        "linecolor": "var(--rule)",
        "zeroline": False,
        "automargin": True,
        "ticks": "",
        "title": {"standoff": 8, "text": given.pop("says", "")},
        **given,
    }


def seconds_axis(values: Sequence[float], **given: Any) -> dict[str, Any]:
    """An axis of log10 of seconds, from the least to the most, with ticks that read well."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = 0.03 * (high - low) or 0.1
    return axis(range=[low - room, high + room], **_ticks(min(values), max(values), math.log10), **given)


def log_axis(values: Sequence[float], **given: Any) -> dict[str, Any]:
    """A log axis of seconds as they are."""
    return axis(type="log", **_ticks(min(values), max(values), float), **given)


def _ticks(low: float, high: float, place: Callable[[float], float]) -> dict[str, Any]:
    """Round times within these, from the coarsest kind of which there are enough; and how they are written."""
    fitting = next((fit for some in _ROUND if len(fit := [one for one in some if low <= one <= high]) > 2), None)
    if fitting is None:
        fitting = [low * (high / low) ** share for share in (1 / 6, 1 / 2, 5 / 6)]
    fitting = fitting[:: -(-len(fitting) // _MOST_TICKS)]
    texts = [say.period(float(f"{one:.3g}")) for one in fitting]
    return {"tickvals": [place(one) for one in fitting], "ticktext": texts}


def time_axis(**given: Any) -> dict[str, Any]:
    return axis(type="date", says="time (UTC)", showgrid=False, nticks=6, **given)


def plain(text: str, width: int = _HOVER) -> str:
    """Text for plotly: visible, no longer than `width`, and with no tag in it."""
    return html.escape(say.elide(say.visible(text), width), quote=False)


def label(text: str) -> str:
    return plain(text, _LABEL)


def at(moment: str | None) -> str | None:
    """A time as plotly.js reads it: it knows no zones, and all of ours are UTC."""
    when = say.moment(moment)
    return f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 1000:03}" if when else None


def later(moment: str, seconds: float) -> str:
    """The time some seconds after another; the same where there is none, or no calendar has it."""
    begin = say.moment(moment)
    try:
        return (begin + timedelta(seconds=seconds)).isoformat() if begin else moment
    except OverflowError:
        return moment


def between(start: str | None, end: str | None) -> float:
    """Seconds from one time to another; 0 where one is unknown."""
    first, last = say.moment(start), say.moment(end)
    return (last - first).total_seconds() if first and last else 0.0


def rounded(value: float | None) -> float | None:
    """Enough digits to draw."""
    return None if value is None else float(f"{value:.4g}")
