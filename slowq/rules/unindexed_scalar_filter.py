"""My search is slow as soon as I add a filter, because the field has no index.

Symptom
    Searches with a filter on an ordinary field are slow; the same searches without it are fast. The duration grows
    with the number of rows, not with top-k or nq.

Cause
    Without a scalar index every segment reads the column and compares every row before the vector search begins,
    for each request anew. An index helps only where it fits the predicate: a Trie is slow for ranges (issue
    #29986), BITMAP suits few distinct values and not floats or the primary key, and arithmetic on a field,
    comparison of two fields, array_length and often != or NOT IN read the rows whatever index there is. Scalar
    index types: Trie and STL_SORT in all versions, INVERTED from 2.4.0, BITMAP in the documentation from 2.5.

How we tell
    Contrast first: requests of the same collection, nq, top-k and search params with and without a filter. Filtered
    ones must be clearly slower, and slower for every value. Then the field: the context file names its type and
    `index`; an explicit `index: null`, or an index that cannot serve the predicate, settles it. Without a context
    file the filter text still tells predicates that no index can serve. One slow field among several fast ones
    points to that field.

    The metric is internal_core_search_latency with type scalar_latency beside vector_latency (2.4.7+). Where
    neither a contrast nor the context file nor this metric is at hand, the rule answers skipped, as the log never
    says which indexes exist.

Not this when
    Unfiltered searches on the collection are just as slow. The predicate reads a JSON path (json_filter) or matches
    patterns (pattern_filter). The rows are in growing segments or in segments under 1024 rows, which never have a
    scalar index. The filter passes hardly any row and the time goes into the brute-force fallback of HNSW.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import NO_INDEX, Case, FieldFacts, Need
from slowq.filter_blame import Indexes, filter_finding, scalar_fields, titled, told_share, told_times
from slowq.filters import Features
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.heavy import uses_json, uses_pattern
from slowq.rule import About, threshold
from slowq.rules.complex_expression import ComplexExpression
from slowq.signals import Signals
from slowq.wording import percent
from slowq.workload import stated

REMEDIES = (
    Remedy(
        key="inverted_index",
        do="Create an INVERTED index on $field.",
        because="Equality, IN and ranges are then looked up instead of compared row by row.",
        cost="Memory or disk for the index and CPU while it is built; growing segments stay unindexed.",
        verify="The filtered pattern's p95 in `slowq analyze` approaches the unfiltered one; scalar_latency falls.",
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(field_name=$field, index_type="INVERTED")
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="sort_or_trie_index",
        do="Create a scalar index on $field: STL_SORT for numbers, Trie for VARCHAR.",
        because=(
            "These are the index types of Milvus before 2.4; they serve equality and IN, STL_SORT ranges as well."
        ),
        cost=(
            "Memory for the index; on 2.2 the collection must be released and loaded again; a Trie stays slow "
            "for ranges."
        ),
        verify="The filtered pattern's p95 in `slowq analyze` approaches the unfiltered one.",
        snippet="""\
from pymilvus import Collection

collection = Collection($collection)
collection.create_index($field, {"index_type": "STL_SORT"})  # VARCHAR: "Trie"
collection.release()
collection.load()
""",
        before=(2, 4, 0),
    ),
    Remedy(
        key="bitmap_index",
        do="Create a BITMAP index on $field where it has fewer than about 500 distinct values.",
        because="One bitmap for each value answers equality and IN almost for free.",
        cost="Slower and larger than INVERTED with many distinct values; not for floats and not for the primary key.",
        verify="scalar_latency of the pattern falls below that of an INVERTED index.",
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(field_name=$field, index_type="BITMAP")
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="iterative_filter",
        do="Ask for iterative filtering where the filter is expensive and passes many rows.",
        because="Milvus then evaluates the filter on the nearest vectors only until top-k rows have passed.",
        cost="Slower than filtering first where few rows pass.",
        verify="internal_core_search_latency with type iterative_filter_latency appears, and scalar_latency falls.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    filter=$filter,
    search_params={"hints": "iterative_filter", "params": {}},
)
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="plain_predicate",
        do=(
            "Rewrite the predicate so that the field stands alone on one side: no arithmetic, no comparison of "
            "two fields, no negation."
        ),
        because="Only such predicates can use an index; store a computed value in a field of its own.",
        cost="A change in the client, and a new field for computed values.",
        verify="The new filter shows in `slowq analyze`, with a lower p95.",
    ),
    Remedy(
        key="partition_or_clustering_key",
        do="Make $field the partition key or the clustering key when the collection is next created.",
        because=(
            "Searches with the key then touch only the partitions or segments that hold it; clustering needs "
            "queryNode.enableSegmentPrune and compaction by the key."
        ),
        cost="The key cannot be added later, so the data must be imported again.",
        verify="milvus_querynode_sq_core_latency_count rises by less for each search: fewer segments are searched.",
        snippet="""\
from pymilvus import DataType

schema = client.create_schema()
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field($vector_field, DataType.FLOAT_VECTOR, dim=$dim)
schema.add_field($field, DataType.INT64, is_clustering_key=True)  # or is_partition_key=True
""",
        since=(2, 4, 7),
    ),
)

ABOUT = About(
    id="unindexed_scalar_filter",
    title="My search is slow as soon as I add a filter, because the field has no index.",
    needs=(
        Need(
            what="which index the filtered field has",
            how_to_supply=(
                "Use a log with filters and --context: `collections: [{name: products, fields: [{name: tag, type: VARCHAR, "
                "index: null}]}]`."
            ),
        ),
        Need(
            what="the same search without the filter, or the time that filtering takes",
            how_to_supply=(
                "Give a log that holds both kinds, --metrics with internal_core_search_latency, or in the --context file: "
                "`pattern: {only_with_filter: true}` and `observations: {scalar_filter_s: 3.2, vector_search_s: 0.02}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class UnindexedScalarFilter:
    """The filter scans every row because its field has no fitting scalar index."""

    about: ClassVar[About] = ABOUT
    most_work: float = threshold(
        0.5,
        "share of the work on segments from which filters are most of it",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        plain = [(key, one) for key, one in scalar_fields(case) if one.index == NO_INDEX and one.type != "JSON"]
        if plain and case.context.pattern.get("only_with_filter") and not work.has_filter.any():
            return self._by_schema(case, plain)
        if not work.count:
            return self._measured(case, signals.of(case))
        if not work.filter_is_known.any():
            return Skipped(self.about.needs)
        indexes = Indexes.of(case)
        scanned = work.of_filter_on(lambda features, collection: bool(_scanned(indexes, features, collection)))
        complexity = ComplexExpression()
        is_complex = complexity.is_complex_for(case.milvus)
        costly = work.of_filter(uses_json) | work.of_filter(uses_pattern) | work.of_filter(is_complex)
        scanned &= ~costly & (not complexity.told_list(case))
        if not scanned.any():
            return Clear("no slow request filters on a plain scalar field without an index")
        asked = work.filters(scanned)
        fields = Counter((on, name) for features, on in asked for name in _scanned(indexes, features, on))
        read = [indexes.field(*one) for one in fields]
        without = [
            (key, one)
            for key, one in scalar_fields(case)
            if one.index is not None and one.index.type == "" and any(one is other for other in read)
        ]
        on, field = fields.most_common(1)[0][0]
        return filter_finding(
            self.about,
            case,
            scanned,
            what="on scalar fields",
            # Most searches have a filter. In a log it is who is slow that tells.
            base=0.45 if case.inputs or without else 0.3,
            more=[stated(case, f"{key}.index", f"{titled(one)} has no index.") for key, one in without[:3]],
            more_weight=0.3,
            names={"field": field},
            keys=self._fitting(indexes.field(on, field), [features for features, _ in asked]),
        )

    def _by_schema(self, case: Case, plain: Sequence[tuple[str, FieldFacts]]) -> Outcome:
        """Only filtered searches are slow, and fields have no index: that the filters are on these is likely."""
        share = told_share(case)
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.45,
                signs=[(bool(share >= self.most_work), 0.5)],
                against=[
                    (bool(share < 1 - self.most_work), 0.5),
                    (any(one.type == "JSON" for _, one in scalar_fields(case)), 0.3),
                ],
            ),
            summary="Searches are slow only with a filter, and the collection has fields without an index.",
            evidence=[
                stated(case, "pattern.only_with_filter", "Only filtered searches are slow."),
                *told_times(case),
                *(stated(case, f"{key}.index", f"{titled(one)} has no index.") for key, one in plain[:3]),
            ],
            names={"field": plain[0][1].name} if plain[0][1].name else None,
            keys=self._fitting(plain[0][1], []),
        )

    def _measured(self, case: Case, measured: Signals) -> Outcome:
        """From the metrics alone, which show that filters are the work and not which ones."""
        share = measured.filter_share
        if np.isnan(share):
            return Skipped(self.about.needs)
        if share < self.most_work:
            return Clear(f"filters take {percent(share)} of the work on segments")
        return fact(
            self.about,
            case,
            confidence=confidence(0.45, signs=[(share >= 0.9, 0.2), (measured.track("scalar") is not None, 0.2)]),
            summary=f"Filters take {percent(share)} of the work on segments; the logs would tell which.",
            evidence=[
                measured.says(
                    "core" if measured.track("scalar") is None else "scalar",
                    f"Filters take {percent(share)} of the work on segments.",
                    share,
                    self.most_work,
                )
            ],
        )

    def _fitting(self, field: FieldFacts | None, asked: list[Features]) -> list[str]:
        keys = ["inverted_index", "sort_or_trie_index", "iterative_filter", "partition_or_clustering_key"]
        if field is None or (field.type or "").upper() not in ("FLOAT", "DOUBLE"):
            keys.append("bitmap_index")
        if any(one.arithmetic_on_field or one.field_to_field or one.negations for one in asked):
            keys.append("plain_predicate")
        return keys


def _scanned(indexes: Indexes, features: Features, collection: str | None) -> list[str]:
    """The plain fields that a filter reads row by row."""
    return [
        one.subject
        for one in features.predicates
        if one.subject in features.fields and not indexes.serve(one, collection)
    ]
