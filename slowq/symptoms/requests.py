"""What the slow requests ask for."""

from __future__ import annotations

import json

import numpy as np

from slowq import signals, workload
from slowq.facts import Case
from slowq.filter_blame import Indexes
from slowq.filters import Features
from slowq.symptoms.symptom import Symptom, both, of_requests
from slowq.wording import percent
from slowq.workload import stated, vector_fields

_HUNDREDS = 100  # a top-k of 500 took five times as long in issue #22570
_MOST = 0.5
_MANY_SEGMENTS, _MANY_PARTITIONS = 64, 64  # as in too_many_collections
_EVICTION = "queryNode.segcore.tieredStorage.evictionEnabled"


def iterator(case: Case) -> Symptom | None:
    return of_requests(case, workload.of(case).has_param("iterator"), "iterators")


def json_contains(case: Case) -> Symptom | None:
    def contains(features: Features) -> bool:
        return any(name.startswith("json_contains") for name in features.json_functions)

    return of_requests(case, workload.of(case).of_filter(contains), "filters with json_contains")


def prefix_like(case: Case) -> Symptom | None:
    """Prefix patterns on a field that has a Trie, or of which no index is known."""
    return of_predicates(case, "like_prefix", "prefix patterns", or_unknown=True)


def trie_range(case: Case) -> Symptom | None:
    return of_predicates(case, "range", "ranges", or_unknown=False)


def of_predicates(case: Case, kind: str, what: str, *, or_unknown: bool) -> Symptom | None:
    indexes, work = Indexes.of(case), workload.of(case)

    def may_be_a_trie(subject: str, collection: str | None) -> bool:
        field = indexes.field(collection, subject)
        if field is None or field.index is None or field.index.type is None:
            return or_unknown
        return field.index.type.upper() == "TRIE"

    mask = work.of_filter_on(
        lambda features, collection: any(
            one.kind == kind and may_be_a_trie(one.subject, collection) for one in features.predicates
        )
    )
    return of_requests(case, mask, f"filters with {what}{'' if or_unknown else ' on a Trie index'}")


def sparse(case: Case) -> Symptom | None:
    """Searches of a sparse field: by its type, by the metric BM25, or by a parameter that only sparse indexes have."""
    work = workload.of(case)
    names = [
        one.name for _, _, one in vector_fields(case) if (one.type or "").upper() == "SPARSE_FLOAT_VECTOR" and one.name
    ]
    by_param = work.has_param("drop_ratio_search") | work.is_any("metric_type", ["BM25"])
    return of_requests(case, work.is_any("anns_field", names) | by_param, "searches of sparse vectors")


def half_precision(case: Case) -> Symptom | None:
    """Vectors of 16 bits are searched: the type alone makes their distances slow."""
    found = [
        (of.name, stated(case, f"{key}.type", f"The vectors of {of.name or 'the collection'} are of half precision."))
        for of, key, one in vector_fields(case)
        if (one.type or "").upper() in ("FLOAT16_VECTOR", "BFLOAT16_VECTOR")
    ]
    if not found:
        return None
    work = workload.of(case)
    asked = work.is_any("collection", [name for name, _ in found if name])
    unnamed = not work.is_known("collection").any()
    if not asked.any() and not unnamed:
        return None
    return Symptom(tuple(said for _, said in found), None if unnamed else asked, is_unique=True)


def text_index(case: Case) -> Symptom | None:
    mask = workload.of(case).of_filter(lambda features: bool(features.text_functions))
    return of_requests(case, mask, "filters with text functions")


def topk(case: Case) -> Symptom | None:
    mask = workload.of(case).number("top_k") >= _HUNDREDS
    return of_requests(case, mask, f"searches with a top-k of {_HUNDREDS} or more")


def partition_output(case: Case) -> Symptom | None:
    """The same where there are partitions whose names are to be converted."""
    many = [one for one in case.context.collections if (one.partitions or 0) >= _MANY_PARTITIONS]
    says = "The collection has {:,} partitions."
    told = [stated(case, f"{one.key}.partitions", says.format(one.partitions), one.partitions) for one in many]
    named = workload.of(case).slow["partitions"]
    lists = np.array([bool(json.loads(text)) for text in named.cat.categories] + [False], dtype=bool)
    asked = of_requests(case, lists[named.cat.codes.to_numpy()], "requests for partitions by name")
    return both(output(case), Symptom(tuple(told)) if told else asked)


def output(case: Case) -> Symptom | None:
    """Requests of which fetching the output takes most of the time."""
    work, measured = workload.of(case), signals.of(case)
    shares = work.number("requery_s") / work.weight_s
    if (asked := of_requests(case, shares >= _MOST, "requests that fetch output for most of their time")) is not None:
        return asked
    share = measured.phase("requery")
    if not share >= _MOST:
        return None
    track = "requery" if measured.track("requery") else "output"
    return Symptom((measured.says(track, f"Fetching output takes {percent(share)} of the time.", share, _MOST),))


def vector_output(case: Case) -> Symptom | None:
    """Requests that ask for the vectors themselves."""
    work = workload.of(case)
    vectors = {one.name for _, _, one in vector_fields(case)} | set(work.values("anns_field"))
    column = work.slow["output_fields"]
    asks = np.array([bool(vectors & set(json.loads(text))) for text in column.cat.categories] + [False], dtype=bool)
    return of_requests(case, asks[column.cat.codes.to_numpy()], "requests for vectors in the output")


def tiered_output(case: Case) -> Symptom | None:
    tiered = stated(case, f"config.{_EVICTION}", "Tiered storage evicts what is loaded.")
    return both(vector_output(case), Symptom((tiered,)) if case.context.config.get(_EVICTION) is True else None)
