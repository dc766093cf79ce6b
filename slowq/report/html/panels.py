"""The charts of metrics: the guide's panels over time, with the level before the incident beside each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from statistics import median
from typing import Any

import plotly.graph_objects as go

from slowq.report import text as say
from slowq.report.html.figures import Chart, at, axis, figure, label, rounded, time_axis
from slowq.report.text import Document

_COLOURS = tuple(f"var(--line-{number})" for number in range(1, 8))
_REST = "var(--rest)"
_GIB = 2**30
_PANEL_PX = 210


BY_PHASE = "latency_by_phase"


def panels(document: Document) -> Iterator[Chart]:
    """All but the phases, where these stand above the slow requests already."""
    for panel in _panels(document):
        if panel["id"] != BY_PHASE or not document.get("series"):
            yield _chart(panel)


def by_phase(document: Document) -> Mapping[str, Any] | None:
    return next((one for one in _panels(document) if one["id"] == BY_PHASE), None)


def _panels(document: Document) -> Sequence[Mapping[str, Any]]:
    return (document.get("metrics") or {}).get("panels") or ()


def keys(panel: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What each colour means."""
    is_stacked = panel["kind"] == "stacked"
    return [
        (colour[6:-1], say.words(one["name"]))
        for one, colour in _coloured(panel)
        if not is_stacked or any(one["values"])
    ]


def stacked(panel: Mapping[str, Any], **where: Any) -> list[Any]:
    """Filled areas that add up; a phase that takes no time is not drawn."""
    times = [at(one) for one in panel["times"]]
    return [
        go.Scatter(
            x=times,
            y=[rounded(value) or 0 for value in one["values"]],
            stackgroup="phases",
            mode="lines",
            line={"width": 0, "color": colour, "shape": "hvh"},
            fillcolor=colour,
            name=label(say.words(one["name"])),
            customdata=[say.duration(value) for value in one["values"]],
            hovertemplate="%{x}<br>%{fullData.name} %{customdata}<extra></extra>",
            **where,
        )
        for one, colour in _coloured(panel)
        if any(one["values"])
    ]


def _coloured(panel: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """The series, each with its colour: the more of it there is, the earlier the colour; "other" has that of the rest."""
    order = sorted((one for one in panel["series"] if one["name"] != "other"), key=lambda one: -_weight(one))
    colours = {id(one): _COLOURS[at] if at < len(_COLOURS) else _REST for at, one in enumerate(order)}
    return [(one, colours.get(id(one), _REST)) for one in panel["series"]]


def _weight(one: Mapping[str, Any]) -> float:
    return float(sum(value for value in one["values"] if value is not None))


def _chart(panel: Mapping[str, Any]) -> Chart:
    scale, unit = (_GIB, "GiB") if panel["unit"] == "bytes" else (1, panel["unit"])
    before = {one["name"]: one["value"] for one in panel["baseline"]}
    coloured = _coloured(panel)
    is_stacked = panel["kind"] == "stacked"
    traces = stacked(panel) if is_stacked else [_line(panel, one, colour, scale) for one, colour in coloured]
    levels = [] if is_stacked else [_level(before[o["name"]] / scale, c) for o, c in coloured if o["name"] in before]
    return Chart(
        "panel-" + "".join(one for one in panel["id"] if one.isascii() and (one.isalnum() or one == "_")),
        f"{panel['title']}, {unit}" if unit else panel["title"],
        "Dotted: before the incident." if levels else "",
        figure(
            traces,
            height=_PANEL_PX,
            xaxis={**time_axis(), "title": {"text": ""}, "nticks": 4},
            yaxis=axis(says=unit, rangemode="tozero"),
            shapes=levels,
        ),
        ("series", "#before", "#median", "#highest", "highest at (UTC)"),
        [_row(panel, one, before.get(one["name"]), unit, scale) for one, _ in coloured],
        place="metrics",
        keys=keys(panel),
    )


def _line(panel: Mapping[str, Any], one: Mapping[str, Any], colour: str, scale: float) -> Any:
    beyond = _beyond(one)
    marked = (
        {"customdata": ["over " if (value or 0) >= beyond else "" for value in one["values"]]} if beyond < inf else {}
    )
    return go.Scatter(
        x=[at(moment) for moment in panel["times"]],
        y=[None if value is None else rounded(value / scale) for value in one["values"]],
        mode="lines",
        line={"color": colour, "width": 1.8},
        name=label(say.words(one["name"])),
        hovertemplate=f"%{{x}}<br>%{{fullData.name}} {'%{customdata}' if marked else ''}%{{y}}<extra></extra>",
        **marked,
    )


def _level(value: float, colour: str) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": rounded(value),
        "y1": rounded(value),
        "line": {"color": colour, "width": 1, "dash": "dot"},
    }


def _row(
    panel: Mapping[str, Any], one: Mapping[str, Any], before: float | None, unit: str, scale: float
) -> Sequence[str]:
    known = [(value, moment) for value, moment in zip(one["values"], panel["times"], strict=True) if value is not None]
    highest = max(known, default=(None, None))
    middle = median(value for value, _ in known) if known else None
    beyond = _beyond(one)
    return (
        say.words(one["name"]),
        *(
            ("over " if (value or 0) >= beyond else "") + _value(value, unit, scale)
            for value in (before, middle, highest[0])
        ),
        say.clock(highest[1]) if highest[1] else "",
    )


def _beyond(one: Mapping[str, Any]) -> float:
    """From which value on a line only tells that it is more; infinite where it always tells how much."""
    return min((one["values"][at] for at in one.get("at_least", ())), default=inf)


def _value(value: float | None, unit: str, scale: float) -> str:
    if value is None:
        return "unknown"
    return say.duration(value) if unit == "s" else f"{value / scale:,.4g}"
