"""My filter looks inside a JSON or dynamic field and is slow.

Symptom
    Searches whose filter reads a JSON path (`meta["colour"] == "red"`), a dynamic field or json_contains are slow;
    without it, or with a filter on an ordinary field, they are fast.

Cause
    A JSON field is stored as text. Without an index every segment parses the document of every row to find the key,
    which costs many times what reading a column does, and again for each predicate. Fields that are not in the
    schema lie in the dynamic field `$meta` and are JSON as well, though the filter does not look like it. There is
    no index for a JSON path before 2.5.11 (documentation; code 2.5.7). 2.6 adds a flat index over a whole field and
    JSON shredding (2.6.2+, on by default from 2.6.19, PR #50706).

How we tell
    The filter text names JSON paths, json_contains, exists, or names that the context file does not list among the
    fields of the collection (dynamic). Contrast: requests of the same collection with a filter on a plain field or
    with none are faster, and the time grows with the number of JSON predicates. The context file decides whether a
    path index exists and whether the version can have one; a `fast_duration_s` without the filter will do as
    contrast. Where it tells of a filter that it does not give, and all that it tells of the scalar fields is JSON, the
    filter is likely on that.

    The metrics are internal_json_filter_latency with type bruteforce_latency (2.6.13+) and
    internal_core_search_latency with type scalar_latency (2.4.7+). With neither a contrast nor a fact about the
    index the rule reports what the filter shows, or answers skipped where no filter is logged (HybridSearch before
    2.5.5, 3.0). It is far less sure where JSON shredding is on: from 2.6.19 unless the context's config says that
    common.enabledJSONShredding is false, from 2.6.2 if it says true.

Not this when
    The path has an index of a fitting cast type, or shredding is on and the segments are newer than it. Searches
    without the filter are just as slow. The expensive part of the filter is a LIKE (pattern_filter) or a list of
    thousands of values (complex_expression).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slowq import signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import NOT_STATED, Case, FieldFacts, Need
from slowq.filter_blame import Indexes, filter_finding, scalar_fields, titled
from slowq.filters import Features, Trouble, ast, try_parse
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import uses_json
from slowq.measures import ratio
from slowq.rule import About
from slowq.workload import Mask, seen, stated

# What a JSON path in the filter is worth alone: where documents are parsed, and where their keys are columns already.
_PARSED, _SHREDDED = 0.55, 0.2
_SHREDDING = "common.enabledJSONShredding"  # from 2.6.2; on by default from 2.6.19 (PR #50706) and in 3.0
_SHREDDING_SINCE, _SHREDDED_BY_DEFAULT = (2, 6, 2), (2, 6, 19)
_MOST = 0.5

REMEDIES = (
    Remedy(
        key="path_index",
        do="Create an INVERTED index on the JSON path $json_path.",
        because="The value of the path is then looked up, and no document is parsed.",
        cost=(
            "Memory and build time for each path; rows whose value does not fit the cast type are not found through it."
        ),
        verify=(
            "internal_json_filter_latency with type bruteforce_latency, or scalar_latency, falls with the "
            "pattern's p95."
        ),
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$field,
    index_type="INVERTED",
    index_name="json_path_index",
    params={"json_path": $json_path, "json_cast_type": $suggested},  # "VARCHAR", "DOUBLE" or "BOOL"
)
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 5, 11),
    ),
    Remedy(
        key="own_field",
        do="Give the key of $json_path a field of its own in the schema, with a scalar index.",
        because="Reading a column costs a fraction of parsing a document, and any index type fits.",
        cost="The collection must be created and filled again.",
        verify="The filter in `slowq analyze` names the plain field, and its p95 is near the unfiltered one.",
        snippet="""\
from pymilvus import DataType

schema = client.create_schema(enable_dynamic_field=True)
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field($vector_field, DataType.FLOAT_VECTOR, dim=$dim)
schema.add_field("colour", DataType.VARCHAR, max_length=64)
""",
    ),
    Remedy(
        key="flat_index",
        do="Create a flat JSON index over the whole field $field.",
        because="One index serves every path in the field, which suits filters on many or changing keys.",
        cost="Larger than the index of a single path.",
        verify="The pattern's p95 falls for all paths.",
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$field,
    index_type="INVERTED",
    index_name="json_flat_index",
    params={"json_path": $field, "json_cast_type": "JSON"},
)
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 6, 0),
    ),
    Remedy(
        key="shredding",
        do="Make sure that JSON shredding is on, as it is by default from 2.6.19, and has processed all segments.",
        because="Frequent keys are then stored as columns, without an index for each of them.",
        cost=(
            "Background work on the data nodes and disk space; old segments gain from it once they have been processed."
        ),
        verify="internal_json_filter_latency with type json_stats_latency replaces bruteforce_latency.",
        snippet="""\
# milvus.yaml
common:
  enabledJSONShredding: true
""",
        since=(2, 6, 2),
    ),
    Remedy(
        key="plain_first",
        do=(
            "Join an indexed plain field to the JSON predicate with `and`, and drop predicates that it makes needless."
        ),
        because=(
            "Cheap conjuncts run first (from 2.5.6, common.enabledOptimizeExpr), and batches that they exclude "
            "are skipped."
        ),
        cost="None, where such a field exists.",
        verify="The filtered pattern's p95 falls in `slowq analyze`.",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to at least 2.5.11, better to 2.6.19 or later, where shredding is on by default.",
        because="Versions before 2.5.11 have no index for JSON paths at all.",
        cost="An upgrade with its tests and a rolling restart.",
        verify="The path index can be created, and the pattern leaves the slow log.",
        before=(2, 5, 11),
    ),
)

ABOUT = About(
    id="json_filter",
    title="My filter looks inside a JSON or dynamic field and is slow.",
    needs=(
        Need(
            what="the filter, and the fields and indexes of the collection",
            how_to_supply=(
                "Use a log with filters and --context: `collections: [{name: products, fields: [{name: meta, "
                "type: JSON, index: null}]}]`."
            ),
        ),
        Need(
            what="the same search without the JSON predicate, or the time that filtering takes",
            how_to_supply=(
                "Give `fast_duration_s` of the request in the --context file, or look at "
                "internal_json_filter_latency and internal_core_search_latency with type scalar_latency."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class JsonFilter:
    """Predicates on JSON paths parse documents row by row."""

    about: ClassVar[About] = ABOUT

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        fields = [
            (key, one)
            for key, one in scalar_fields(case)
            if (one.type or "").upper() == "JSON" and not (one.index and one.index.type)
        ]
        paths = work.of_filter(uses_json)
        if not paths.any():
            if fields and not work.has_filter.any() and (by_schema := self._by_schema(case, fields)):
                return by_schema
            if not work.filter_is_known.any():
                return Skipped(self.about.needs)
            return Clear("no slow request filters on a JSON path")
        indexes = Indexes.of(case)
        paths = work.of_filter_on(
            lambda features, collection: uses_json(features) and not _all_served(indexes, features, collection)
        )
        if not paths.any():
            return Clear("the JSON paths that slow requests filter on have an index")
        shredded = _is_shredded(case)
        return filter_finding(
            self.about,
            case,
            paths,
            what="on JSON paths",
            base=_SHREDDED if shredded and not _is_parsed(case) else _PARSED,
            names=self._names(work.main("filter", paths)),
            more=_of_shredding(case, shredded, paths),
        )

    def _by_schema(self, case: Case, fields: list[tuple[str, FieldFacts]]) -> Outcome | None:
        """There are filters that are not given, and the collection has a JSON field: what they are on is likely."""
        only = bool(case.context.pattern.get("only_with_filter"))
        unstated = next((one for one in case.context.requests if one.filter == NOT_STATED), None)
        all_json = len(fields) == sum(not one.primary for _, one in scalar_fields(case))
        if not only and (unstated is None or not all_json):
            return None
        key, one = fields[0]
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.5 if only else 0.2,
                signs=[(one.index is None or one.index.type == "", 0.3)],
                against=[(_is_shredded(case) and not _is_parsed(case), 0.4)],
            ),
            summary=(
                "Searches are slow only with a filter, and the collection has a JSON field without a known path index."
                if only
                else "Slow searches have a filter, and all that is known of the fields is JSON without a known path index."
            ),
            evidence=[
                stated(case, "pattern.only_with_filter", "Only filtered searches are slow.")
                if unstated is None or only
                else stated(case, f"{unstated.key}.filter", "A slow request has a filter, which is not given."),
                stated(
                    case,
                    f"{key}.type",
                    f"{titled(one)} is JSON and has no index that is known.",
                ),
            ],
            names={"field": one.name} if one.name else None,
        )

    def _names(self, text: str | None) -> dict[str, object]:
        """The path of the filter, its field, and the type to which an index of it would cast."""
        tree = try_parse(text or "")
        if isinstance(tree, Trouble):
            return {}
        for node in ast.walk(tree):
            path = next((child for child in node.children() if isinstance(child, ast.JsonPath)), None)
            if path is not None:
                field = path.text.partition("[")[0]
                return {"json_path": path.text, "field": field, **_cast_type(node)}
        return {}


def _is_shredded(case: Case) -> bool:
    """Whether frequent keys lie in columns of their own, as far as version and configuration tell."""
    told = case.context.config.get(_SHREDDING)
    if told is False or case.milvus.surely_before(_SHREDDING_SINCE):
        return False
    return told is True or case.milvus.surely_from(_SHREDDED_BY_DEFAULT)


def _is_parsed(case: Case) -> bool:
    """Whether the metrics show that documents are parsed all the same."""
    measured = signals.of(case)
    parsed, all_of_it = measured.total("json_filter", kind="bruteforce_latency"), measured.total("json_filter")
    return bool(ratio(parsed, all_of_it) >= _MOST)


def _of_shredding(case: Case, shredded: bool, paths: Mask) -> list[Evidence]:
    """What is known of JSON shredding where the version can have it."""
    told = case.context.config.get(_SHREDDING)
    if told is False and case.milvus.surely_from(_SHREDDING_SINCE):
        return [stated(case, f"config.{_SHREDDING}", "JSON shredding is switched off.")]
    if not shredded:
        return []
    if _is_parsed(case):
        says = "JSON shredding is on, and yet most of the time on JSON goes to parsing documents."
        return [signals.of(case).says("json_filter", says)]
    says = "JSON shredding is on: only rare keys, and segments that it has not processed yet, are parsed row by row."
    return [stated(case, f"config.{_SHREDDING}", says) if told else seen(workload.of(case), says, paths)]


def _all_served(indexes: Indexes, features: Features, collection: str | None) -> bool:
    """Whether each JSON predicate has an index that answers it."""
    of_json = [one for one in features.predicates if one.kind in ("json", "json_contains") or "[" in one.subject]
    return bool(of_json) and all(indexes.serve(one, collection) for one in of_json)


def _cast_type(node: ast.Expression) -> dict[str, object]:
    """The cast type that fits the literals beside a path."""
    for one in ast.walk(node):
        values = (
            one.values if isinstance(one, ast.ListLiteral) else (one.value,) if isinstance(one, ast.Literal) else ()
        )
        if values:
            return {"suggested": {bool: "BOOL", str: "VARCHAR"}.get(type(values[0]), "DOUBLE")}
    return {}
