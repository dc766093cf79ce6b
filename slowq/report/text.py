"""How every report says things: log text made visible, numbers made human, the document's facts put into words.

Guarantees: nothing here needs more than the JSON document. What `visible` returns holds no control, bidi or zero-width
character, so that no log can move a cursor, colour a screen or hide a word. The other functions do not call it: each
renderer does, once, at its own border.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.cells import cell_len, set_cell_size

from slowq.report.receipts import catalogued, effect, is_receipt, sentence
from slowq.wording import count as count
from slowq.wording import duration as duration
from slowq.wording import period as period
from slowq.wording import share as share
from slowq.wording import share_of as share_of

Document = Mapping[str, Any]

# Printable for Python, yet drawn as nothing: combining joiners, fillers and variation selectors.
_DRAWN_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    r"""The text with everything that is not plainly printable written out: ``\n``, ``\x1b``, ``\u202e``.

    That is what Python calls unprintable (controls, bidi and zero-width characters, lone surrogates, unassigned code
    points, every space but the plain one) and what is drawn as nothing. Backslashes stay single: filters are full of
    them.
    """
    if text.isprintable() and _DRAWN_AS_NOTHING.search(text) is None:
        return text
    return "".join(one if _shows(one) else one.encode("unicode_escape").decode("ascii") for one in text)


def _shows(character: str) -> bool:
    return character.isprintable() and _DRAWN_AS_NOTHING.match(character) is None


def elide(text: str, width: int, mark: str = "…") -> str:
    """The text in at most `width` terminal cells: its beginning and its end, with `mark` for what is between."""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(mark)
    if room < 2:
        return set_cell_size(text, max(width, 0)).rstrip()
    head = set_cell_size(text, room - room // 2).rstrip()
    tail = set_cell_size(text[::-1], room // 2)[::-1].lstrip()
    return head + mark + tail


def sureness(confidence: float) -> str:
    """``about 85 % sure``: to the nearest 5 %, as more digits than that would claim too much."""
    if confidence > 0.97:
        return "over 95 % sure"
    if confidence < 0.05:
        return "under 5 % sure"
    return f"about {int(confidence * 20 + 0.5) * 5} % sure"


_CAPITALS = {"nq": "NQ", "json": "JSON", "cpu": "CPU"}


def words(slug: str) -> str:
    """``json_filter`` as a reader says it: JSON filter."""
    return " ".join(_CAPITALS.get(word, word) for word in slug.split("_"))


OUTCOMES: Mapping[str, str] = {
    "diagnosed": "Diagnosed",
    "nothing_slow": "Nothing slow",
    "undetermined": "Undetermined",
}


def headline(verdict: Mapping[str, Any]) -> tuple[str, str, str]:
    """Outcome, cause and confidence in words; the latter two are empty where there is none."""
    outcome = OUTCOMES.get(verdict["outcome"], str(verdict["outcome"]))
    sub_cause, cause, confidence = verdict.get("sub_cause"), verdict.get("cause"), verdict.get("confidence")
    named = f"{words(sub_cause)} ({words(cause)})" if sub_cause and cause else words(sub_cause or cause or "")
    return outcome, named, sureness(confidence) if confidence is not None else ""


def moment(at: str | None) -> datetime | None:
    """The time of an ISO 8601 text, in UTC; None where it is none."""
    try:
        when = datetime.fromisoformat(at) if at else None
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when and when.tzinfo is None else when and when.astimezone(UTC)


def clock(at: str | None, form: str = "%H:%M:%S") -> str:
    """The time of day, ``04:59:22``, or whatever else the form asks for."""
    when = moment(at)
    return f"{when:{form}}" if when else at or "unknown time"


def span(start: str | None, end: str | None) -> str:
    """``2026-11-21 04:59:22 to 05:00:26 UTC (1 m 04 s)``; the second date only where it differs."""
    first, last = moment(start), moment(end)
    if first is None or last is None:
        return f"{start} to {end}" if start and end else "window unknown"
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {until} UTC ({duration((last - first).total_seconds())})"


def glance(document: Document) -> list[str]:
    """The incident in a few short phrases: when, how many, how long in total, which Milvus."""
    requests, window = document["requests"], document["window"]
    took = requests.get("duration_s") or {}
    phrases = [span(window["start"], window["end"])] if window["start"] else []
    slow = "" if document["verdict"]["outcome"] == "nothing_slow" and requests["count"] else "slow "
    phrases.append(count(requests["count"], f"{slow}request") if requests["count"] else "no slow request")
    if requests["count"]:
        if took.get("sum") is None:
            phrases.append("of unknown duration")
        else:
            phrases.append(f"{duration(took['sum'])} in total")
            phrases.append(f"p50 {duration(took.get('p50'))}, p99 {duration(took.get('p99'))}")
    phrases.append(_milvus(document["milvus"]))
    return phrases


def onset(document: Document) -> str | None:
    """Since when it is slow, and what was done just before; None where that is not known, and where nothing is slow."""
    began = document.get("onset")
    if not began or document["verdict"]["outcome"] == "nothing_slow":
        return None
    if began["latency_after_s"] is not None:
        told = (
            f"a search took {duration(began['latency_before_s'])} before and {duration(began['latency_after_s'])} after"
        )
    else:
        told = f"no request was slow from {clock(began['known_from'])} to then"
    deeds = [
        words(one["what"]) + (f" ({one['count']:,} times)" if one["count"] > 1 else f" ({clock(one['at'])})")
        for one in began["just_before"]
    ]
    before = f" Within a minute before: {', '.join(deeds)}." if deeds else ""
    return f"Slow since {clock(began['at'], '%Y-%m-%d %H:%M:%S')} UTC: {told}.{before}"


def _milvus(milvus: Mapping[str, Any]) -> str:
    version, deployment = milvus.get("version"), milvus.get("deployment")
    named = " ".join(filter(None, ("Milvus", version, deployment, "" if version else "of unknown version")))
    return f"{named} (from {milvus['source']})" if milvus.get("source") else named


def folder(inputs: Sequence[Mapping[str, Any]]) -> str:
    """The folder that all inputs share, with its slash; said once, so that no cite has to repeat it."""
    shared: list[str] | None = None
    for one in inputs:
        steps = one["path"].split("/")[:-1]
        if shared is None:
            shared = steps
        same = [a == b for a, b in zip(shared, steps, strict=False)]
        shared = shared[: same.index(False) if False in same else len(same)]
    return "/".join(shared) + "/" if shared else ""


def places(cites: Sequence[Mapping[str, Any]], limit: int, folder: str) -> tuple[list[str], int]:
    """Where evidence was read, at most `limit` places, lines of one file together; and how many were left out."""
    by_file: dict[str, list[str]] = {}
    for cite in cites[:limit]:
        if "metric" in cite:
            start, end = cite.get("window") or (None, None)
            by_file[f"{cite['metric']} ({clock(start)} to {clock(end)})"] = []
        else:
            by_file.setdefault(cite["path"].removeprefix(folder), []).append(str(cite["line"]))
    said = [f"{name}:{', '.join(lines)}" if lines else name for name, lines in by_file.items()]
    return said, max(len(cites) - limit, 0)


def findings(document: Document) -> list[Mapping[str, Any]]:
    """Those to show; the others are counted by `minor`."""
    return [one for one in document["findings"] if not one.get("minor")]


def minor(document: Document) -> str | None:
    """What is said of findings that weigh too little to stand beside the others; None where there are none."""
    names = [words(one["sub_cause"]) for one in document["findings"] if one.get("minor")]
    if not names:
        return None
    why = ("each " if len(names) > 1 else "") + "unlikely or expected to explain less than 1 %"
    return f"{count(len(names), 'more finding')}, {why}: {', '.join(names)} (in the JSON)"


def roles(findings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Pattern id → ``culprit`` or ``victim``; the finding in front decides."""
    said: dict[str, str] = {}
    for finding in findings:
        for role, key in (("culprit", "culprits"), ("victim", "victims")):
            for pattern in finding.get(key) or ():
                said.setdefault(pattern, role)
    return said


def collection(pattern: Mapping[str, Any]) -> str:
    """``database.collection``; without the database where it is the default one."""
    database, name = pattern.get("database"), pattern.get("collection") or "unknown"
    return name if database in (None, "", "default") else f"{database}.{name}"


def filtered(pattern: Mapping[str, Any]) -> str:
    """A pattern's filter; a filter that is null was not logged, an empty one was not sent."""
    return "unknown" if pattern["filter"] is None else pattern["filter"] or "none"


def wanted(skipped: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """What to supply → the rules that it lets judge; what helps most comes first."""
    rules: dict[str, list[str]] = {}
    for one in skipped:
        rules.setdefault(one["how_to_supply"], []).append(one["sub_cause"])
    return sorted(rules.items(), key=lambda item: -len(item[1]))


# The parts of the vector search are told beside it, not added to it.
_PARTS = ("vector_search_growing", "vector_search_sealed")


def phases(document: Document) -> list[tuple[str, Mapping[str, Any]]]:
    """Where a search spends its time: the known phases that make up its latency, the largest first."""
    known = [(name, one) for name, one in (document.get("phases") or {}).items() if one and name not in _PARTS]
    return sorted(known, key=lambda item: -(item[1]["share"] or 0))


def phase(name: str, one: Mapping[str, Any]) -> str:
    """``queue 78 % (6.3 s, before 695 ms)``; a derived one says so."""
    before = one.get("baseline_mean_s")
    told = duration(one["mean_s"]) + (f", before {duration(before)}" if before is not None else "")
    return f"{words(name)} {share(one['share'])} ({told}{', derived' if one.get('derived') else ''})"


def p99(one: Mapping[str, Any]) -> str:
    """``1.3 s``; ``over 2 m 11 s`` where it lies above all that its histogram tells apart."""
    told = duration(one["p99_s"])
    return f"over {told}" if one.get("p99_at_least") else told


def by_collection(document: Document) -> list[Mapping[str, Any]]:
    """The collections that metrics tell of, where there are several; those that take most time first."""
    found = (document.get("metrics") or {}).get("by_collection") or []
    return found if len(found) > 1 else []


def measured(receipt: Mapping[str, Any]) -> str:
    """A receipt in one sentence; one that is not slowq's own as what it holds, before and after first."""
    if is_receipt(receipt):
        return sentence(receipt)
    rest = [_plain(key, value) for key, value in receipt.items() if key not in ("before", "after")]
    if "before" in receipt and "after" in receipt:
        rest.insert(0, f"{_value(receipt['before'])} before, {_value(receipt['after'])} after")
    return "; ".join(rest)


def proof(remedy: Mapping[str, Any], *, in_short: bool = False) -> str:
    """What a reproduction measured of a remedy; without one, what slowq's own scenario of that cause did. In short, of
    our own receipt only the outcome and the p99."""
    receipt = remedy.get("receipt")
    if receipt:
        return effect(receipt) if in_short and is_receipt(receipt) else measured(receipt)
    catalogue = catalogued(remedy.get("catalogue"))
    return f"not yet proven on your data; {catalogue}" if catalogue else "not yet proven on your data"


def also_tried(receipt: Mapping[str, Any]) -> str:
    """Why the finding does not offer it, if that is known, behind what it is."""
    says, note = str(receipt.get("says", "")), receipt.get("note")
    return f"{says} ({note})" if isinstance(note, str) and note else says


def _plain(key: str, value: Any) -> str:
    if key.endswith("_s") and isinstance(value, int | float):
        return f"{key[:-2].replace('_', ' ')} {duration(value)}"
    return f"{key.replace('_', ' ')} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(_plain(key, one) for key, one in value.items())
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def understood(coverage: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """How much was read, how much of it was understood, and where it was."""
    shared = folder(inputs)
    where = inputs[0]["path"] if len(inputs) == 1 else count(len(inputs), "file") + (f" in {shared}" if shared else "")
    if not coverage["lines"]:
        return ["no log line", where]
    said = coverage.get("share_understood")
    # Cut, not rounded: all is said of a log only when every line was read.
    exactly = "unknown share" if said is None else "all" if said >= 1 else f"{int(said * 1e4) / 100:.2f} %"
    counts = {"unrecognised": coverage["unrecognised_lines"], "malformed slow": coverage["malformed_slow_lines"]}
    parts = [f"{number:,} {word}" for word, number in counts.items() if number]
    lost = f" ({', '.join(parts)})" if parts else ""
    return [f"{count(coverage['lines'], 'line')}, {exactly} understood{lost}", where]


@dataclass(frozen=True, slots=True)
class Strip:
    """Latency over time, cut into cells of equal time: the slowest request of each, None where there was none.

    `step_s` is the time that one value stands for: a cell's, or the bucket's where a bucket has several cells.
    """

    cells: tuple[float | None, ...]
    step_s: float
    start: datetime
    end: datetime

    @property
    def peak_s(self) -> float:
        return max((cell for cell in self.cells if cell is not None), default=0.0)

    def column(self, at: datetime) -> int:
        """The cell of a time; the first or the last one for a time outside."""
        passed = (at - self.start) / (self.end - self.start)
        return min(max(int(passed * len(self.cells)), 0), len(self.cells) - 1)

    def bars(self, levels: str, gap: str) -> str:
        """One character a cell, from `levels`, the lowest first; `gap` where nothing was slow."""
        top = self.peak_s or 1.0
        highest = len(levels) - 1
        return "".join(gap if c is None else levels[min(int(c / top * len(levels)), highest)] for c in self.cells)

    @property
    def form(self) -> str:
        """How its times are written: with the date where the clock alone is ambiguous."""
        return "%H:%M:%S" if self.end - self.start < timedelta(days=1) else "%m-%d %H:%M"

    def axis(self) -> str:
        """Its times, under the cells they belong to; as many as there is room for."""
        labels = [f"{at:{self.form}}" for at in (self.start, self.start + (self.end - self.start) / 2, self.end)]
        if len(self.cells) < 2 * len(labels[0]) + 2:
            return f"{labels[0]} to {labels[2]}"
        middle = labels[1] if len(self.cells) >= 60 else ""
        return labels[0] + middle.center(len(self.cells) - 2 * len(labels[0])) + labels[2]


# A bucket is drawn at most this wide, so that two of them do not become a wall.
_WIDEST_BUCKET = 6


def strip(series: Mapping[str, Any] | None, width: int) -> Strip | None:
    """The document's series in at most `width` cells: buckets merged or widened evenly. None where there is nothing."""
    start = moment(series["start"]) if series else None
    if not series or start is None or not any(bucket["count"] for bucket in series["buckets"]) or width < 1:
        return None
    slowest = [bucket["max_s"] if bucket["count"] else None for bucket in series["buckets"]]
    buckets = len(slowest)
    drawn = min(width // buckets, _WIDEST_BUCKET) * buckets if buckets <= width else width
    cells = []
    for at in range(drawn):
        first = at * buckets // drawn
        group = slowest[first : max((at + 1) * buckets // drawn, first + 1)]
        cells.append(max((one for one in group if one is not None), default=None))
    end = start + timedelta(seconds=series["step_s"] * len(slowest))
    return Strip(tuple(cells), max(series["step_s"], series["step_s"] * buckets / drawn), start, end)


BARS = "▁▂▃▄▅▆▇█"
MARKS = "123456789abcdefghijklmnopqrstuvwxyz"


def marks(drawn: Strip, events: Sequence[Mapping[str, Any]], listed: int, unlisted: str) -> str:
    """A line under the strip: each event at its time, one of the first `listed` by its own mark, others as `unlisted`.

    A cell with two events shows `+`.
    """
    line = [" "] * len(drawn.cells)
    for number, event in enumerate(events):
        at = moment(event.get("at"))
        if at is not None:
            column = drawn.column(at)
            mark = MARKS[number] if number < min(listed, len(MARKS)) else unlisted
            line[column] = mark if line[column] == " " else "+"
    return "".join(line).rstrip()
