"""My filter uses LIKE or a text match and is slow.

Symptom
    Searches with `like "%word%"`, `like "%.pdf"` or a wildcard in the middle are slow, prefix patterns may be as
    well, and text_match is slow on some segments. Without the pattern they are fast.

Cause
    A prefix can be looked up in a sorted structure; an infix or suffix cannot, so every value is read and matched.
    Which index helps depends on the version: an INVERTED index served infix patterns over its dictionary until
    2.5.9 and reads raw data from 2.5.10 on; a Trie serves prefixes, except in 2.5.10-2.5.27 and 2.6.0-2.6.14 where
    it falls back to a scan of all rows (fixed in 2.6.15, PR #48688; issue #48685); NGRAM (2.6.0+) serves all of
    them if the literal is not shorter than min_gram. text_match uses a text index of its own (enable_match builds it),
    which a query node builds itself where a compacted segment lacks it (before 2.6.19, PR #50160).

How we tell
    The filter text holds `like` with a leading `%`, an inner wildcard, or a prefix on a version where the prefix is
    slow too. Contrast: requests of the same collection with another filter or none are faster. The context file
    tells which index the field has; with it and the version the rule knows whether the pattern can be served. Where
    the version is not known and the contrast shows that the filter takes the time, it is taken not to be. Text
    functions always have their index, so they count only before 2.6.19, or where a contrast or the metrics show
    that the filter takes the time.

    The metric is internal_core_search_latency with type scalar_latency (2.4.7+). Where filters are not logged
    (HybridSearch before 2.5.5, 3.0) and the context file has none either, the rule answers skipped.

Not this when
    The field has an NGRAM index that covers the literal, or the pattern has no wildcard and is an equality.
    Searches without the pattern are just as slow. The LIKE reads a JSON path that has no index, where parsing the
    documents costs more than matching (json_filter).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.facts import Case, Need
from slowq.filter_blame import MOST_WORK, MUCH_SLOWER, Indexes, filter_finding
from slowq.filters import Features
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.heavy import uses_json, uses_pattern
from slowq.rule import About
from slowq.snippets import search_with
from slowq.workload import seen

# From here on compaction builds the text index of the segments that it makes (PR #50160).
_TEXT_INDEX_COMPACTED = (2, 6, 19)
# That a text function is there says less than a LIKE that has to scan.
_TEXT_ALONE = 0.35

REMEDIES = (
    Remedy(
        key="ngram_index",
        do="Create an NGRAM index on $field.",
        because="Infix, suffix and prefix patterns are narrowed to a few candidates before they are matched.",
        cost=(
            "A large index: disk and memory grow with the text and with max_gram; literals shorter than "
            "min_gram still scan."
        ),
        verify="The pattern's p95 falls in `slowq analyze`, scalar_latency with it.",
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$field,
    index_type="NGRAM",
    index_name="ngram_index",
    params={"min_gram": 2, "max_gram": 3},
)
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 6, 0),
    ),
    Remedy(
        key="prefix_pattern",
        do="Use a prefix pattern, and store the reversed text in a second field for suffixes.",
        because="A prefix is a range of the sorted values and needs no scan where the index supports it.",
        cost="A second field for suffixes; infix patterns cannot be rewritten so.",
        verify="`slowq analyze` shows no leading `%` in the filter, and a lower p95.",
        snippet=search_with("filter=$suggested"),
    ),
    Remedy(
        key="inverted_for_prefix",
        do="Replace the Trie index on $field by an INVERTED one.",
        because="In these versions a Trie matches prefixes by scanning, while INVERTED looks them up (issue #48685).",
        cost="A rebuild of the scalar index; without any index on the field in the meantime.",
        verify="Prefix patterns leave the slow log.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(field_name=$field, index_type="INVERTED")
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
        since=(2, 5, 10),
        before=(2, 6, 15),
    ),
    Remedy(
        key="inverted_dictionary",
        do="Create an INVERTED index on $field.",
        because="Up to 2.5.9 it matches patterns against the distinct terms instead of the rows.",
        cost="Memory and build time; from 2.5.10 on infix patterns read raw data again.",
        verify="The pattern's p95 falls in `slowq analyze`.",
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(field_name=$field, index_type="INVERTED")
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 4, 0),
        before=(2, 5, 10),
    ),
    Remedy(
        key="text_match",
        do="Search for words with text_match on a field that has an analyzer.",
        because="Whole words are looked up in a text index; LIKE compares characters.",
        cost=(
            "The analyzer is part of the schema, so the data must be imported again; it finds words and not fragments."
        ),
        verify="`slowq analyze` shows text_match in the filter, and a lower p95.",
        snippet="""\
from pymilvus import DataType

schema = client.create_schema()
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field($vector_field, DataType.FLOAT_VECTOR, dim=$dim)
schema.add_field($field, DataType.VARCHAR, max_length=4096, enable_analyzer=True, enable_match=True)
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "2.6.15 repaired prefix patterns on a Trie (PR #48688), 2.6.8 made LIKE fast on STL_SORT (PR "
            "#46535), 2.6.19 builds text indexes during compaction (PR #50160)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="The pattern's p95 in `slowq analyze`, before and after.",
        before=(2, 6, 19),
    ),
)

ABOUT = About(
    id="pattern_filter",
    title="My filter uses LIKE or a text match and is slow.",
    needs=(
        Need(
            what="the filter, and the index of the field it matches",
            how_to_supply=(
                "Use a log with filters and --context: `collections: [{name: docs, fields: [{name: title, type: "
                "VARCHAR, index: {type: INVERTED}}]}]`."
            ),
        ),
        Need(
            what="the same search without the pattern, or the time that filtering takes",
            how_to_supply=(
                "Give `fast_duration_s` of the request in the --context file, or look at "
                "internal_core_search_latency with type scalar_latency."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class PatternFilter:
    """LIKE or text predicates without an index that can serve them."""

    about: ClassVar[About] = ABOUT

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        if not work.count:
            return Skipped(self.about.needs)
        patterns = work.of_filter(uses_pattern) & ~work.of_filter(uses_json)
        if not patterns.any():
            if not work.filter_is_known.any():
                return Skipped(self.about.needs)
            return Clear("no slow request filters with LIKE or a text predicate")
        indexes = Indexes.of(case)
        text = patterns & work.of_filter(lambda features: bool(features.text_functions))
        takes_the_time = _takes_the_time(case)
        scanned = partial(_scanned, indexes, in_doubt=not takes_the_time)
        likes = patterns & work.of_filter_on(lambda features, collection: bool(scanned(features, collection)))
        lacks_index = case.milvus.surely_before(_TEXT_INDEX_COMPACTED)
        if not lacks_index and not takes_the_time:
            text &= likes
        patterns = likes | text
        if not patterns.any():
            return Clear("the fields that slow requests match patterns on have an index that serves them")
        asked = work.filters(patterns)
        subjects = [subject for one in asked for subject in scanned(*one) or _searched(one[0])]
        says = "Before 2.6.19 compacted segments lack their text index, and a query node builds it itself (PR #50160)."
        return filter_finding(
            self.about,
            case,
            patterns,
            what="with LIKE or text predicates",
            base=0.5 if likes.any() else _TEXT_ALONE,
            names={"field": subjects[0], "suggested": f'{subjects[0]} like "text%"'} if subjects else None,
            more=[seen(work, says, text)] if lacks_index and text.any() else (),
            keys=self._fitting([features for features, _ in asked]),
        )

    def _fitting(self, asked: list[Features]) -> list[str]:
        keys = ["upgrade"]
        if any(one.like_infix or one.like_suffix for one in asked):
            keys += ["ngram_index", "prefix_pattern", "text_match", "inverted_dictionary"]
        if any(one.like_prefix for one in asked):
            keys += ["inverted_for_prefix", "inverted_dictionary", "ngram_index"]
        if any(name != "text_match" for one in asked for name in one.text_functions):
            keys.append("text_match")
        return keys


def _scanned(indexes: Indexes, features: Features, collection: str | None, *, in_doubt: bool) -> list[str]:
    """The fields that LIKE reads row by row; `in_doubt` as of `Indexes.serve`."""
    return [
        one.subject
        for one in features.predicates
        if one.kind.startswith("like_") and not indexes.serve(one, collection, in_doubt=in_doubt)
    ]


def _searched(features: Features) -> list[str]:
    """The fields that text functions search."""
    return [one.subject for one in features.predicates if one.kind == "text"]


def _takes_the_time(case: Case) -> bool:
    """Whether a contrast or the metrics show that filters are what is slow."""
    told = any((one.duration_s or 0) >= MUCH_SLOWER * (one.fast_duration_s or np.inf) for one in case.context.requests)
    only = bool(case.context.pattern.get("only_with_filter"))
    return told or only or bool(signals.of(case).filter_share >= MOST_WORK)
