"""What the filter rules have in common: filtered against unfiltered requests of the same case.

The slow log holds slow requests only, and in a queue everybody is as slow as the slowest. So durations tell little, and
what counts is who is in the log: where filtered requests make up nearly all of it, and the unfiltered ones that are in
it ran beside filtered ones, the filters did it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import UNNAMED, Case, FieldFacts, IndexFacts, Version
from slowq.filters import Predicate, served
from slowq.findings import Evidence, Finding
from slowq.measures import ratio
from slowq.rule import About
from slowq.wording import count, do, duration, percent
from slowq.workload import Mask, seen, stated, told_contrast

# Filtered requests that are fewer than this share of the slow seconds stand beside the trouble, not behind it.
_MOST, _FEW = 0.8, 0.3
MUCH_SLOWER = 2.0
# Filters are what is slow where they are at least half of the work on segments, and are not where they are a tenth.
MOST_WORK, _HARDLY_ANY_WORK = 0.5, 0.1
_TOLD = ("scalar_filter_s", "vector_search_s")
_PASTED = 300  # characters of a filter in a snippet


def filter_finding(
    about: About,
    case: Case,
    culprits: Mask,
    *,
    what: str,
    base: float,
    names: dict[str, object] | None = None,
    more: Sequence[Evidence] = (),
    more_weight: float = 0.0,
    keys: Sequence[str] | None = None,
    by_rows: bool = True,
) -> Finding:
    """A finding that blames the filters of the masked requests; `by_rows` where their cost is that of the rows they read."""
    work = workload.of(case)
    contrast = _contrast(case, culprits)
    waits = f", and {count(int(contrast.victims.sum()), 'other request')} waited for them."
    return finding(
        about,
        case,
        culprits,
        confidence=confidence(
            base,
            signs=[
                (contrast.share >= _MOST and work.count >= 5, 0.3),
                (bool(contrast.waited.any()), 0.15),
                (bool(contrast.slower >= MUCH_SLOWER), 0.3),
                (contrast.only_with_filter, 0.5),
                (bool(more), more_weight),
                (bool(contrast.of_work >= MOST_WORK), 0.5),
                (case.context.differs_by_request, 0.2),
            ],
            against=[
                (by_rows and work.asks_few_rows(culprits), 0.5),
                (case.context.comes_and_goes and not contrast.only_with_filter, 0.4),
                (contrast.share < _FEW, 0.5),
                (work.share(contrast.apart) > contrast.share, 0.3),
                (bool(contrast.of_work < _HARDLY_ANY_WORK), 0.7),
            ],
        ),
        summary=f"{percent(contrast.share)} of the slow time is spent by requests that filter {what}"
        + (waits if contrast.victims.any() else "."),
        evidence=[*_evidence(case, culprits, contrast, what), *more],
        names={**_filter(work, culprits), **_field(case, culprits), **(names or {})},
        keys=keys,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Contrast:
    """Filtered requests beside the others."""

    share: float  # of the slow time that the filtered ones spend
    victims: Mask  # others that ran beside them
    waited: Mask  # victims without a filter
    apart: Mask  # requests without a filter that ran apart from them
    slower: float  # times as long as those the filtered ones take; NaN where there are none
    of_work: float  # the share of the work that filters are, by metrics or context file; NaN where neither tells
    only_with_filter: bool  # as the context file says


def _contrast(case: Case, culprits: Mask) -> _Contrast:
    work = workload.of(case)
    victims = work.victims(culprits)
    unfiltered = work.filter_is_known & ~work.has_filter
    apart = ~culprits & ~victims & unfiltered
    slower = work.middle(work.weight_s, culprits) / work.middle(work.weight_s, apart) if apart.any() else float("nan")
    return _Contrast(
        work.share(culprits),
        victims,
        victims & unfiltered,
        apart,
        slower,
        float(np.fmax(signals.of(case).filter_share, told_share(case))),
        bool(case.context.pattern.get("only_with_filter")),
    )


def _evidence(case: Case, culprits: Mask, contrast: _Contrast, what: str) -> Iterator[Evidence]:
    work, measured = workload.of(case), signals.of(case)
    number = int(culprits.sum())
    yield seen(
        work,
        f"{number:,} of {count(work.count, 'slow request')} {do(number, 'filter')} {what} "
        f"({percent(contrast.share)} of the slow time){_example(case, culprits)}",
        culprits,
        contrast.share,
    )
    if number := int(contrast.waited.sum()):
        says = f"{count(number, 'request')} without a filter {do(number, 'are')} slow only beside them."
        yield seen(work, says, contrast.waited)
    if contrast.slower >= MUCH_SLOWER:
        took_s = work.middle(work.weight_s, contrast.apart)
        says = f"Requests without a filter that ran apart from them took {duration(took_s)}."
        yield seen(work, says, contrast.apart, contrast.slower, MUCH_SLOWER)
    if not np.isnan(spent := measured.filter_share):
        name = "core" if measured.track("scalar") is None else "scalar"
        yield measured.says(name, f"Filters take {percent(spent)} of the work on segments.", spent, MOST_WORK)
    if not np.isnan(passes := measured.mean("filter_passes")):
        says = f"On average {percent(passes)} of a segment's rows pass the filters."
        yield measured.says("filter_passes", says, passes)
    yield from told_times(case)
    if case.context.differs_by_request:
        yield from told_contrast(case)
    if contrast.only_with_filter:
        yield stated(case, "pattern.only_with_filter", "Only filtered searches are slow.")


def told_share(case: Case) -> float:
    """The share of filter and vector search together that the filter takes, or of the whole request where nothing is told of
    the vectors, as the context file tells; else NaN."""
    filters, vectors = (case.context.observations.get(key) for key in _TOLD)
    if filters is None:
        return float("nan")
    if vectors is not None:
        return ratio(filters, filters + vectors)
    return ratio(filters, max((one.duration_s or 0.0 for one in case.context.requests), default=0.0))


def told_times(case: Case) -> list[Evidence]:
    """What the context file says of the seconds that filter and vector search take."""
    if np.isnan(share := told_share(case)):
        return []
    filters, vectors = (case.context.observations.get(key) for key in _TOLD)
    of = f", its vectors {duration(vectors)}" if vectors is not None else f", {percent(share)} of its time"
    says = f"The filter of a search takes {duration(filters)}{of}."
    return [stated(case, f"observations.{_TOLD[0]}", says, share, MOST_WORK)]


def _example(case: Case, culprits: Mask) -> str:
    """The shape of the filter that most of the masked seconds have, cut to a line."""
    text = workload.of(case).main("filter_shape", culprits) or ""
    return (": " + (text if len(text) <= 120 else text[:80] + " … " + text[-36:])) if text else "."


def _filter(work: workload.Workload, culprits: Mask) -> dict[str, object]:
    """The dearest filter, where it is short enough to be pasted."""
    text = work.main("filter", culprits)
    return {"filter": text} if text and len(text) <= _PASTED else {}


def _field(case: Case, culprits: Mask) -> dict[str, object]:
    """The field that the commonest shape filters on."""
    work = workload.of(case)
    shapes = work.slow["shape"].to_numpy()[culprits]
    shapes = shapes[shapes >= 0]
    if not len(shapes):
        return {}
    features = case.shapes[int(np.bincount(shapes).argmax())].features
    return {"field": min(features.fields)} if features.fields else {}


@dataclass(frozen=True, slots=True)
class Indexes:
    """What the context file says of the scalar indexes, asked with the predicates of filters.

    `fields`: collection → name of a field → what is known of it. A field without a name is the one that a filter asks
    without naming it, where there is no other.
    """

    fields: Mapping[str | None, Mapping[str, FieldFacts]]
    version: Version | None

    @classmethod
    def of(cls, case: Case) -> Indexes:
        fields: dict[str | None, dict[str, FieldFacts]] = {one.name: {} for one in case.context.collections}
        unnamed = Counter(of.name for of, _, one in case.context.fields() if one.name is None and not one.is_vector)
        for collection, _, one in case.context.fields():
            if not one.is_vector and (one.name is not None or unnamed[collection.name] == 1):
                fields[collection.name][one.name or UNNAMED] = one
        return cls(fields, case.milvus.low if case.milvus.low == case.milvus.high else None)

    def field(self, collection: str | None, name: str) -> FieldFacts | None:
        """What is known of a field; of the one collection of the context where either has no name."""
        known = self.fields.get(collection)
        if known is None and len(self.fields) == 1 and (collection is None or None in self.fields):
            (known,) = self.fields.values()
        return (known or {}).get(name)

    def serve(self, predicate: Predicate, collection: str | None, *, in_doubt: bool = True) -> bool:
        """Whether an index answers the predicate; `in_doubt` is the answer of one that chooses for itself, or whose version
        is not known."""
        name, _, path = predicate.subject.partition("[")
        one = self.field(collection, name)
        if one is None:
            return False
        if one.primary:
            return True
        made = [one.index, *one.more_indexes] if one.index is not None else []
        return any(self._answers(index, name, predicate, path, in_doubt) for index in made)

    def _answers(self, index: IndexFacts, name: str, predicate: Predicate, path: str, in_doubt: bool) -> bool:
        if not index.type or index.state == "failed":
            return False
        of_path = str(index.params.get("json_path") or name)
        if path and _words(of_path) not in (_words(name), _words(predicate.subject)):
            return False
        answer = served(predicate.kind, index.type, self.version)
        return in_doubt if answer is None else answer


def _words(path: str) -> list[str]:
    """The keys of a JSON path, however it is written: meta["a"], meta['a'], /a."""
    return re.findall(r"\w+", path)


def scalar_fields(case: Case) -> list[tuple[str, FieldFacts]]:
    """Scalar fields of the context, each with the key under which it stands."""
    return [
        (f"{collection.key}.fields[{position}]", one)
        for collection, position, one in case.context.fields()
        if not one.is_vector
    ]


def titled(field: FieldFacts) -> str:
    """How a sentence about a field begins."""
    return f"The field {field.name}" if field.name else "A field"
