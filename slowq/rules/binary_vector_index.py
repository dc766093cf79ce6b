"""Searches on binary vectors or MinHash signatures are slow.

Symptom
    Searches on a BINARY_VECTOR field are slow, with HAMMING or JACCARD, and grow with the number of rows. Searches
    on float vectors of the same size are fast.

Cause
    Binary vectors have BIN_FLAT, which scans everything, and BIN_IVF_FLAT, which scans nprobe / nlist of it; there
    is no graph index for them. SUPERSTRUCTURE, SUBSTRUCTURE and TANIMOTO (2.2) are slow or bound to BIN_FLAT.
    JACCARD costs more than HAMMING. MinHash signatures searched with JACCARD are compared bit by bit, although only
    equal elements matter: MINHASH_LSH with the metric MHJACCARD is made for that (2.6+).

How we tell
    search_params show a metric that only binary vectors have (HAMMING, JACCARD, TANIMOTO, SUPERSTRUCTURE,
    SUBSTRUCTURE, MHJACCARD), or the context file says BINARY_VECTOR with its index. Then, as for float vectors:
    BIN_FLAT on many rows, nprobe near nlist, and a duration per nq that is the same for all filters. Contrast with
    float collections on the same nodes, and before against after growth.

    len(PlaceholderGroup) over nq gives the bytes of one vector: dim / 8 and a little, not dim x 4. The metric is
    internal_core_search_latency with type vector_latency. With neither metric type nor field type the rule answers
    skipped.

Not this when
    Float collections on the same nodes are slow as well. The filter, tSafe or the queue takes the time. The
    collection is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, CollectionFacts, FieldFacts, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.heavy import BINARY_METRICS
from slowq.rule import About, threshold
from slowq.snippets import search_with
from slowq.wording import count, do, percent
from slowq.workload import seen, stated

REMEDIES = (
    Remedy(
        key="minhash_lsh",
        do="Index MinHash signatures with MINHASH_LSH and the metric MHJACCARD.",
        because="Signatures that share no band with the query are never compared.",
        cost=(
            "Approximate: pairs below the similarity that the bands imply are missed; the field must hold "
            "MinHash signatures; raw data is kept for refinement."
        ),
        verify="The duration per nq falls; compare the pairs found on a sample with BIN_FLAT.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="MINHASH_LSH",
    metric_type="MHJACCARD",
    params={"mh_element_bit_width": 32, "mh_lsh_band": 16, "with_raw_data": True},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)

client.search(
    collection_name=$collection,
    data=signatures,
    anns_field=$vector_field,
    limit=$top_k,
    search_params={
        "metric_type": "MHJACCARD",
        "params": {"mh_search_with_jaccard": True, "refine_k": 100},
    },
)
""",
        since=(2, 6, 0),
    ),
    Remedy(
        key="bin_ivf",
        do="Build BIN_IVF_FLAT instead of BIN_FLAT.",
        because="A search reads nprobe of nlist clusters instead of every row.",
        cost="Some recall; the collection is released for the rebuild.",
        verify="The duration per nq falls roughly to nprobe / nlist.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="BIN_IVF_FLAT",
    metric_type=$metric_type,
    params={"nlist": 1024},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="lower_nprobe",
        do="Lower nprobe ($suggested instead of $nprobe) and measure the recall.",
        because="The rows read are nprobe / nlist of all.",
        cost="Some recall.",
        verify="The duration per nq falls in proportion.",
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {"nprobe": $suggested}}'),
    ),
    Remedy(
        key="hamming",
        do="Use HAMMING where the ranking allows it.",
        because="It counts differing bits with one instruction a word; JACCARD needs two counts and a division.",
        cost="Another order of results; the metric must fit how the vectors were made.",
        verify="The duration per nq falls at equal nprobe.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="BIN_IVF_FLAT",
    metric_type="HAMMING",
    params={"nlist": 1024},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="float_vectors",
        do="Store float vectors, if the model gives them, with HNSW or a quantised index.",
        because=(
            "Graph indexes exist for float vectors only, and quantised ones come near to the size of binary vectors."
        ),
        cost="More memory, and the data imported again.",
        verify="The duration per nq at equal recall.",
        since=(2, 5, 0),
    ),
)

# nprobe below which there is little to lower; the default is 8.
_FEW_CLUSTERS = 32
Described = tuple[CollectionFacts, str, FieldFacts]

ABOUT = About(
    id="binary_vector_index",
    title="Searches on binary vectors or MinHash signatures are slow.",
    needs=(
        Need(
            what="the type of the vector field, its index and metric",
            how_to_supply=(
                "Give --context: `collections: [{name: pages, rows: 30000000, fields: [{name: signature, type: "
                "BINARY_VECTOR, dim: 4096, index: {type: BIN_FLAT, metric: JACCARD}}]}]`."
            ),
        ),
        Need(
            what="for how many of the searched segments an index was asked",
            how_to_supply="Give --metrics with milvus_querynode_sq_core_latency and knowhere_search_latency.",
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class BinaryVectorIndex:
    """Binary vectors on an index or a metric that does not fit them."""

    about: ClassVar[About] = ABOUT
    too_many_rows: int = threshold(
        1_000_000,
        "binary vectors from which a scan of all is worth an index: they are 32 times smaller than float "
        "vectors and cheaper to compare",
    )

    def check(self, case: Case) -> Outcome:
        work, measured = workload.of(case), signals.of(case)
        fields = [(c, key, one) for c, key, one in workload.vector_fields(case) if "BINARY" in (one.type or "").upper()]
        binary = work.is_any("metric_type", list(BINARY_METRICS))
        for c, _, _ in fields:
            if c.name:
                binary |= work.is_any("collection", [c.name])
        if not fields and not binary.any():
            if work.count and work.slow["metric_type"].notna().any():
                return Clear("no slow request compares binary vectors")
            return Skipped(self.about.needs)
        if work.count and not binary.any():
            return Clear("no slow request asks a collection of binary vectors")
        scanned = [
            (c, key, one)
            for c, key, one in fields
            if one.index is not None and (one.index.type or "").upper() in ("", "BIN_FLAT")
        ]
        large = [(c, key, one) for c, key, one in scanned if (c.rows or 0) >= self.too_many_rows]
        evidence = []
        if binary.any():
            evidence.append(
                seen(
                    work,
                    f"{int(binary.sum()):,} of {count(work.count, 'slow request')} "
                    f"{do(int(binary.sum()), 'compare')} binary vectors "
                    f"({percent(work.share(binary))} of the slow time).",
                    binary,
                )
            )
        evidence += [
            stated(
                case,
                f"{key}.index",
                f"{one.name or 'The binary field'} is scanned whole: "
                f"{(one.index.type if one.index else '') or 'no index'} on "
                f"{f'{c.rows:,} rows' if c.rows else 'an unknown number of rows'}.",
                c.rows,
                self.too_many_rows,
            )
            for c, key, one in scanned
        ]
        culprits = binary if binary.any() else np.ones(work.count, dtype=bool)
        victims = work.victims(culprits)
        nprobe = work.middle(work.param("nprobe"), culprits)
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.4,
                signs=[
                    (bool(scanned), 0.4),
                    (bool(large), 0.4),
                    (work.share(binary) > 0.8, 0.25),
                    (bool(victims.any()), 0.1),
                    (bool(measured.brute_share >= 0.5) and work.share(binary) > 0.5, 0.4),
                ],
                against=[
                    (bool(fields) and not scanned, 0.5),
                    (0 < work.share(binary) < 0.3, 0.4),
                    (case.context.comes_and_goes, 0.4),
                ],
            ),
            summary="Searches compare binary vectors on an index or with a metric that scans them all.",
            evidence=evidence,
            names={"nprobe": int(nprobe), "suggested": max(int(nprobe) // 4, 8)} if nprobe == nprobe else None,
            keys=self._fitting(work.main("metric_type", culprits), scanned, fields, nprobe),
        )

    def _fitting(
        self, metric: str | None, scanned: Sequence[Described], fields: Sequence[Described], nprobe: float
    ) -> list[str]:
        """Remedies for this metric, and for an index that scans all or reads many of its clusters."""
        metric = metric or next((one.index.metric for _, _, one in fields if one.index and one.index.metric), None)
        of_minhash = metric == "MHJACCARD"
        keys = ["float_vectors"]
        if of_minhash or metric in (None, "JACCARD"):
            keys.append("minhash_lsh")
        if not of_minhash and (scanned or not fields):
            keys.append("bin_ivf")
        if metric in ("JACCARD", "TANIMOTO"):
            keys.append("hamming")
        if nprobe > _FEW_CLUSTERS:
            keys.append("lower_nprobe")
        return keys
