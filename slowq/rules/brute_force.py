"""Every search compares the query with all vectors, because there is no vector index or a FLAT one.

Symptom
    All searches on one collection are slow, with or without a filter, and slower with every million rows. CPU is
    high while they run. Collections of the same size with an HNSW or IVF index are fast.

Cause
    FLAT, BIN_FLAT and GPU_BRUTE_FORCE compute every distance. So does Milvus by itself where an index is missing:
    on growing segments without interim index, on sealed segments not yet indexed, and on segments under 1024 rows.
    IVF with nprobe near nlist does the same work. HNSW falls back to it on a segment whose filter removes 93 % of
    the rows or more, or where top-k is half of what is left (Knowhere 2.3+).

How we tell
    The context file decides: `index: null` or a FLAT type on the vector field, with `rows` and `dim` large enough
    that rows x dim x nq distances explain the duration; of how many rows is not known it is a suspicion. From the
    log alone: search_params without any index parameter (no ef, nprobe, search_list, level) on a collection whose
    requests are slow for every filter, with a duration per nq that is the same for all of them, while another
    collection is fast.

    Milvus 2.2.6-2.2.16 writes `search growing/sealed segments without indexes` at info. The metrics are
    milvus_querynode_sq_core_latency against Knowhere's search_latency, and milvus_rootcoord_indexed_entity_num far
    below milvus_rootcoord_entity_num while nothing is written or built. AUTOINDEX also takes no parameters, so that
    without the index type the rule reports a suspicion at most, or answers skipped.

Not this when
    The collection is small: some ten thousand rows need no index. The index exists but is still being built for new
    rows (index_build, growing_segments). Unfiltered searches are fast and only filtered ones slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import pandas as pd

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, CollectionFacts, FieldFacts, IndexFacts, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import BINARY_METRICS, costly_filter
from slowq.rule import About, threshold
from slowq.signals import Signals, Unindexed
from slowq.wording import count, do, percent
from slowq.workload import Workload, logged, stated

REMEDIES = (
    Remedy(
        key="hnsw",
        do="Build an HNSW index on $vector_field.",
        because=(
            "A graph search visits a few hundred vectors instead of all of them, with the lowest latency of the "
            "in-memory indexes."
        ),
        cost=(
            "Memory for all vectors plus the graph; minutes to hours of CPU for the build, during which the "
            "collection is released; recall slightly below 1."
        ),
        verify=(
            "search_params in `slowq requests` carry ef, and the pattern's duration per nq falls by orders of "
            "magnitude."
        ),
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="HNSW",
    metric_type=$metric_type,
    params={"M": 16, "efConstruction": 200},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="ivf",
        do="Build an IVF index on $vector_field where memory or build time is short.",
        because=(
            "A search reads only the nprobe nearest of nlist clusters; IVF_SQ8 also needs a quarter of the memory."
        ),
        cost="Slower than HNSW at the same recall; nprobe must be tuned; released while it is built.",
        verify="search_params carry nprobe, and the duration per nq falls roughly to nprobe / nlist.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="IVF_FLAT",
    metric_type=$metric_type,
    params={"nlist": 1024},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="diskann",
        do="Build a DISKANN index on $vector_field where the vectors do not fit into memory.",
        because=(
            "A compressed copy stays in memory, graph and vectors on NVMe, with steady latency for billions of rows."
        ),
        cost="Needs queryNode.enableDisk and a fast local NVMe disk; slower than HNSW; a long build.",
        verify="search_params carry search_list; the disk of the query nodes is not saturated.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="DISKANN",
    metric_type=$metric_type,
    params={},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="autoindex",
        do="Let Milvus choose with AUTOINDEX.",
        because="A sound default without parameters (HNSW, M 18, efConstruction 240), good to begin with.",
        cost="Memory as for HNSW; no control over the parameters but `level`.",
        verify="describe_index shows AUTOINDEX, and the pattern leaves the slow log.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="AUTOINDEX",
    metric_type=$metric_type,
    params={},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="partition_key",
        do="Split the collection by a partition key where each request is about one tenant or group.",
        because="Even an exact search is fast when it scans the rows of one tenant only.",
        cost="The key is part of the schema, so the data must be imported again; every filter must name it.",
        verify="milvus_querynode_sq_core_latency_count rises by less for each search: fewer segments are searched.",
        snippet="""\
from pymilvus import DataType

schema = client.create_schema()
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field($vector_field, DataType.FLOAT_VECTOR, dim=$dim)
schema.add_field("tenant", DataType.VARCHAR, max_length=64, is_partition_key=True)
""",
    ),
)

ABOUT = About(
    id="brute_force",
    title="Every search compares the query with all vectors, because there is no vector index or a FLAT one.",
    needs=(
        Need(
            what="the vector index and the number of rows of the collection",
            how_to_supply=(
                "Give --context: `collections: "
                "[{name: products, rows: 12000000, fields: [{name: embedding, type: FLOAT_VECTOR, dim: 768, "
                "index: {type: FLAT, metric: L2}}]}]`."
            ),
        ),
        Need(
            what="how much of the data is indexed",
            how_to_supply=(
                "Give --metrics with milvus_rootcoord_indexed_entity_num and milvus_rootcoord_entity_num, or before 2.4.5 "
                "milvus_querynode_entity_num, and with milvus_querynode_sq_core_latency and Knowhere's search_latency."
            ),
        ),
    ),
    remedies=REMEDIES,
)


_Field: TypeAlias = tuple[CollectionFacts, str, FieldFacts]
"""A vector field of the context file: its collection, the key under which it stands, itself."""


@dataclass(frozen=True, slots=True)
class BruteForce:
    """No vector index, or FLAT, on data too large for it."""

    about: ClassVar[About] = ABOUT
    too_many_rows: int = threshold(
        100_000,
        "rows from which a scan of all of them is worth an index; below it takes a few tens of milliseconds",
    )
    scanned_share: float = threshold(
        0.5,
        "share of the searched segments that no index was asked for, from which scans are most of the work",
    )
    hardly_scanned: float = threshold(
        0.1,
        "share of them below which an index answers nearly all",
    )

    def check(self, case: Case) -> Outcome:
        work, measured = workload.of(case), signals.of(case)
        described = [
            (c, key, one)
            for c, key, one in workload.vector_fields(case)
            if one.index is not None and "BINARY" not in (one.type or "").upper()
        ]
        made = flat_indexes_made(case)
        unindexed = workload.events_of(case, "no_index_search")
        binary = work.is_any("metric_type", list(BINARY_METRICS))
        few = bool(described) and all(c.rows is not None and c.rows < self.too_many_rows for c, _, _ in described)
        scans = bool(measured.brute_share >= self.scanned_share) and not work.share(binary) > 0.5 and not few
        bare = None if few else self._bare(work, measured)
        if not described and not len(made) and not len(unindexed) and not scans and bare is None:
            return Skipped(self.about.needs)
        scanned = [
            (c, key, one)
            for c, key, one in described
            if one.index is not None
            and one.index.type is not None
            and (one.index.type.upper() in ("", "FLAT", "GPU_BRUTE_FORCE") or one.index.state == "failed")
        ]
        large = [(c, key, one) for c, key, one in scanned if c.rows is None or c.rows >= self.too_many_rows]
        names = {c.name for c, _, _ in large} | set(made["collection"].dropna().astype(str))
        culprits = (
            work.is_any("collection", [name for name in names if name]) if names else np.zeros(work.count, dtype=bool)
        )
        if large and not culprits.any() and None in names:
            culprits = np.ones(work.count, dtype=bool)
        if bare is not None and not culprits.any():
            culprits = work.is_any("collection", [bare.collection])
        if scans and not culprits.any():
            culprits = ~binary
        if not large and not culprits.any() and not len(unindexed) and not scans and bare is None:
            unfinished = any(one.index is not None and one.index.state == "building" for _, _, one in described)
            so_far = ", which is still being built" if unfinished else ""
            return Clear(f"every vector field of a large collection has an index that is not FLAT{so_far}")
        if work.count and (large or len(made)) and not culprits.any():
            return Clear("no slow request asks a collection without a vector index")
        if not culprits.any():
            culprits = np.ones(work.count, dtype=bool)
        share = work.share(culprits)
        sparse = bool(large) and all("SPARSE" in (one.type or "").upper() for _, _, one in large)
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.4,
                signs=[
                    (any(c.rows is not None for c, _, _ in large), 0.7),
                    (all(c.rows is None for c, _, _ in large) and bool(large), 0.2),
                    (bool(len(made)), 0.5),
                    (share > 0.8 and work.count >= 5, 0.2),
                    (scans, 0.4),
                    (bare is not None, 0.4),
                ],
                against=[
                    (case.context.comes_and_goes, 0.5),
                    (work.share(work.of_filter(costly_filter) & culprits) > 0.5, 0.4),
                    (not large and not len(made) and not scans and bare is None, 0.3),
                    (bool(measured.brute_share < self.hardly_scanned) and not large, 0.7),
                ],
            ),
            summary="Each search compares its vectors with every row, because the vector index is FLAT or missing.",
            evidence=[
                *self._large(case, large),
                *_logged(made, unindexed),
                *(self._scans(measured) if scans else []),
                *([self._without(measured, bare)] if bare is not None else []),
            ],
            keys=["autoindex", "partition_key"] if sparse else None,
        )

    def _large(self, case: Case, large: Sequence[_Field]) -> Iterator[Evidence]:
        """Fields of the context file on which every search is a scan of many rows."""
        for c, key, one in large:
            rows = f"{c.rows:,} rows" if c.rows else "an unknown number of rows"
            of = f"{one.name or 'The vector field'} of {c.name or 'the collection'}"
            says = f"{of} has {_kind(one.index)} on {rows}."
            yield stated(case, f"{key}.index", says, c.rows, self.too_many_rows)

    def _without(self, measured: Signals, bare: Unindexed) -> Evidence:
        says = f"{bare.sealed:,.0f} of {bare.rows:,.0f} rows of {bare.collection} have no vector index."
        return measured.says("rows_indexed", says, bare.sealed, self.too_many_rows)

    def _bare(self, work: Workload, measured: Signals) -> Unindexed | None:
        """A collection of which most sealed rows have no index, and none is on its way: nothing is built or written."""
        found = measured.unindexed(work.values("collection"))
        much = found.sealed >= self.too_many_rows and found.sealed >= self.scanned_share * found.rows
        on_its_way = any(measured.rate(name) > 0 for name in ("inserted", "upserted"))
        if not much or on_its_way or measured.active_share("builds_running") > 0:
            return None
        return None if measured.brute_share < self.hardly_scanned else found

    def _scans(self, measured: Signals) -> list[Evidence]:
        share, rows = measured.brute_share, measured.mean("rows_without_index")
        evidence = [
            measured.says(
                "core",
                f"{percent(share)} of the segments that were searched were scanned without asking an index.",
                share,
                self.scanned_share,
            )
        ]
        if rows >= self.too_many_rows:
            says = f"{rows:,.0f} rows are loaded without any index."
            evidence.append(measured.says("rows_without_index", says, rows, self.too_many_rows))
        return evidence


def _logged(made: pd.DataFrame, unindexed: pd.DataFrame) -> Iterator[Evidence]:
    if len(made):
        yield logged(made, "The log shows that its index was created as FLAT.")
    if number := len(unindexed):
        says = f"{count(number, 'line')} {do(number, 'say')} that segments without an index were searched."
        yield logged(unindexed, says, number)


def _kind(index: IndexFacts | None) -> str:
    if index is None or not index.type:
        return "no index"
    if index.state == "failed":
        return f"an index that could not be built ({index.failed or 'Milvus does not say why'})"
    return "a FLAT index"


def flat_indexes_made(case: Case) -> pd.DataFrame:
    """Lines that create a FLAT index."""
    made = case.events[case.events["what"] == "create_index"]
    flat = made["detail"].str.contains('"(?:FLAT|GPU_BRUTE_FORCE)"', regex=True).to_numpy(dtype=bool)
    return made[flat]
