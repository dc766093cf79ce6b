"""My ef, nprobe or search_list is much higher than it has to be.

Symptom
    Searches are slow for every filter and at any time, but in proportion to one number in search_params. Another
    caller with a smaller value gets answers much faster.

Cause
    HNSW computes about ef x log(rows) x M distances a segment, IVF reads nprobe / nlist of the rows (nprobe equal
    to nlist is a brute-force scan), DISKANN reads the disk for each step of its search_list. Every sealed segment
    is searched on its own, so the value holds for each of them. Recall rises quickly at first and then hardly at
    all, while time goes on rising.

How we tell
    search_params of the log: ef against top-k, nprobe against nlist (from the context file; 128 is the default),
    search_list against top-k, level of AUTOINDEX. Contrast: the same collection and top-k with a smaller value is
    faster, in the measure that the parameter predicts. A single value without any contrast is a suspicion of low
    confidence, and the larger the ratio, the better founded.

    Search lines of 3.0 hold no search_params; the access log or the context file does. The metrics are
    internal_core_search_latency with type vector_latency, and hnsw_search_hops or diskann_search_hops (module
    knowhere, 2.4+). Without search_params the rule answers skipped.

Not this when
    The parameter is near top-k, or near its default. Filtered searches alone are slow. DISKANN with a modest
    search_list waits for the disk (disk_bound_index). The first searches after a load are slow and later ones fast
    (cold_cache).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import costly_filter
from slowq.rule import About, threshold
from slowq.snippets import COMPACT
from slowq.wording import count, do, percent
from slowq.workload import seen

REMEDIES = (
    Remedy(
        key="lower_ef",
        do="Lower ef towards top-k ($suggested instead of $ef) and measure the recall.",
        because="The work of an HNSW search is proportional to ef.",
        cost="Some recall; ef must not be below top-k.",
        verify=(
            "The duration per nq falls in proportion; the recall on a sample of exact answers stays above your limit."
        ),
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    search_params={"metric_type": $metric_type, "params": {"ef": $suggested}},
)
""",
    ),
    Remedy(
        key="lower_nprobe",
        do="Lower nprobe ($suggested instead of $nprobe) and measure the recall.",
        because="The rows that an IVF search reads are nprobe / nlist of all.",
        cost="Some recall.",
        verify=(
            "The duration per nq falls in proportion; the recall on a sample of exact answers stays above your limit."
        ),
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    search_params={"metric_type": $metric_type, "params": {"nprobe": $suggested}},
)
""",
    ),
    Remedy(
        key="lower_search_list",
        do="Lower search_list ($suggested instead of $search_list) and measure the recall.",
        because="DISKANN reads the disk for every step through its candidate list.",
        cost="Some recall; search_list must not be below top-k.",
        verify="Disk reads a search and the duration per nq fall.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    search_params={"metric_type": $metric_type, "params": {"search_list": $suggested}},
)
""",
    ),
    Remedy(
        key="lower_level",
        do="Lower the search level of AUTOINDEX from $level to 1 and measure the recall.",
        because="The level (1 to 5) trades time for recall.",
        cost="Some recall.",
        verify="The pattern's p95 falls in `slowq analyze`.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    search_params={"metric_type": $metric_type, "params": {"level": 1}},
)
""",
    ),
    Remedy(
        key="better_index",
        do=(
            "Build an index that reaches the recall with less search: HNSW with a larger M instead of IVF with "
            "a large nprobe."
        ),
        because="A better graph or finer clusters (a larger nlist) need fewer distances for the same recall.",
        cost="A rebuild, and more memory for a larger M.",
        verify="At equal recall the duration per nq is lower.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="HNSW",
    metric_type=$metric_type,
    params={"M": 24, "efConstruction": 300},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="fewer_segments",
        do="Compact $collection into fewer and larger segments.",
        because="Every segment is searched with the full ef or nprobe, so half the segments are half the work.",
        cost="Compaction and index building cost CPU for a while; do it off peak.",
        verify="milvus_querynode_segment_num of the collection falls, and the duration with it.",
        snippet=COMPACT,
        since=(2, 4, 0),
    ),
)

ABOUT = About(
    id="search_params",
    title="My ef, nprobe or search_list is much higher than it has to be.",
    needs=(
        Need(
            what="the search params of the slow requests",
            how_to_supply=(
                "Use logs before 3.0 or the access log, or --context: `requests: [{kind: search, top_k: 10, "
                "search_params: {ef: 2000}, duration_s: 1.2}]`."
            ),
        ),
        Need(
            what="the index and its build parameters",
            how_to_supply=(
                "Give --context: `collections: [{name: products, fields: [{name: embedding, type: FLOAT_VECTOR, "
                "index: {type: IVF_FLAT, params: {nlist: 1024}}}]}]`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class SearchParams:
    """Search parameters far above what the recall needs."""

    about: ClassVar[About] = ABOUT
    ef_per_top_k: float = threshold(
        10.0,
        "ef as a multiple of top-k from which recall hardly rises; the default of Milvus is max(top-k, 16)",
    )
    high_ef: int = threshold(
        512,
        "ef below which no HNSW search is called too thorough, whatever top-k is",
    )
    nprobe_share: float = threshold(
        0.25,
        "nprobe / nlist from which an IVF search comes close to a scan; the default nprobe is 8",
    )
    high_nprobe: int = threshold(
        128,
        "nprobe that counts as high where nlist is not known: the default nlist, which makes it a full scan",
    )
    search_list_per_top_k: float = threshold(
        10.0,
        "search_list as a multiple of top-k from which DISKANN reads more than it gains; the default is max(top-k, 16)",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        if not work.count or work.slow["search_params"].isna().all():
            return Skipped(self.about.needs)
        top_k = np.nan_to_num(work.number("top_k"), nan=1.0)
        ef, nprobe, search_list = work.param("ef"), work.param("nprobe"), work.param("search_list")
        nlist = self._nlist(case)
        limit = np.full(work.count, self.high_nprobe if nlist is None else max(self.nprobe_share * nlist, 8.0))
        excess = {
            "ef": (ef >= self.high_ef) & (ef >= self.ef_per_top_k * top_k),
            "nprobe": nprobe >= limit,
            "search_list": (search_list >= self.high_ef) & (search_list >= self.search_list_per_top_k * top_k),
        }
        culprits = np.any(list(excess.values()), axis=0)
        if not culprits.any():
            return Clear("ef, nprobe and search_list of the slow requests are in proportion to their top-k")
        evidence: list[Evidence] = []
        factor = dearest = 0.0
        names: dict[str, object] = {}
        for (name, mask), values in zip(excess.items(), (ef, nprobe, search_list), strict=True):
            if not mask.any():
                continue
            value = work.middle(values, mask)
            enough = float(
                self.high_nprobe / 4
                if name == "nprobe" and nlist is None
                else limit[0] / 2
                if name == "nprobe"
                else max(64.0, 2 * work.middle(top_k, mask))
            )
            factor = max(factor, value / enough)
            if work.share(mask) > dearest:  # the advice is about the param that costs most
                dearest = work.share(mask)
                names = {name: int(value), "suggested": int(enough), "param": name, "value": int(value)}
            number = int(mask.sum())
            evidence.append(
                seen(
                    work,
                    f"{count(number, 'slow request')} {do(number, 'ask')} with {name}={value:,.0f} for a top-k of "
                    f"{work.middle(top_k, mask):,.0f} ({percent(work.share(mask))} of the slow time).",
                    mask,
                    value,
                    enough,
                )
            )
        victims = work.victims(culprits)
        if victims.any():
            evidence.append(
                seen(
                    work,
                    f"{count(int(victims.sum()), 'request')} with lower params {do(int(victims.sum()), 'are')} slow only "
                    "beside them.",
                    victims,
                )
            )
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.45,
                signs=[
                    (factor >= 10, 0.5),
                    (factor >= 4, 0.2),
                    (work.share(culprits) > 0.8 and work.count >= 5, 0.2),
                    (bool(victims.any()), 0.15),
                ],
                against=[
                    (work.share(culprits) < 0.3, 0.4),
                    (work.share(work.of_filter(costly_filter) & culprits) > 0.5, 0.3),
                    (bool(len(workload.events_of(case, "index_build", "compaction"))) and factor < 4, 0.3),
                ],
            ),
            summary=f"Searches use {' and '.join(n for n, mask in excess.items() if mask.any())} far above what top-k needs.",
            evidence=evidence,
            names=names,
            keys=[f"lower_{names['param']}", "better_index", "fewer_segments"],
        )

    def _nlist(self, case: Case) -> float | None:
        for _, _, one in workload.vector_fields(case):
            if one.index is not None and isinstance(one.index.params.get("nlist"), int | float):
                return float(one.index.params["nlist"])
        return None
