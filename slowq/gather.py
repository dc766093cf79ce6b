"""Everything that can be known of an incident, read into one `Case`. Gather first, then judge."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from slowq import versions
from slowq.errors import InputError
from slowq.facts import WORTH_A_LOOK_S, Case, Context, Coverage, Input, Malformed, Milvus, Place
from slowq.parsers import read
from slowq.sources import find
from slowq.wording import count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from slowq.measures import Metrics
    from slowq.metrics import Raw

# A search latency of this many times the quiet one is where the trouble is, when no log says when it was.
_STANDS_OUT = 3.0

# How long before a Milvus was asked its load may count as that of the incident.
_STILL_THE_SAME_S = 600.0


Window = tuple[float, float]  # Unix seconds


@dataclass(frozen=True, slots=True)
class Answers:
    """What metrics were answered: the series, where they come from, and what could not be had."""

    raw: Raw
    source: str
    trouble: tuple[str, ...] = ()


# Answers for the window of the slow requests, None where none is known; None where there is nothing to be had.
Ask = Callable[[Window | None], Answers | None]

# The context, given the names of the collections that slow requests are on.
Tell = Callable[[frozenset[str]], Context]


@dataclass(frozen=True, slots=True)
class Only:
    """Which requests to keep. Times are UTC; a duration in seconds."""

    since: datetime | None = None
    until: datetime | None = None
    collections: frozenset[str] = frozenset()
    databases: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    min_duration_s: float = 0.0

    @property
    def window(self) -> Window | None:
        """The time that is asked about, where it has a begin and an end."""
        return (self.since.timestamp(), self.until.timestamp()) if self.since and self.until else None


def gather(
    paths: Sequence[str],
    context: Context | Tell | None = None,
    *,
    metrics: Ask | None = None,
    only: Only | None = None,
    seen: pd.DataFrame | None = None,
    jobs: int | None = None,
    progress: read.Progress | None = None,
    warn: Callable[[str], None] = lambda text: None,
    none_left: Callable[[pd.DataFrame], None] = lambda requests: None,
    meanwhile: Callable[[], None] = lambda: None,
    unusable: Callable[[InputError], None] | None = None,
) -> Case:
    """Read the logs and join them with the context and the metrics.

    `none_left` is called with all requests where `only` keeps none of them, `meanwhile` once while workers read, if there
    are any: there is time for something that has to be done anyway. `seen` are requests that somebody else than
    Milvus recorded (see `parsers.table.of_rows`), which count in the place of those of the logs. Raises InputError where
    no input can be read, and where no line of them is of Milvus; with context or metrics to go by `unusable` is
    called with it instead, if given, and the case is without the logs.
    """

    def import_more() -> None:
        _import_tables()
        meanwhile()

    files = list(read.read(find(paths), jobs or os.cpu_count() or 1, progress, import_more)) if paths else []
    for file in files:
        if file.trouble:
            read_before = any(batch.lines for batch in file.batches)
            warn(f"{file.path}: {file.trouble}" + ("; what came before it was read" if read_before else ""))
    try:
        _refuse_unusable(files)
    except InputError as error:
        if unusable is None or (context is None and metrics is None):
            raise
        unusable(error)
        files = []
    return _case(files, context or Context(), metrics, only or Only(), none_left, seen)


def _import_tables() -> None:
    """pandas takes 0.4 s to import: as long as workers read, that costs nothing."""
    import slowq.parsers.patterns
    import slowq.parsers.table  # noqa: F401


def _refuse_unusable(files: Sequence[read.File]) -> None:
    if not files:
        return
    batches = [batch for file in files for batch in file.batches]
    lines = sum(batch.lines for batch in batches)
    if not lines:
        reasons = "; ".join(f"{file.path}: {file.trouble}" for file in files if file.trouble)
        raise InputError(
            f"nothing to read in {count(len(files), 'file')}" + (f" ({reasons})" if reasons else ": empty"),
            hint="name the logs of Milvus, above all those of the proxy or of the standalone",
        )
    if not any(batch.slow_lines + batch.milvus + batch.malformed for batch in batches):
        first = [line for batch in batches for line in batch.first_lines][:3]
        seen = "\n".join(f"    {line.decode('utf-8', 'backslashreplace')}" for line in first)
        raise InputError(
            f"no line of Milvus in {count(lines, 'line')} of {count(len(files), 'file')}; they begin:\n{seen}",
            hint="expected lines such as\n"
            '    [2025/08/23 19:22:19.900 +00:00] [INFO] [proxy/impl.go:3141] ["Search slow"] [traceID=…] …\n'
            "    plain, as JSON, or as docker, Kubernetes, Loki, CSV or Elasticsearch exports wrap them",
        )


def _case(
    files: Sequence[read.File],
    known: Context | Tell,
    metrics: Ask | None,
    only: Only,
    none_left: Callable[[pd.DataFrame], None] = lambda requests: None,
    seen: pd.DataFrame | None = None,
) -> Case:
    from slowq.parsers.patterns import add_patterns
    from slowq.parsers.table import Table, from_context

    table = Table(files)
    context = known(table.collections()) if callable(known) else known
    events = table.events()
    said = _version_said(files, events, context)
    requests = table.requests(events, said[0] if said else None) if seen is None else seen
    if not len(requests) and seen is None:
        requests = from_context(context)
    kept = _kept(requests, only)
    if len(requests) and not len(kept):
        none_left(requests)
    requests, shapes, patterns = add_patterns(kept)
    window = _slow_window(requests)
    context = _of_incident(context, requests, window)
    window = window or only.window
    answers = metrics(window) if metrics else None
    said = said or _version_measured(answers)
    milvus = _milvus(requests, said, context)
    return Case(
        requests=requests,
        events=events,
        shapes=shapes,
        patterns=patterns,
        coverage=_coverage(files, table.set_aside),
        inputs=tuple(_input(file) for file in files),
        milvus=milvus,
        context=context,
        metrics=_metrics(answers, window, milvus) if answers else None,
    )


def _of_incident(context: Context, requests: pd.DataFrame, window: Window | None) -> Context:
    """Without the collections that no slow request is on, where there are some that it is, and without a load that a Milvus
    told at another time."""
    slow = requests[requests["slow"].to_numpy(dtype=bool)]
    names = set(slow["collection"].dropna().astype(object))
    named = tuple(one for one in context.collections if one.name in names)
    load = context.observations_per_node
    if window is not None and context.asked_at is not None and window[1] < context.asked_at - _STILL_THE_SAME_S:
        load = tuple(one for at, one in enumerate(load) if not context.is_told(f"observations_per_node[{at}]"))
    return replace(context, collections=named or context.collections, observations_per_node=load)


def _slow_window(requests: pd.DataFrame) -> Window | None:
    """From the first start to the last end of the slow requests."""
    slow = requests["slow"].to_numpy(dtype=bool) & requests["started"].notna().to_numpy()
    if not slow.any():
        return None
    return requests["started"][slow].min().timestamp(), requests["at"][slow].max().timestamp()


def _metrics(answers: Answers, window: Window | None, milvus: Milvus) -> Metrics:
    """The tracks of the answered series, with the time of the slow requests as their window."""
    import numpy as np

    from slowq.measures import Metrics
    from slowq.metrics import tracks

    raw = answers.raw.as_scraped()
    found = tracks(raw, milvus.low)
    trouble = list(answers.trouble)
    first, last = float(raw.times[0]), float(raw.times[-1])
    if window is not None and (window[1] < first or window[0] > last):
        trouble.append("The metrics do not cover the time that is asked about, so their own slow time is used.")
        window = None
    if window is None:
        searched = found.get("search_latency")
        window = _slow_time(raw.times, searched.over_time()) if searched else (first, last)
    if not found:
        trouble.append("No series is of Milvus.")
    # One step is left between: what began before the window may have ended in its first step.
    baseline = (first, window[0] - raw.step_s)
    enough = int(np.count_nonzero((raw.times > baseline[0]) & (raw.times <= baseline[1]))) >= 2
    return Metrics(raw.times, raw.step_s, found, window, baseline if enough else None, answers.source, tuple(trouble))


def _slow_time(times: np.ndarray, latency_s: np.ndarray) -> tuple[float, float]:
    """From the first to the last moment at which searches took far longer than in quiet; all of it where none did."""
    import numpy as np

    known = latency_s[~np.isnan(latency_s)]
    if len(known):
        quiet = float(np.quantile(known, 0.25))
        high = np.flatnonzero(latency_s > max(WORTH_A_LOOK_S, _STANDS_OUT * quiet))
        if len(high):
            return float(times[max(high[0] - 1, 0)]), float(times[high[-1]])
    return float(times[0]), float(times[-1])


def _kept(requests, only: Only):  # type: ignore[no-untyped-def]
    keep = ~(requests["duration_s"] < only.min_duration_s)  # one of unknown duration stays
    if only.since is not None:
        keep &= requests["at"] >= only.since
    if only.until is not None:
        keep &= requests["at"] <= only.until
    for name, wanted in (("collection", only.collections), ("database", only.databases), ("kind", only.kinds)):
        if wanted:
            keep &= requests[name].isin(wanted)
    return requests if keep.all() else requests[keep].reset_index(drop=True)


def _coverage(files: Sequence[read.File], set_aside: int) -> Coverage:
    batches = [(file.path, batch) for file in files for batch in file.batches]
    offsets = [0] * len(batches)
    for i in range(1, len(batches)):
        if batches[i][0] == batches[i - 1][0]:
            offsets[i] = offsets[i - 1] + batches[i - 1][1].lines
    malformed = tuple(
        Malformed(Place(path, offset + number), reason, excerpt.decode("utf-8", "backslashreplace"))
        for offset, (path, batch) in zip(offsets, batches, strict=True)
        for number, reason, excerpt in batch.malformed_lines
    )
    unrecognised = tuple(
        Malformed(Place(path, offset + number), "", excerpt.decode("utf-8", "backslashreplace"))
        for offset, (path, batch) in zip(offsets, batches, strict=True)
        for number, excerpt in batch.unrecognised_lines[:5]
    )
    return Coverage(
        slow_requests=sum(batch.slow_lines for _, batch in batches) - set_aside,
        other_milvus_lines=sum(batch.milvus for _, batch in batches) + set_aside,
        continuation_lines=sum(batch.continuation for _, batch in batches),
        unrecognised_lines=sum(batch.unrecognised for _, batch in batches),
        malformed_slow_lines=sum(batch.malformed for _, batch in batches),
        malformed=malformed[:50],
        unrecognised=unrecognised[:5],
    )


def _input(file: read.File) -> Input:
    formats: Counter[tuple[str, ...]] = Counter()
    for batch in file.batches:
        formats.update(batch.formats)
    size, lines = sum(batch.size_bytes for batch in file.batches), sum(batch.lines for batch in file.batches)
    return Input(file.path, _format(formats, file), file.compressed_bytes, size, lines)


def _format(formats: Counter[tuple[str, ...]], file: read.File) -> str:
    """The layers of most lines, from the outside in."""
    accesses = sum(batch.access_lines for batch in file.batches)
    if not formats:
        return "unrecognised"
    best = max(formats, key=lambda layers: (layers[-1] != "milvus-core", formats[layers], layers))
    if accesses and accesses >= formats[best] / 2:
        best = (*best[:-1], "milvus-access")
    return "/".join(best)


def _version_said(files, events, context: Context):  # type: ignore[no-untyped-def]
    """((low, high), text, source) of a version that something says outright; None where nothing does."""
    if (text := context.milvus.get("version")) and (found := versions.version_range(str(text))):
        return found, str(text), _source_of_version(context)
    for text in [batch.version for file in files for batch in file.batches if batch.version]:
        if found := versions.version_range(text):
            return found, text, "the start-up banner"
    for detail in events.loc[events["what"] == "session", "detail"]:
        text = versions.of_session(detail)
        if text and (found := versions.version_range(text)):
            return found, text, "the session that Milvus registers at start-up"
    return None


def _source_of_version(context: Context) -> str:
    return f"the Milvus at {context.asked}" if context.is_told("milvus.version") else "the context file"


def _version_measured(answers: Answers | None):  # type: ignore[no-untyped-def]
    """The same from a metric."""
    if answers is not None:
        from slowq.metrics import version_of

        if (text := version_of(answers.raw)) and (found := versions.version_range(text)):
            return found, text, "the metric milvus_build_info"
    return None


def _milvus(requests, said, context: Context) -> Milvus:  # type: ignore[no-untyped-def]
    deployment = context.milvus.get("deployment")
    if said is not None:
        (low, high), text, source = said
        return Milvus(text, low, high, deployment, source)
    seen = requests["milvus_version"].astype(object).value_counts()
    if not len(seen):
        text = context.milvus.get("version")
        return Milvus(text, None, None, deployment, _source_of_version(context) if text else None)
    # Requests of one server may tell it more and less exactly; what all of them allow is what it is.
    ranges = [(text, versions.version_range(text.replace(" or later", ""))) for text in seen.index]
    known = [(text, found) for text, found in ranges if found]
    low, high = max(found[0] for _, found in known), min(found[1] for _, found in known)
    source = requests["milvus_version_source"].astype(object).mode()[0]
    if low <= high:
        exact = min(known, key=lambda one: (one[1] != (low, high), one[0]))[0]
        return Milvus(exact, low, high, deployment, source)
    text = ", ".join(sorted(seen.index))
    return Milvus(
        text,
        min(f[0] for _, f in known),
        max(f[1] for _, f in known),
        deployment,
        f"{source}; it differs between requests",
    )
