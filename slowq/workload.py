"""What the slow requests of a case have in common, and who waited for whom: the questions that rules ask.

All masks are boolean arrays over `Workload.slow`, the slow requests. A slow request ran in `[at - duration, at]`, so
overlap in time is known from the log alone: requests that ran beside a culprit for most of their life are its victims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from slowq.facts import FEW_ROWS, MUCH_LONGER, SLOW_S, STEADY_S, Case, CollectionFacts, EventFacts, FieldFacts, Place
from slowq.findings import Evidence
from slowq.grouping import rows_of
from slowq.wording import duration

if TYPE_CHECKING:
    from slowq.filters import Features

Mask = np.ndarray

# A request is a victim when culprits ran during at least this share of its life: less is chance.
VICTIM_SHARE = 0.5
_MAX_CITES = 3
# What remedies call it → the column that holds it.
_NAMES = {
    "collection": "collection",
    "database": "database",
    "vector_field": "anns_field",
    "metric_type": "metric_type",
}


@dataclass(frozen=True, eq=False)
class Workload:
    """The slow requests, and arithmetic over them."""

    case: Case

    @cached_property
    def slow(self) -> pd.DataFrame:
        requests = self.case.requests
        if requests["slow"].all():
            return requests
        return requests[requests["slow"].to_numpy(dtype=bool)].reset_index(drop=True)

    @property
    def count(self) -> int:
        return len(self.slow)

    @cached_property
    def weight_s(self) -> np.ndarray:
        """Seconds of each request; of one whose duration is not known, those of a usual one."""
        seconds = self.slow["duration_s"].to_numpy(dtype="float64")
        known = seconds[~np.isnan(seconds)]
        return np.where(np.isnan(seconds), np.median(known) if len(known) else 1.0, seconds)

    @cached_property
    def has_durations(self) -> bool:
        return bool(self.slow["duration_s"].notna().any())

    @cached_property
    def total_s(self) -> float:
        return float(self.weight_s.sum())

    def share(self, mask: Mask) -> float:
        """Share of the slow seconds."""
        return float(min(1.0, self.weight_s[mask].sum() / self.total_s)) if self.total_s else 0.0

    # ----------------------------------------------------------------------------------------------------------------
    # Time.

    @cached_property
    def ended_s(self) -> np.ndarray:
        return unix_s(self.slow["at"])

    @cached_property
    def started_s(self) -> np.ndarray:
        return unix_s(self.slow["started"])

    @cached_property
    def window_s(self) -> float:
        """From the start of the first slow request to the end of the last; 0 where times are unknown."""
        if not self.count or np.isnan(self.ended_s).all() or np.isnan(self.started_s).all():
            return 0.0
        return float(np.nanmax(self.ended_s) - np.nanmin(self.started_s))

    @cached_property
    def busy_s(self) -> float:
        """For how long at least one slow request ran: the window without the quiet between bursts; 0 where times are
        unknown."""
        return covered_s(self.started_s, self.ended_s, -np.inf, np.inf) if self.window_s else 0.0

    @cached_property
    def at_once(self) -> float:
        """How many slow requests ran at the same time, on average over the time in which some did (Little's law); 0 where
        times are unknown."""
        return self.total_s / self.busy_s if self.busy_s else 0.0

    @cached_property
    def per_second(self) -> float:
        """How many slow requests were answered a second, while some ran."""
        return self.count / self.busy_s if self.busy_s else 0.0

    def covered_share(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """For each slow request the share of its life during which at least one of the intervals ran."""
        if not len(starts) or not self.count:
            return np.zeros(self.count)
        merged = _merged(starts, ends)
        # Total covered length up to any moment, so that a request's covered part is a difference of two look-ups.
        lengths = np.cumsum(merged[:, 1] - merged[:, 0])
        covered_until = np.column_stack([np.concatenate([[0.0], lengths[:-1]]), lengths]).ravel()
        covered_s = np.interp(self.ended_s, merged.ravel(), covered_until)
        covered_s -= np.interp(self.started_s, merged.ravel(), covered_until)
        share: np.ndarray = covered_s / np.maximum(self.ended_s - self.started_s, 1e-3)
        share[np.isnan(share)] = 0.0
        return share

    def slower(self, inside: Mask) -> Mask:
        """Those inside that took longer than a usual request outside, of their own pattern where there is one; all where
        there is no outside."""
        seconds, (patterns, names) = self.number("duration_s"), self._numbered("pattern")
        outside = ~inside & ~np.isnan(seconds)
        if not outside.any():
            return inside
        usual = np.full(len(names) + 1, np.median(seconds[outside]))
        of_pattern = pd.Series(seconds[outside]).groupby(patterns[outside]).median()
        known = of_pattern.index.to_numpy() >= 0
        usual[of_pattern.index[known]] = of_pattern[known]
        return np.asarray(inside & (self.weight_s > usual[patterns]))

    def victims(self, culprits: Mask) -> Mask:
        """Slow requests that are no culprits, and beside which culprits ran for most of their life."""
        if not culprits.any():
            return culprits.copy()
        covered = self.covered_share(self.started_s[culprits], self.ended_s[culprits])
        return np.asarray(~culprits & (covered >= VICTIM_SHARE))

    # ----------------------------------------------------------------------------------------------------------------
    # Columns.

    def number(self, name: str) -> np.ndarray:
        return self.slow[name].to_numpy(dtype="float64")

    def is_known(self, name: str) -> Mask:
        return np.asarray(self._numbered(name)[0] >= 0)

    def is_any(self, name: str, values: Sequence[str]) -> Mask:
        return np.array(self.slow[name].isin(values), dtype=bool)

    def of_filter(self, question: Callable[[Features], bool]) -> Mask:
        """Requests whose filter's features answer yes. Each shape is asked once."""
        answers = np.array([question(shape.features) for shape in self.case.shapes] + [False], dtype=bool)
        return np.asarray(answers[self.slow["shape"].to_numpy()])

    def of_filter_on(self, question: Callable[[Features, str | None], bool]) -> Mask:
        """The same where the answer depends on the collection too. Each pair of shape and collection is asked once."""
        numbers, pairs = self._filters
        answers = np.array([question(*one) for one in pairs] + [False], dtype=bool)
        return np.asarray(answers[numbers])

    def filters(self, mask: Mask) -> list[tuple[Features, str | None]]:
        """The features of the masked requests' filters, each once for every collection."""
        numbers, pairs = self._filters
        return [pairs[number] for number in np.unique(numbers[mask]) if number >= 0]

    @cached_property
    def _filters(self) -> tuple[np.ndarray, list[tuple[Features, str | None]]]:
        """Each request's filter and collection as a number, -1 where the filter is unknown, and the pairs."""
        shapes, (collections, names) = self.slow["shape"].to_numpy(), self._numbered("collection")
        width = len(names) + 1
        codes = np.where(shapes >= 0, shapes * width + collections + 1, -1)
        distinct, numbers = np.unique(codes, return_inverse=True)
        unknown = int(len(distinct) > 0 and distinct[0] < 0)
        return numbers - unknown, [
            (self.case.shapes[code // width].features, str(names[code % width - 1]) if code % width else None)
            for code in distinct[unknown:].tolist()
        ]

    @cached_property
    def filter_is_known(self) -> Mask:
        """Whether the log shows what the request filtered on, be it nothing; Milvus 3.0 does not."""
        return np.asarray(self.slow["shape"].to_numpy() >= 0)

    @cached_property
    def has_filter(self) -> Mask:
        return self.of_filter(lambda features: features.comparisons > 0)

    def param(self, name: str) -> np.ndarray:
        """A number among the search params, also inside their `params`; NaN where it is not there."""
        return self._of_params(lambda flat: _as_float(flat.get(name)))

    def has_param(self, name: str) -> Mask:
        """Whether a search param is given and is not off; 0 is given, as a radius may be."""
        return np.asarray(self._of_params(lambda flat: float(not _is_off(flat.get(name)))) == 1.0)

    def _of_params(self, of: Callable[[dict[str, Any]], float]) -> np.ndarray:
        column = self.slow["search_params"]
        if not len(column):
            return np.array([])
        values = np.array([of(flat_params(text)) for text in column.cat.categories] + [np.nan])
        return np.asarray(values[column.cat.codes.to_numpy()])

    @cached_property
    def nq(self) -> np.ndarray:
        """nq; where Milvus does not log it (before 2.3.4), vector bytes over the smallest of the same collection."""
        nq = self.number("nq")
        size = self.number("vector_bytes")
        missing = np.isnan(nq) & ~np.isnan(size)
        if not missing.any():
            return nq
        keys = [self.slow[name].astype(object).fillna("") for name in ("collection", "anns_field")]
        smallest = pd.Series(size).groupby(keys, dropna=False).transform("min").to_numpy()
        return np.where(missing, np.floor(size / smallest), nq)

    # ----------------------------------------------------------------------------------------------------------------
    # What a finding shows.

    def cites(self, mask: Mask, most: int = _MAX_CITES) -> tuple[Place, ...]:
        """The slowest of the masked requests."""
        rows = self.slowest(np.flatnonzero(mask), most)
        return tuple(Place(str(self.slow["path"].iloc[row]), int(self.slow["line"].iloc[row])) for row in rows)

    def slowest(self, rows: np.ndarray, most: int) -> np.ndarray:
        """The slowest of these rows, at most so many; of equally slow ones the first."""
        if len(rows) > most > 0:
            weight_s = self.weight_s[rows]
            rows = rows[weight_s >= np.partition(weight_s, len(rows) - most)[len(rows) - most]]
        return rows[np.argsort(-self.weight_s[rows], kind="stable")][:most]

    def patterns(self, mask: Mask) -> tuple[str, ...]:
        """Ids of the masked requests' patterns, dearest first."""
        ids, sums = self._sums("pattern", mask)
        order = sorted(np.flatnonzero(sums > 0), key=lambda i: (-sums[i], ids[i]))
        return tuple(str(ids[i]) for i in order)

    def main(self, name: str, mask: Mask) -> str | None:
        """The value of a text column that most of the masked seconds have."""
        values, sums = self._sums(name, mask)
        return str(values[int(np.argmax(sums))]) if sums.any() else None

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a text column that a slow request has."""
        codes, values = self._numbered(name)
        return tuple(str(value) for value in values[np.unique(codes[codes >= 0])])

    def _sums(self, name: str, mask: Mask) -> tuple[np.ndarray, np.ndarray]:
        """The values of a text column, sorted, and the masked seconds of each."""
        codes, values = self._numbered(name)
        rows = np.flatnonzero(mask)
        sums = np.bincount(codes[rows] + 1, weights=self.weight_s[rows], minlength=len(values) + 1)
        return values, sums[1:]  # the first are the seconds of those whose value is unknown

    def _numbered(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Each request's value as a number, -1 where it is unknown, and the values."""
        if name not in self._numbers:
            column = self.slow[name]
            values: Any
            if isinstance(column.dtype, pd.CategoricalDtype):
                codes, values = column.cat.codes.to_numpy(), column.cat.categories
            else:
                codes, values = pd.factorize(column)
            self._numbers[name] = codes.astype("int32"), np.asarray(values)
        return self._numbers[name]

    @cached_property
    def _numbers(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}

    def groups(self, *names: str) -> list[tuple[tuple[str | None, ...], np.ndarray]]:
        """The rows of each combination of values of text columns, sorted by value; those whose value is unknown last."""
        numbers, columns = np.zeros(self.count, dtype="int64"), []
        for name in names:
            codes, values = self._numbered(name)
            columns.append([*values.tolist(), None])
            numbers = numbers * len(columns[-1]) + np.where(codes < 0, len(values), codes)
        found = []
        for number, rows in rows_of(numbers):
            words = []
            for values in reversed(columns):
                number, code = divmod(number, len(values))
                words.append(values[code])
            found.append((tuple(reversed(words)), rows))
        return found

    def middle(self, values: np.ndarray, mask: Mask) -> float:
        """The median over the masked requests; NaN for none."""
        chosen = values[mask]
        chosen = chosen[~np.isnan(chosen)]
        return float(np.median(chosen)) if len(chosen) else float("nan")

    def names(self, mask: Mask) -> dict[str, object]:
        """The incident's own names, for remedies: the requests' own words, and then the context file's."""
        found: dict[str, object] = {}
        for key, column in _NAMES.items():
            if (value := self.main(column, mask)) is not None:
                found[key] = value
        top_k = self.middle(self.number("top_k"), mask)
        if top_k == top_k:
            found["top_k"] = int(top_k)
        if self.case.milvus.version:
            found["version"] = self.case.milvus.version
        described = self.collection(mask)
        found["replicas"] = 1 + ((described.replicas if described else None) or 1)  # one more than there are
        vectors = [one for one in described.fields if one.is_vector] if described else []
        asked = found.get("vector_field", vectors[0].name if len(vectors) == 1 else None)
        for one in vectors:
            if one.name is not None and one.name == asked:
                index = one.index
                told = {"vector_field": one.name, "dim": one.dim, "metric_type": index.metric if index else None}
                found = {key: value for key, value in told.items() if value is not None} | found
        return found

    def collection(self, mask: Mask) -> CollectionFacts | None:
        """What the context says of the collection that most of the masked requests ask."""
        return self.case.context.collection(self.main("collection", mask))

    def asks_few_rows(self, mask: Mask) -> bool:
        """Whether most of the masked requests ask a collection of so few rows that reading them all would not take as long."""
        asked = self.collection(mask)
        rows = asked.rows if asked else None
        return rows is not None and rows < FEW_ROWS and self.middle(self.weight_s, mask) >= SLOW_S


@lru_cache(maxsize=4)
def of(case: Case) -> Workload:
    """The workload of a case; worked out once, whoever asks."""
    return Workload(case)


def seen(workload: Workload, says: str, mask: Mask, value: float | None = None, limit: float | None = None) -> Evidence:
    """Evidence that the masked requests give, cited with the slowest of them."""
    return Evidence(says, workload.cites(mask), value, limit)


def told_contrast(case: Case) -> list[Evidence]:
    """How much faster a described request is when all is well, where that is much."""
    for one in case.context.requests:
        if one.is_fast_otherwise and one.fast_duration_s:
            here = duration(one.duration_s) if one.duration_s else "times out"
            says = f"The same request takes {duration(one.fast_duration_s)} at other times and {here} here."
            limit_s = MUCH_LONGER * one.fast_duration_s
            return [stated(case, f"{one.key}.fast_duration_s", says, one.duration_s, limit_s)]
    return []


def stated(case: Case, key: str, says: str, value: float | None = None, limit: float | None = None) -> Evidence:
    """Evidence that the context file gives, cited with its line."""
    return Evidence(says, (case.context.cite(key),), value, limit)


def happened(case: Case, events: Sequence[EventFacts]) -> Iterator[Evidence]:
    """What the context file says that happened to something, and whether it is slow only after that."""
    for one in events:
        yield stated(case, f"{one.key}.what", f"What happened to {one.subject}: {one.what}.")
    if case.context.is_only_after(events):
        yield stated(case, "pattern.only_after", "It is slow only after that.")


def logged(events: pd.DataFrame, says: str, value: float | None = None, limit: float | None = None) -> Evidence:
    """Evidence that other lines of the log give, cited with the first of them."""
    first = events.head(_MAX_CITES)
    cites = tuple(Place(str(path), int(line)) for path, line in zip(first["path"], first["line"], strict=True))
    return Evidence(says, cites, value, limit)


def longest_s(events: pd.DataFrame) -> float:
    """The longest duration that other lines of the log tell; 0 where none does."""
    return float(np.nan_to_num(events["duration_s"].max())) if len(events) else 0.0


def events_of(case: Case, *kinds: str) -> pd.DataFrame:
    """The events of these kinds that lie in the time of the slow requests; all of them where no time is known."""
    found: pd.DataFrame = case.events[_is_what(case, *kinds) & _is_beside(case)]
    return found


def _is_what(case: Case, *kinds: str) -> Mask:
    """Whether each event is of one of these kinds."""
    what = case.events["what"].cat
    return np.asarray(np.append(what.categories.isin(kinds), False)[what.codes.to_numpy()])


@lru_cache(maxsize=4)
def _is_beside(case: Case) -> Mask:
    """Whether each event lies in the time of the slow requests; all do where no time is known."""
    work = of(case)
    if not work.window_s:
        return np.ones(len(case.events), dtype=bool)
    at = unix_s(case.events["at"])
    return np.asarray((at >= np.nanmin(work.started_s)) & (at <= np.nanmax(work.ended_s)))


@lru_cache(maxsize=64)
def spans(case: Case, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (Unix seconds) of what went on, from the lines that begin and end it.

    Lines get lost, where a log was rotated or cut. So a start without an end says that it ran then, for STEADY_S, and
    not until the log ends; an end without a start tells the duration that it states, or STEADY_S before it. Worked out
    once for each kind, whoever asks.
    """
    events = case.events
    is_chosen = _is_what(case, what) & events["state"].isin(["start", "done"]).to_numpy(dtype=bool)
    chosen = events.loc[is_chosen, ["at", "state", "subject", "duration_s"]]
    at = unix_s(chosen["at"])
    is_start = (chosen["state"] == "start").to_numpy(dtype=bool)
    subject = pd.factorize(chosen["subject"].fillna(""))[0]
    # Of one subject a new run begins where a start follows an end: the same collection is loaded again and again.
    order = np.lexsort((~is_start, at, subject))
    at, is_start, subject = at[order], is_start[order], subject[order]
    began = np.concatenate([[True], (subject[1:] != subject[:-1]) | (is_start[1:] & ~is_start[:-1])])[: len(order)]
    runs = np.flatnonzero(began)
    if not len(runs):
        return at, at
    starts = np.fmin.reduceat(np.where(is_start, at, np.nan), runs)
    ends = np.fmax.reduceat(np.where(is_start, np.nan, at), runs)
    took_s = np.fmax.reduceat(chosen["duration_s"].to_numpy(dtype="float64")[order], runs)
    lost_end, lost_start = np.isnan(ends), np.isnan(starts)
    ends = np.where(lost_end, starts + STEADY_S, ends)
    return np.where(lost_start, ends - np.where(np.isnan(took_s), STEADY_S, took_s), starts), ends


def covered_s(starts: np.ndarray, ends: np.ndarray, first: float, last: float) -> float:
    """For how long, between two moments, at least one of the intervals ran."""
    merged = np.clip(_merged(starts, ends), first, last)
    return float((merged[:, 1] - merged[:, 0]).sum())


@lru_cache(maxsize=65536)
def _flat(text: str) -> dict[str, Any]:
    import json

    params = json.loads(text)
    inner = params.get("params")
    return {**params, **inner} if isinstance(inner, dict) else params


def flat_params(text: str) -> dict[str, Any]:
    """Search params and those inside their `params` in one mapping."""
    return _flat(text)


def _is_off(value: Any) -> bool:
    return value is None or value is False or str(value).lower() in ("", "false")


def _as_float(value: Any) -> float:
    if isinstance(value, bool):
        return float("nan")
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else float("nan")
    except ValueError:
        return float("nan")


def unix_s(column: pd.Series) -> np.ndarray:
    """Unix seconds; NaN for no time."""
    moments = column.to_numpy(dtype="datetime64[ms]")
    return np.where(np.isnat(moments), np.nan, moments.astype("int64") / 1e3)


def _merged(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Overlapping intervals as disjoint ones, sorted; shape (n, 2)."""
    known = ~(np.isnan(starts) | np.isnan(ends))
    starts, ends = starts[known], ends[known]
    if not len(starts):
        return np.zeros((1, 2))
    # With starts and ends each sorted, nothing runs before the i-th start if i intervals have ended by then.
    starts, ends = np.sort(starts), np.sort(ends)
    gaps = np.flatnonzero(starts[1:] > ends[:-1])
    return np.column_stack([starts[np.concatenate([[0], gaps + 1])], ends[np.concatenate([gaps, [len(ends) - 1]])]])


def vector_fields(case: Case) -> list[tuple[CollectionFacts, str, FieldFacts]]:
    """Vector fields of the context, each with the key under which it stands."""
    return [
        (collection, f"{collection.key}.fields[{position}]", one)
        for collection, position, one in case.context.fields()
        if one.is_vector
    ]
