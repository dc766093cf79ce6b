"""The charts of slow requests: over time, by duration, who held up whom, one collection against the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from slowq.report import text as say
from slowq.report.html.figures import (
    Chart,
    at,
    axis,
    between,
    figure,
    label,
    later,
    log_axis,
    plain,
    rounded,
    seconds_axis,
    time_axis,
)
from slowq.report.html.panels import by_phase, stacked
from slowq.report.html.panels import keys as phase_keys
from slowq.report.text import Document

_LATENCY_PX, _PHASES_PX, _LANE_PX, _GAP_PX = 220, 170, 22, 34
_BAR_PX, _LEAST_BAR_PX = 9, 7
# From this ratio of the slowest to the fastest on, a linear axis shows the slowest alone.
_WIDE_RATIO = 40
_FEW = 5  # requests, below which each is in the timeline and in the table of patterns
_TABLE_COLUMNS = 8
_SHADES = 6  # --heat-1 to --heat-6 of the style sheet


def charts(document: Document) -> Iterator[Chart]:
    """Those for which the document holds something to draw, in the order of reading."""
    for drawn in (_over_time, _distribution, _heat_map):
        chart = drawn(document)
        if chart:
            yield chart
    for number, timeline in enumerate(document.get("timelines") or ()):
        yield _timeline(document, timeline, "when, folded" if number else "when")


# ---------------------------------------------------------------------------------------------------------------------
# Over time: what a search spends, how slow the slow ones are, and what else went on, above each other.


def _over_time(document: Document) -> Chart | None:
    series = document.get("series")
    buckets = [one for one in series["buckets"] if one["count"] and one["max_s"] is not None] if series else []
    if not series or not buckets:
        return None
    step, threshold = series["step_s"], series.get("threshold_s")
    panel = by_phase(document)
    lanes = document.get("event_lanes") or []
    domains, height = _domains(_PHASES_PX if panel else 0, _LATENCY_PX, _LANE_PX * len(lanes))
    times = [at(later(one["at"], step / 2)) for one in buckets]
    slowest, medians = ([one[key] for one in buckets] for key in ("max_s", "p50_s"))
    wide = max(slowest) > _WIDE_RATIO * min(slowest)
    counted = [f"{one['count']:,}" for one in buckets]
    traces: list[Any] = [
        go.Bar(
            x=times,
            y=[rounded(one) for one in slowest],
            width=step * 1000,
            marker={"color": "var(--bar)", "line": {"width": 0}},
            customdata=[[say.duration(a), n] for a, n in zip(slowest, counted, strict=True)],
            hovertemplate="%{x}<br>slowest %{customdata[0]} of %{customdata[1]}<extra></extra>",
        ),
        go.Scatter(
            x=times,
            y=[rounded(one) for one in medians],
            mode="markers",
            marker={"color": "var(--ink)", "symbol": "line-ew-open", "size": 7},
            customdata=[say.duration(one) for one in medians],
            hovertemplate="%{x}<br>median %{customdata}<extra></extra>",
        ),
    ]
    layout: dict[str, Any] = {
        "xaxis": time_axis(range=_reach(document, series), anchor="free", position=0),
        "yaxis": log_axis([*slowest, *medians], says="slow requests", domain=domains[1])
        if wide
        else axis(says="slow requests, s", domain=domains[1], rangemode="tozero"),
        "shapes": [_level(threshold)] if threshold else [],
    }
    if panel:
        traces += stacked(panel, yaxis="y2")
        layout["yaxis2"] = axis(says="mean search, s", domain=domains[0], rangemode="tozero")
    if lanes:
        traces += _lanes(lanes)
        layout["yaxis3"] = _lane_axis(lanes, domains[2])
    keys = [("bar", f"slowest per {say.period(step)}"), ("ink", "median")]
    keys += [("", f"dashed: slow from {say.period(threshold)}")] if threshold else []
    keys += [("", "phases of a mean search:"), *phase_keys(panel)] if panel else []
    return Chart(
        "over-time",
        f"Slow requests over time: the slowest and the median of each {say.period(step)}",
        _over_time_says(document, series, lanes, panel is not None),
        figure(traces, height=height, **layout),
        ("time (UTC)", "#slow requests", "#slowest", "#median"),
        [
            (say.clock(one["at"], "%Y-%m-%d %H:%M:%S"), n, say.duration(one["max_s"]), say.duration(one["p50_s"]))
            for one, n in zip(buckets, counted, strict=True)
        ],
        zooms=True,
        keys=keys,
    )


def _over_time_says(document: Document, series: Mapping[str, Any], lanes: Sequence[Any], phased: bool) -> str:
    peak = max((one for one in series["buckets"] if one["max_s"] is not None), key=lambda one: one["max_s"])
    said = f"The slowest took {say.duration(peak['max_s'])} and ended about {say.clock(peak['at'])} UTC."
    if phased:
        said += " Above it: where a mean search spends its time."
    if lanes:
        said += " Below it, on the same axis: what else the log tells of."
    return said


def _domains(*heights: int) -> tuple[list[list[float]], int]:
    """Where each row of a figure lies, from the top, and the height of all; a row of no height takes no room."""
    gaps = _GAP_PX * (sum(1 for one in heights if one) - 1)
    whole = sum(heights) + gaps
    domains, top = [], whole
    for one in heights:
        domains.append([max(0.0, (top - one) / whole), top / whole])
        top -= one + _GAP_PX if one else 0
    return domains, whole + 60


def _reach(document: Document, series: Mapping[str, Any]) -> list[str | None]:
    """The steps, and as much before and after them as they last: requests that began there, events at the edge."""
    first, last = series["start"], later(series["buckets"][-1]["at"], series["step_s"])
    spans = [one for lane in document.get("event_lanes") or () for one in lane["spans"]]
    before = max(between(one, first) for one in (document["window"]["start"], *(one["start"] for one in spans)))
    after = max((between(last, one["end"]) for one in spans), default=0.0)
    whole = between(first, last)
    return [at(later(first, -min(max(before, 0.0), whole))), at(later(last, min(max(after, 0.0), whole)))]


def _level(threshold: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": "y",
        "y0": threshold,
        "y1": threshold,
        "line": {"color": "var(--ink)", "width": 1, "dash": "dash"},
    }


def _lanes(lanes: Sequence[Mapping[str, Any]]) -> list[Any]:
    spans = [(row, one) for row, lane in enumerate(lanes) for one in lane["spans"]]
    long = [(row, one) for row, one in spans if one["start"] != one["end"]]
    return [
        go.Bar(
            orientation="h",
            base=[at(one["start"]) for _, one in long],
            x=[round(between(one["start"], one["end"]) * 1000) for _, one in long],
            y=[row for row, _ in long],
            width=0.55,
            marker={"color": "var(--event)", "line": {"width": 0}},
            customdata=[
                [label(say.words(lanes[row]["what"])), say.duration(between(one["start"], one["end"]))]
                for row, one in long
            ],
            hovertemplate="%{customdata[0]}, %{customdata[1]} from %{base}<extra></extra>",
            yaxis="y3",
        ),
        go.Scatter(
            mode="markers",
            x=[at(one["start"]) for _, one in spans],
            y=[row for row, _ in spans],
            marker={"color": "var(--event)", "symbol": "line-ns-open", "size": 10, "line": {"width": 2}},
            text=[label(say.words(lanes[row]["what"])) for row, _ in spans],
            hovertemplate="%{text} %{x}<extra></extra>",
            yaxis="y3",
        ),
    ]


def _lane_axis(lanes: Sequence[Mapping[str, Any]], domain: list[float]) -> dict[str, Any]:
    return axis(
        domain=domain,
        tickvals=list(range(len(lanes))),
        ticktext=[label(say.words(lane["what"])) for lane in lanes],
        range=[len(lanes) - 0.5, -0.5],
        fixedrange=True,
    )


# ---------------------------------------------------------------------------------------------------------------------
# By duration.


def _distribution(document: Document) -> Chart | None:
    found = document.get("distribution")
    if not found or sum(found["counts"]) < _FEW:
        return None
    edges, counts = found["edges_s"], found["counts"]
    logs = [math.log10(edge) for edge in edges]
    names = [_range(edges, i) for i in range(len(counts))]
    took = document["requests"]["duration_s"]
    return Chart(
        "distribution",
        "How long slow requests took: requests by duration, on a log scale",
        f"Half of them took more than {say.duration(took.get('p50'))}, one in a hundred more than "
        f"{say.duration(took.get('p99'))}.",
        figure(
            [
                go.Bar(
                    x=[(a + b) / 2 for a, b in pairwise(logs)],
                    width=[(b - a) * 0.94 for a, b in pairwise(logs)],
                    y=counts,
                    marker={"color": "var(--bar)", "line": {"width": 0}},
                    customdata=names,
                    hovertemplate="%{customdata}: %{y:,}<extra></extra>",
                )
            ],
            height=240,
            xaxis=seconds_axis(edges, says="duration", showgrid=False),
            yaxis=axis(says="slow requests", rangemode="tozero", **({"dtick": 1} if max(counts) < _FEW else {})),
        ),
        ("duration", "#slow requests"),
        [(name, f"{count:,}") for name, count in zip(names, counts, strict=True)],
    )


def _range(edges: Sequence[float], i: int) -> str:
    return f"{say.period(edges[i])} to {say.period(edges[i + 1])}"


def _heat_map(document: Document) -> Chart | None:
    found = document.get("heat_map")
    # With one column it would say what the distribution says.
    if not found or len(found["counts"]) < 2 or sum(map(sum, found["counts"])) < _FEW:
        return None
    edges, step = found["edges_s"], found["step_s"]
    logs = [math.log10(edge) for edge in edges]
    cells = [
        (at(later(found["start"], (i + 0.5) * step)), j, count)
        for i, column in enumerate(found["counts"])
        for j, count in enumerate(column)
        if count
    ]
    most = max(count for _, _, count in cells)
    names = [_range(edges, i) for i in range(len(edges) - 1)]
    return Chart(
        "heat-map",
        f"When requests of which duration ended: requests per {say.period(step)} by time and duration, on a log scale",
        f"The darker, the more requests: the fullest cell holds {most:,}.",
        figure(
            [
                go.Bar(
                    x=[x for x, _, _ in cells],
                    width=step * 1000,
                    base=[rounded(logs[j]) for _, j, _ in cells],
                    y=[rounded(logs[j + 1] - logs[j]) for _, j, _ in cells],
                    marker={"color": [_heat(count, most) for _, _, count in cells], "line": {"width": 0}},
                    customdata=[[names[j], count] for _, j, count in cells],
                    hovertemplate="%{x}<br>%{customdata[0]}: %{customdata[1]:,}<extra></extra>",
                )
            ],
            height=280,
            xaxis=time_axis(),
            yaxis=seconds_axis(edges, says="duration"),
        ),
        ("duration", *(f"#{when}" for when, _ in _merged(found))),
        [
            (name, *(f"{column[j]:,}" if column[j] else "" for _, column in _merged(found)))
            for j, name in enumerate(names)
        ],
        zooms=True,
    )


def _merged(found: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """The columns of the heat map, as few as a table has room for: when each begins, and its counts."""
    columns, step = found["counts"], found["step_s"]
    width = -(-len(columns) // _TABLE_COLUMNS)
    form = "%m-%d %H:%M" if step * len(columns) > 86_400 else "%H:%M:%S"
    return [
        (
            f"from {say.clock(later(found['start'], i * step), form)}",
            [sum(one) for one in zip(*columns[i : i + width], strict=True)],
        )
        for i in range(0, len(columns), width)
    ]


def _heat(count: int, most: int) -> str:
    """One of the shades, on a log scale from one request to the most."""
    return f"var(--heat-{1 + round((_SHADES - 1) * math.log(count) / math.log(most)) if most > 1 else _SHADES})"


# ---------------------------------------------------------------------------------------------------------------------
# Who held up whom.

_ROLES = {"culprit": ("accent", "culprits"), "victim": ("bar", "those that waited")}


def _timeline(document: Document, timeline: Mapping[str, Any], place: str) -> Chart:
    requests = timeline["requests"]
    roles = [role for role in _ROLES if any(one["role"] == role for one in requests)]
    slowest = max(requests, key=lambda one: between(one["start"], one["end"]))
    named = say.words(timeline["rule"])
    left = [f"{n:,} {name} more" for name, n in timeline["left_out"].items() if n]
    shown = f"The {len(requests)} slowest are shown; {' and '.join(left)} have no room. " if left else ""
    shared = say.folder(document["inputs"])
    return Chart(
        "timeline-" + slug(timeline["rule"]),
        f"Who held up whom ({named}): slow requests from their start to their end"
        if len(roles) == 2
        else f"Slow requests that {named} {'explains' if roles == ['victim'] else 'is about'}: from start to end",
        f"{shown}The longest bar is {say.duration(between(slowest['start'], slowest['end']))}.",
        figure(
            [_bars(requests, role, shared) for role in roles],
            height=max(120, 70 + len(requests) * (_BAR_PX if len(requests) < 40 else _LEAST_BAR_PX)),
            xaxis=time_axis(),
            yaxis=axis(
                says="requests, by start" if len(requests) > 20 else "",
                range=[len(requests) - 0.3, -0.7],
                showticklabels=False,
                showgrid=False,
                fixedrange=True,
            ),
        ),
        ("start (UTC)", "#took", "role", "collection", "#nq", "where"),
        [
            (
                say.clock(one["start"], "%Y-%m-%d %H:%M:%S"),
                say.duration(between(one["start"], one["end"])),
                one["role"],
                one["collection"] or "unknown",
                "" if one["nq"] is None else f"{one['nq']:,}",
                f"{one['path'].removeprefix(shared)}:{one['line']}",
            )
            for one in requests
        ],
        place=place,
        zooms=True,
        keys=[(_ROLES[role][0], _ROLES[role][1] if len(roles) == 2 else "requests") for role in roles],
    )


def slug(text: str) -> str:
    """The text as an id that a link can name: letters, digits, - and _ alone."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "-_") else "-" for one in text)[:80]


def _bars(requests: Sequence[Mapping[str, Any]], role: str, shared: str) -> Any:
    chosen = [(row, one) for row, one in enumerate(requests) if one["role"] == role]
    return go.Bar(
        orientation="h",
        base=[at(one["start"]) for _, one in chosen],
        x=[round(between(one["start"], one["end"]) * 1000) for _, one in chosen],
        y=[row for row, _ in chosen],
        width=0.72,
        marker={"color": f"var(--{_ROLES[role][0]})", "line": {"width": 0}},
        customdata=[_about(one, shared) for _, one in chosen],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _about(one: Mapping[str, Any], shared: str) -> str:
    took = say.duration(between(one["start"], one["end"]))
    nq = f", nq {one['nq']:,}" if one["nq"] is not None else ""
    where = plain(f"{one['path'].removeprefix(shared)}:{one['line']}", 60)
    return f"{one['role']}: {plain(one['collection'] or 'unknown', 40)}{nq}<br>{took} from {say.clock(one['start'])}<br>{where}"


def collections(document: Document) -> Chart | None:
    """One collection against the others; None where there is but one."""
    found = document.get("collections") or {"shown": []}
    shown = [one for one in found["shown"] if one["duration_s"].get("sum") is not None]
    if len(shown) < 2:
        return None
    names = [say.collection(one) for one in shown]
    total = document["requests"]["duration_s"].get("sum")
    shares = [say.share_of(one["duration_s"]["sum"], total) for one in shown]
    quantiles = [(one["duration_s"]["p50"], one["duration_s"]["p99"]) for one in shown]
    traces = [
        go.Bar(
            orientation="h",
            base=[rounded(math.log10(low)) for low, _ in quantiles],
            x=[rounded(math.log10(high / low)) for low, high in quantiles],
            y=list(range(len(shown))),
            width=0.34,
            marker={"color": "var(--bar)", "line": {"width": 0}},
            hoverinfo="skip",
        ),
        *(
            go.Scatter(
                x=[rounded(math.log10(pair[which])) for pair in quantiles],
                y=list(range(len(shown))),
                mode="markers",
                marker={"color": colour, "symbol": "line-ns-open", "size": 14, "line": {"width": 2.5}},
                customdata=[[label(name), say.duration(q[which])] for name, q in zip(names, quantiles, strict=True)],
                hovertemplate=f"%{{customdata[0]}}: {said} %{{customdata[1]}}<extra></extra>",
            )
            for which, said, colour in ((0, "p50", "var(--ink)"), (1, "p99", "var(--accent)"))
        ),
    ]
    other = found["other"]
    return Chart(
        "by-collection",
        "Latency by collection: from the median to p99 of the slow requests of each, on a log scale",
        f"{say.elide(names[0], 60)} has {shares[0]} of the slow time.",
        figure(
            traces,
            height=80 + 26 * len(shown),
            xaxis=seconds_axis([*(v for q in quantiles for v in q)], says="duration"),
            yaxis=axis(
                tickvals=list(range(len(shown))),
                ticktext=[label(name) for name in names],
                range=[len(shown) - 0.5, -0.5],
                showgrid=False,
            ),
        ),
        ("collection", "#slow requests", "#p50", "#p99", "#slowest", "#share of slow time"),
        [
            (
                name,
                f"{one['count']:,}",
                say.duration(one["duration_s"]["p50"]),
                say.duration(one["duration_s"]["p99"]),
                say.duration(one["duration_s"]["max"]),
                share,
            )
            for name, one, share in zip(names, shown, shares, strict=True)
        ],
        extra=f"and {say.count(other['collections'], 'more collection')} with {say.count(other['count'], 'slow request')}"
        if other["collections"]
        else "",
        place="collections",
        keys=[("ink", "median"), ("accent", "p99")],
    )
