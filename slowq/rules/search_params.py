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
    search_params of the log: ef, search_list and reorder_k (SCANN) against top-k, nprobe against nlist of the same
    collection (from the context file; 128 is the default), and refine_k where the context file says that the index
    refines. Requests with smaller values that are slow only beside the others support it. A single value without any
    contrast is a suspicion of low confidence, and the larger the ratio, the better founded. The nprobe of a range
    search is not judged: it goes on until a cluster holds nothing in range (issue #50327). Nothing tells how much is
    too much of itopk_size and search_width (GPU_CAGRA) or of level (AUTOINDEX), so they are not judged.

    Search lines of 3.0 hold no search_params; the access log or the context file does. Without search_params the rule
    answers skipped.

Not this when
    The parameter is near top-k, or near its default. Filtered searches alone are slow. DISKANN with a modest
    search_list waits for the disk (disk_bound_index). The first searches after a load are slow and later ones fast
    (cold_cache).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, IndexFacts, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import costly_filter
from slowq.rule import About, threshold
from slowq.snippets import COMPACT, search_with
from slowq.wording import count, do, percent
from slowq.workload import Mask, Workload, seen

REMEDIES = (
    Remedy(
        key="lower_ef",
        do="Lower ef towards top-k ($suggested instead of $ef) and measure the recall.",
        because="The work of an HNSW search is proportional to ef.",
        cost="Some recall; ef must not be below top-k.",
        verify=(
            "The duration per nq falls in proportion; the recall on a sample of exact answers stays above your limit."
        ),
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {"ef": $suggested}}'),
    ),
    Remedy(
        key="lower_nprobe",
        do="Lower nprobe ($suggested instead of $nprobe) and measure the recall.",
        because="The rows that an IVF search reads are nprobe / nlist of all.",
        cost="Some recall.",
        verify=(
            "The duration per nq falls in proportion; the recall on a sample of exact answers stays above your limit."
        ),
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {"nprobe": $suggested}}'),
    ),
    Remedy(
        key="lower_search_list",
        do="Lower search_list ($suggested instead of $search_list) and measure the recall.",
        because="DISKANN reads the disk for every step through its candidate list.",
        cost="Some recall; search_list must not be below top-k.",
        verify="Disk reads a search and the duration per nq fall.",
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {"search_list": $suggested}}'),
    ),
    Remedy(
        key="lower_reranked",
        do="Lower $param ($suggested instead of $value) and measure the recall.",
        because="It says how many candidates of each segment are compared once more, with their exact vectors.",
        cost="Some recall.",
        verify="The duration per nq falls; the recall on a sample of exact answers stays above your limit.",
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {$param: $suggested}}'),
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
    reorder_k_per_top_k: float = threshold(
        10.0,
        "reorder_k as a multiple of top-k, which it must be at least, from which comparing again hardly finds more: as of ef",
    )
    high_refine_k: float = threshold(
        10.0,
        "times top-k that refine_k compares again, from which it hardly finds more: as of ef; the default of IVF_RABITQ is 1",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        if not work.count or work.slow["search_params"].isna().all():
            return Skipped(self.about.needs)
        judged = self._judged(case, work)
        culprits = np.any([one.excess for one in judged], axis=0)
        if not culprits.any():
            return Clear("ef, nprobe, search_list and reorder_k of the slow requests are in proportion to their top-k")
        blamed = [one for one in judged if one.excess.any()]
        evidence = [one.evidence(work) for one in blamed]
        factor = max(one.factor(work) for one in blamed)
        dearest = max(blamed, key=lambda one: work.share(one.excess))  # the advice is about the param that costs most
        value, enough = (int(work.middle(of, dearest.excess)) for of in (dearest.values, dearest.enough))
        names: dict[str, object] = {dearest.name: value, "suggested": enough, "param": dearest.name, "value": value}
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
                    (case.context.comes_and_goes, 0.4),
                    (work.share(culprits) < 0.3, 0.4),
                    (work.share(work.of_filter(costly_filter) & culprits) > 0.5, 0.3),
                    (bool(len(workload.events_of(case, "index_build", "compaction"))) and factor < 4, 0.3),
                ],
            ),
            summary=f"Searches use {' and '.join(one.name for one in blamed)} far above what top-k needs.",
            evidence=evidence,
            names=names,
            keys=[_REMEDY_OF.get(dearest.name, f"lower_{dearest.name}"), "better_index", "fewer_segments"],
        )

    def _judged(self, case: Case, work: Workload) -> list[_Param]:
        """Each search param of the slow requests, where it is too much, and what would do."""
        top_k = np.nan_to_num(work.number("top_k"), nan=1.0)
        nlist, refines = _of_index(case, work, _nlist), _of_index(case, work, _refines) == 1.0
        no_nlist = np.isnan(nlist)
        limit = np.where(no_nlist, self.high_nprobe, np.maximum(self.nprobe_share * nlist, 8.0))
        nprobe, refine_k = work.param("nprobe"), work.param("refine_k")
        # A range search goes on until a cluster holds nothing in range, whatever nprobe is.
        probes = (nprobe >= limit) & ~work.has_param("radius")
        refined = refines & (refine_k >= self.high_refine_k) & (refine_k * top_k >= self.high_ef)
        return [
            self._candidates("ef", work, self.ef_per_top_k * top_k, top_k),
            _Param("nprobe", nprobe, probes, np.where(no_nlist, self.high_nprobe / 4, limit / 2)),
            self._candidates("search_list", work, self.search_list_per_top_k * top_k, top_k),
            self._candidates("reorder_k", work, self.reorder_k_per_top_k * top_k, top_k),
            _Param("refine_k", refine_k, refined, np.full(work.count, 2.0)),
        ]

    def _candidates(self, name: str, work: Workload, limit: np.ndarray, top_k: np.ndarray) -> _Param:
        """A param that says how many candidates a search keeps."""
        values = work.param(name)
        return _Param(name, values, (values >= self.high_ef) & (values >= limit), np.maximum(64.0, 2 * top_k))


# The remedies of params that say the same of another stage have a common one.
_REMEDY_OF = {"reorder_k": "lower_reranked", "refine_k": "lower_reranked"}
# Indexes that can keep finer vectors beside their codes, and compare with them (`refine` of their build params).
_REFINED = ("IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ")


@dataclass(frozen=True, eq=False)
class _Param:
    """One search param of the slow requests: its values, where it is too much, and what would do; all of shape (n,)."""

    name: str
    values: np.ndarray
    excess: Mask
    enough: np.ndarray

    def factor(self, work: Workload) -> float:
        return work.middle(self.values, self.excess) / work.middle(self.enough, self.excess)

    def evidence(self, work: Workload) -> Evidence:
        number, value = int(self.excess.sum()), work.middle(self.values, self.excess)
        top_k = work.middle(work.number("top_k"), self.excess)
        wanted = "" if np.isnan(top_k) else f" for a top-k of {top_k:,.0f}"
        says = (
            f"{count(number, 'slow request')} {do(number, 'ask')} with {self.name}={value:,.0f}{wanted} "
            f"({percent(work.share(self.excess))} of the slow time)."
        )
        return seen(work, says, self.excess, value, work.middle(self.enough, self.excess))


def _of_index(case: Case, work: Workload, of: Callable[[IndexFacts], float]) -> np.ndarray:
    """What the context file says of the index that each slow request asks; NaN where it says nothing.

    Of a request that names no collection, where there are several, it is the most that it says of any.
    """
    found = np.full(work.count, np.nan)
    every = [of(one.index) for _, _, one in workload.vector_fields(case) if one.index is not None]
    for (collection, asked), rows in work.groups("collection", "anns_field"):
        index = _index(case, collection, asked)
        if index is not None:
            found[rows] = of(index)
        elif collection is None and every:
            found[rows] = np.fmax.reduce(every)
    return found


def _index(case: Case, name: str | None, asked: str | None) -> IndexFacts | None:
    context = case.context
    collection = context.collection(name) if name is not None else context.only_collection
    vectors = [one for one in collection.fields if one.is_vector] if collection else []
    named = [one for one in vectors if one.name == asked]
    unsure = len(vectors) == 1 and (asked is None or vectors[0].name is None)
    return named[0].index if named else vectors[0].index if unsure else None


def _nlist(index: IndexFacts) -> float:
    nlist = index.params.get("nlist")
    return float(nlist) if isinstance(nlist, int | float) else float("nan")


def _refines(index: IndexFacts) -> float:
    is_on = str(index.params.get("refine", "")).lower() == "true"
    return float(is_on and (index.type or "").upper() in _REFINED)
