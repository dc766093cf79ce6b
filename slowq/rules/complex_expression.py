"""My filter is a very long or deeply nested expression.

Symptom
    Searches with a filter of dozens of OR terms, or an IN list with thousands of values, are slow; the same search
    without the filter, or with a short one, is fast. The proxy may be busy while the query nodes are not.

Cause
    The proxy parses the text of the filter for each request, ships it as a plan to every shard, and every segment
    evaluates it in batches of 8192 rows. Until 2.6.8 each term of an OR chain is one pass over the rows; from then
    on the proxy rewrites OR chains on one field to IN (PR #46549; numbers only above 150 values). Large IN lists
    became cheaper in 2.5.23 and 2.6.6 (PR #45490, #45671) and again in 2.6.16 (PR #49427). Parsing stays, unless
    the values travel as template parameters.

How we tell
    The filter itself, parsed from `dsl` or `expr`: number of OR terms on one field, length of the longest IN list,
    depth, conditions joined by AND. Then the contrast: requests of the same collection and search params whose filter is
    shorter, or that have none, must be faster. Durations that grow with the number of terms weigh more than any
    single number. In the context file the filter, or `in_list_length`, says the same.

    A template hides its values: `{name}` stands in the log, and a long list cannot be seen. HybridSearch lines have
    no filter before 2.5.5, and 3.0 has none at all. The metrics are milvus_proxy_parse_expr_latency (2.5.5+) for
    parsing and internal_core_search_latency with type scalar_latency (2.4.7+) for evaluation. With no filter to
    read the rule answers skipped.

Not this when
    The same search without a filter is as slow. The expression is short, but its field has no index
    (unindexed_scalar_filter), reads JSON (json_filter) or matches patterns (pattern_filter). The version is 2.6.8
    or later and the only fault is an OR chain on one field that the proxy makes a list of.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from slowq import signals, workload
from slowq.facts import LEFT_OUT, Case, Milvus, Need
from slowq.filter_blame import filter_finding
from slowq.filters import Features
from slowq.filters.rewrite import PROXY_REWRITES
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import uses_json, uses_pattern
from slowq.measures import ratio
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import search_with
from slowq.wording import duration, percent
from slowq.workload import Mask, seen, stated

REMEDIES = (
    Remedy(
        key="in_for_or",
        do="Write the OR chain on $field as one IN list.",
        because="One lookup for all values replaces one pass over the rows for each term.",
        cost="None; the two filters select the same rows.",
        verify="The filter in `slowq analyze` shows `in` with the values, and the pattern's p95 falls.",
        snippet=search_with('filter=$field + f" in {values}"'),
    ),
    Remedy(
        key="filter_template",
        do="Pass the values as filter parameters and keep only their names in the text.",
        because=(
            "The proxy parses a few words instead of thousands of literals, which counts most with long lists "
            "and non-ASCII text."
        ),
        cost="The log shows the names only, so the values of a slow request cannot be read there any more.",
        verify="milvus_proxy_parse_expr_latency falls; `dsl` shows a name in braces.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    filter=$field + " in {values}",
    filter_params={"values": values},
)
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="filter_template_24",
        do="Pass the values as expression parameters and keep only their names in the text.",
        because="The proxy parses a few words instead of thousands of literals.",
        cost="The log shows the names only, so the values of a slow request cannot be read there any more.",
        verify="The slow line is short and its `dsl` shows a name in braces.",
        snippet="""\
from pymilvus import Collection

Collection($collection).search(
    data=vectors,
    anns_field=$vector_field,
    param={},
    limit=$top_k,
    expr=$field + " in {values}",
    expr_params={"values": values},
)
""",
        since=(2, 4, 14),
        before=(2, 5, 0),
    ),
    Remedy(
        key="shorter_list",
        do=(
            "Store what the long list stands for (a group, a tenant, a permission) in its own field and filter on that."
        ),
        because="One comparison replaces thousands; the list is mostly the same in every request.",
        cost="A new field, the data written again, and upkeep when membership changes.",
        verify="No IN list above the threshold is left in `slowq analyze`.",
        snippet=search_with('filter="group_id == 42"'),
    ),
    Remedy(
        key="index_the_field",
        do="Give $field a scalar index.",
        because="The values of the list are then looked up in the index instead of being compared with every row.",
        cost="Memory for the index and the time to build it.",
        verify="internal_core_search_latency with type scalar_latency falls.",
        snippet="""\
index_params = client.prepare_index_params()
index_params.add_index(field_name=$field, index_type="INVERTED")
client.create_index(collection_name=$collection, index_params=index_params)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "From 2.6.8 the proxy merges OR chains and ranges (PR #46549), and 2.6.16 evaluates IN with SIMD "
            "(PR #49427)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="The pattern's p95 in `slowq analyze`, before and after.",
        before=(2, 6, 16),
    ),
)

ABOUT = About(
    id="complex_expression",
    title="My filter is a very long or deeply nested expression.",
    needs=(
        Need(
            what="the text of the filter",
            how_to_supply=(
                "Use logs of 2.2.6 to 2.6 at level info (3.0 does not log it: give the access log), or name it "
                'in the --context file: `requests: [{kind: search, filter: "tag == 1 or tag == 2", '
                "in_list_length: null, duration_s: 3.2}]`."
            ),
        ),
        Need(
            what="the same request without the filter or with a short one",
            how_to_supply=(
                "Give a log that holds both, or `fast_duration_s` in the --context file: `requests: [{kind: "
                "search, in_list_length: 20000, duration_s: 3.2, fast_duration_s: 0.04}]`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


# Who tells of a filter leaves out what goes on and on.
_CUT_SHORT = re.compile(r"(?:\bor\b|\|\|)\s*" + re.escape(LEFT_OUT), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ComplexExpression:
    """Long OR chains, huge IN lists or deep expressions cost more than the vector search."""

    about: ClassVar[About] = ABOUT
    long_or: int = threshold(
        10,
        "terms of one OR chain on a field from which it counts as long",
    )
    long_in: int = threshold(
        1_000,
        "values of an IN list from which parsing and evaluation are worth a look",
    )
    deep: int = threshold(
        8,
        "nesting depth from which an expression counts as deep; a chain of ANDs nests as often, since Milvus joins two at a time",
    )
    parsing_share: float = threshold(
        0.1,
        "share of a search's time that parsing filters takes, from which their text is what costs: a short one takes less "
        "than a millisecond",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        if not work.count:
            return Skipped(self.about.needs)
        long_list = self.told_list(case)
        complex_ones = (
            work.of_filter(self.is_complex_for(case.milvus))
            & ~work.of_filter(uses_json)
            & ~work.of_filter(uses_pattern)
        )
        told = () if case.inputs else work.values("filter")
        cut_short = work.is_any("filter", [one for one in told if _CUT_SHORT.search(one)])
        complex_ones |= cut_short
        if not complex_ones.any() and not long_list:
            if not work.filter_is_known.any():
                return Skipped(self.about.needs)
            return Clear(
                f"no filter has {self.long_or:.0f} alternatives, {self.long_in:,.0f} values in a list or "
                f"{self.deep:.0f} levels"
            )
        if not complex_ones.any():
            complex_ones = np.ones(work.count, dtype=bool)
        parsing = self._parsing(signals.of(case))
        return filter_finding(
            self.about,
            case,
            complex_ones,
            what=f"with long OR chains, IN lists of {self.long_in:,.0f} values and more, or deep nesting",
            base=0.6,
            by_rows=False,
            more=[
                *parsing,
                *(
                    stated(
                        case,
                        f"{request.key}.in_list_length",
                        f"A filter has a list of {request.in_list_length:,} values.",
                    )
                    for request in case.context.requests
                    if (request.in_list_length or 0) >= self.long_in
                ),
                *([seen(work, "A chain of ORs is too long to be told in full.", cut_short)] if cut_short.any() else []),
            ],
            more_weight=0.2 if parsing else 0.0,
            **self._advice(case, complex_ones, long_list=bool(long_list), cut_short=bool(cut_short.any())),
        )

    def _parsing(self, measured: Signals) -> list[Evidence]:
        """How long the proxy parses filters, where that is a good part of a search's time."""
        parses_s = measured.mean("parse_filter")
        share = ratio(parses_s, measured.mean("search_latency"))
        if not share >= self.parsing_share:
            return []
        says = f"Parsing a filter takes {duration(parses_s)}, {percent(share)} of a search."
        return [measured.says("parse_filter", says, share, self.parsing_share)]

    def _advice(self, case: Case, mask: Mask, *, long_list: bool, cut_short: bool) -> dict[str, Any]:
        """The field that the longest chain or list is about, and the remedies that fit."""
        shapes = set(workload.of(case).slow["shape"].to_numpy()[mask]) - {-1}
        asked = [case.shapes[i].features for i in sorted(shapes)]
        rewrites = case.milvus.surely_from(PROXY_REWRITES)
        chains = [
            chain
            for one in asked
            if (chain := one.same_field_or_chain)
            and (chain.terms >= self.long_or or cut_short)
            and not (rewrites and chain.is_merged)
        ]
        lists = [name for one in asked if one.longest_in_list >= self.long_in for name in one.in_list_fields]
        keys = ["index_the_field", "upgrade"]
        if chains:
            keys.append("in_for_or")
        if chains or lists or long_list:
            keys += ["filter_template", "filter_template_24"]
        if lists or long_list:
            keys.append("shorter_list")
        field = max(chains, key=lambda chain: chain.terms).subject if chains else lists[0] if lists else None
        return {"keys": keys, "names": {"field": field} if field else None}

    def is_complex_for(self, milvus: Milvus) -> Callable[[Features], bool]:
        """Asks of an expression whether it is long or deep enough to cost more than its parts suggest in this Milvus, which may
        turn the ORs of one field into an IN by itself."""
        rewrites = milvus.surely_from(PROXY_REWRITES)
        return lambda features: self._is_complex(features, rewrites)

    def told_list(self, case: Case) -> int:
        """The length of the longest list that the context file tells of, where it is long; else 0."""
        longest = max([request.in_list_length or 0 for request in case.context.requests] or [0])
        return longest if longest >= self.long_in else 0

    def _is_complex(self, features: Features, rewrites: bool) -> bool:
        chain = features.same_field_or_chain
        as_one_list = rewrites and chain is not None and chain.is_merged and chain.terms == features.longest_or_chain
        joined = 0 if features.longest_or_chain else features.comparisons
        return (
            (features.longest_or_chain >= self.long_or and not as_one_list)
            or features.longest_in_list >= self.long_in
            or max(features.depth, joined) >= self.deep
        )
