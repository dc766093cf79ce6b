"""My index lives on disk, and the disk is too slow for it.

Symptom
    Searches on collections with DISKANN, AISAQ or mmap are slow and uneven while the CPU idles, worse with more
    concurrency, and fast when repeated at once. Collections in memory on the same node are fast.

Cause
    DISKANN and AISAQ (2.6.4+) read graph and vectors from the disk at each step of a search; mmap reads each page
    that is not in the page cache. All need a local NVMe disk. On network disks or hard disks, on a disk shared with
    etcd, the message queue or object storage, or where the data mapped is much larger than free memory, each miss
    costs milliseconds, and concurrency multiplies them. From 2.6.0 raw vectors are mapped by default
    (queryNode.mmap.vectorField), and without an index it is they that are searched.

How we tell
    The context file names the index (`type: DISKANN` or `AISAQ`, `mmap: true` of the index, or of a field without
    one, or of any before 2.4, where one switch maps both, or a queryNode.mmap key in `config`), that it is slow only
    since mmap was changed (`events`, `pattern.only_after: config`), `hardware.disk` and `observations.disk_util_share`
    beside a low `cpu_share`; a `fast_duration_s` in memory will do as contrast. The log shows search_list in
    search_params and durations that spread widely at equal work: same pattern, same nq, yet some fast.

    What decides is a host metric: device utilisation (node_disk_io_time_seconds_total of node exporter) on the
    query nodes (in 2.6.0-rc1 on the streaming nodes, issue #43659). With neither the index type nor search_list the
    rule answers skipped, and so it does where only raw vectors are mapped and nothing speaks against the disk.

Not this when
    Only the first searches after a load or restart are slow (cold_cache). The disk is busy with compaction, an
    index build or other tenants (disk_saturation, compaction). The index is in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import NO_INDEX, Case, FieldFacts, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import costly_filter, heavy_requests
from slowq.rule import About, threshold
from slowq.snippets import search_with
from slowq.wording import count, do, percent
from slowq.workload import seen, stated, told_contrast

# Disks that answer a random read in milliseconds, where NVMe takes a tenth of one.
SLOW_DISKS = ("hdd", "network")
DISK_INDEXES = ("DISKANN", "AISAQ")
# Configuration keys that map vector indexes (2.3.x: the first; from 2.4.10: the second).
MMAP_KEYS = ("queryNode.mmap.mmapEnabled", "queryNode.mmap.vectorIndex")
# The search_list that Milvus takes at least where none is given.
_SEARCH_LIST = 16
# The key that maps raw vectors, and the version from which it is true where it is not set.
RAW_KEY, RAW_SINCE = "queryNode.mmap.vectorField", (2, 6, 0)

REMEDIES = (
    Remedy(
        key="index_in_memory",
        do="Keep the vector index of $collection in memory: switch mmap off for it.",
        because="A search then never waits for a page.",
        cost="Memory for the whole index on every replica; the collection is released for the change.",
        verify="Disk reads of the query nodes fall to near zero between loads, and the spread of durations closes.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_index_properties(
    collection_name=$collection,
    index_name=$vector_field,  # list_indexes() shows the name
    properties={"mmap.enabled": False},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="nvme",
        do="Put the local storage of the query nodes (localStorage.path) on an NVMe disk of its own.",
        because=(
            "Indexes on disk and mmap do many small random reads, which NVMe serves a hundred times faster than network disks."
        ),
        cost="Hardware or another instance type, and a reload of the nodes.",
        verify="Device utilisation stays clearly below 1 at peak, with read latency under a millisecond.",
    ),
    Remedy(
        key="smaller_search_list",
        do="Lower search_list towards $suggested, its default, as far as the recall holds.",
        because="Each step less is a disk read less.",
        cost="Some recall; search_list must not be below top-k.",
        verify="Disk reads a search fall, and the duration with them.",
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {"search_list": $suggested}}'),
    ),
    Remedy(
        key="larger_cache",
        do="Give DISKANN a larger node cache in memory, and load the collection again.",
        because="The nodes around the entry point are read by every search; in the cache they cost nothing.",
        cost="Memory in proportion to the ratio. It takes effect when an index is built or loaded.",
        verify="diskann_search_hops stay while disk reads fall.",
        snippet="""\
# milvus.yaml
knowhere:
  DISKANN:
    build:
      search_cache_budget_gb_ratio: 0.2
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="larger_cache_24",
        do="Give DISKANN a larger node cache in memory, and load the collection again.",
        because="The nodes around the entry point are read by every search; in the cache they cost nothing.",
        cost="Memory in proportion to the ratio. It takes effect when an index is built or loaded.",
        verify="Disk reads of the query nodes fall.",
        snippet="""\
# milvus.yaml
common:
  DiskIndex:
    SearchCacheBudgetGBRatio: 0.2
""",
        before=(2, 5, 0),
    ),
    Remedy(
        key="quantised_index",
        do="Build a quantised index that fits into memory, such as HNSW_SQ, instead of DISKANN or mmap.",
        because="Compressed vectors take a quarter or less of the memory and need no disk at search time.",
        cost="A rebuild, and some recall unless refined; from 2.6 IVF_RABITQ compresses further.",
        verify="The index shows in describe_index; disk reads between loads are near zero.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="HNSW_SQ",
    metric_type=$metric_type,
    params={"M": 16, "efConstruction": 200, "sq_type": "SQ8"},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
        since=(2, 5, 0),
    ),
)

ABOUT = About(
    id="disk_bound_index",
    title="My index lives on disk, and the disk is too slow for it.",
    needs=(
        Need(
            what="the index type, whether it is mapped, and the kind of disk",
            how_to_supply=(
                "Give --context: `hardware: {disk: network}` and `collections: [{name: big, fields: [{name: "
                "embedding, type: FLOAT_VECTOR, index: {type: DISKANN, mmap: false}}]}]`."
            ),
        ),
        Need(
            what="how busy the disk and the CPU of the query nodes are",
            how_to_supply=(
                "Give --metrics with node_disk_io_time_seconds_total of the hosts, or --context: "
                "`observations: {disk_util_share: 0.97, cpu_share: 0.2}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class DiskBoundIndex:
    """An index on disk, or a mapped one, is limited by the disk."""

    about: ClassVar[About] = ABOUT
    busy_disk_share: float = threshold(
        0.8,
        "device utilisation from which requests queue at the disk",
    )
    idle_cpu_share: float = threshold(
        0.5,
        "CPU share below which the CPU is not what limits the search",
    )
    spread: float = threshold(
        5.0,
        "p95 over p50 of one pattern from which durations spread as those of cached and uncached pages do",
    )

    def check(self, case: Case) -> Outcome:
        work, measured = workload.of(case), signals.of(case)
        mapped = on_disk(case)
        searched_raw = [] if mapped else raw_on_disk(case)
        listed = work.has_param("search_list")
        busy, kind = busy_share(case), case.context.hardware.get("disk")
        cpu = case.context.observations.get("cpu_share")
        if not mapped and not searched_raw and not listed.any():
            if any(one.index is not None for _, _, one in workload.vector_fields(case)):
                return Clear("no vector index of the context file is on disk or mapped")
            return Skipped(self.about.needs)
        if np.isnan(busy) and not mapped and (kind is None or (kind not in SLOW_DISKS and not listed.any())):
            return Skipped(self.about.needs)
        mapped += searched_raw
        culprits = listed if listed.any() else work.is_any("collection", [name for name, _, _ in mapped if name])
        culprits = culprits if culprits.any() else np.ones(work.count, dtype=bool)
        spread = self._spread(work, culprits)
        evidence = [stated(case, key, says) for _, key, says in mapped]
        if number := int(listed.sum()):
            says = f"{count(number, 'slow request')} {do(number, 'carry')} search_list, a parameter of indexes on disk."
            evidence.append(seen(work, says, listed))
        if kind in SLOW_DISKS:
            evidence.append(
                stated(
                    case,
                    "hardware.disk",
                    f"The disk is of the kind {kind}; indexes on disk and mmap need a local NVMe disk.",
                )
            )
        evidence += busy_disk(case, self.busy_disk_share, least=0.0)
        switched_on = _since_mapping(case) if mapped else []
        evidence += switched_on
        faster = bool(mapped) and case.context.differs_by_request and not heavy_requests(work).any()
        if faster:
            evidence += told_contrast(case)
        if spread >= self.spread:
            evidence.append(
                seen(
                    work,
                    f"Durations spread widely: the p95 is {spread:.0f} times the median.",
                    culprits,
                    spread,
                    self.spread,
                )
            )
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.3,
                signs=[
                    (busy >= self.busy_disk_share, 0.5),
                    (kind in SLOW_DISKS, 0.35),
                    (cpu is not None and cpu < self.idle_cpu_share, 0.3),
                    (faster, 0.3),
                    (bool(switched_on), 0.5),
                    (bool(spread >= self.spread), 0.15),
                ],
                against=[
                    (busy < self.idle_cpu_share, 0.5),
                    (kind == "nvme" and bool(np.isnan(busy)), 0.3),
                    (work.share(work.of_filter(costly_filter) & culprits) > 0.5, 0.4),
                    (bool(measured.filter_share >= 0.5), 0.4),
                ],
            ),
            summary="Each search reads its index from the disk, and the disk is what it waits for.",
            evidence=evidence,
            names=_default_search_list(work, culprits),
            keys=_fitting(case),
        )

    def _spread(self, work: workload.Workload, culprits: workload.Mask) -> float:
        """p95 over p50 of the culprits; NaN where they are too few to tell."""
        if int(culprits.sum()) < 20 or not work.has_durations:
            return float("nan")
        took_s = work.weight_s[culprits]
        return float(np.quantile(took_s, 0.95) / max(float(np.median(took_s)), 1e-3))


def _since_mapping(case: Case) -> list[Evidence]:
    """That it is slow only since a change of the configuration, which was of mmap."""
    changes = [one for one in case.context.events if one.what == "config" and "mmap" in (one.detail or "").lower()]
    if not case.context.is_only_after(changes):
        return []
    return [stated(case, f"{changes[0].key}.detail", "It is slow only since mmap was changed.")]


def on_disk(case: Case) -> list[tuple[str | None, str, str]]:
    """Collections whose vector index lies on disk: name, key and sentence, as the context file says it.

    Before 2.4 one switch maps all that a query node loads, so that what is said of the field holds for its index.
    """
    one_switch = not case.milvus.surely_from((2, 4, 0))
    found = [
        (
            c.name,
            f"{key}.index",
            (
                f"{one.name or 'The vector field'} of {c.name or 'the collection'} is searched from disk: "
                f"{one.index.type if (one.index.type or '').upper() in DISK_INDEXES else 'mapped'}."
            ),
        )
        for c, key, one in workload.vector_fields(case)
        if one.index is not None
        and one.index != NO_INDEX
        and (_is_mapped(one, one_switch) or (one.index.type or "").upper() in DISK_INDEXES)
    ]
    mapped = [key for key, value in case.context.config.items() if key in MMAP_KEYS and value is True]
    return found or [(None, f"config.{key}", f"The configuration maps indexes from disk: {key}.") for key in mapped]


def _is_mapped(field: FieldFacts, one_switch: bool) -> bool:
    """Whether the index of a field is mapped; `one_switch` where it is if the field is."""
    told = field.index.mmap if field.index else None
    return bool(field.mmap and one_switch if told is None else told)


def raw_on_disk(case: Case) -> list[tuple[str | None, str, str]]:
    """The same of vector fields without an index whose raw values, which are scanned then, are mapped.

    What a field says of itself goes before the configuration, and that before the default of the version.
    """
    configured = case.context.config.get(RAW_KEY, True if case.milvus.surely_from(RAW_SINCE) else None)
    return [
        (
            c.name,
            f"{key}.mmap" if one.mmap else f"config.{RAW_KEY}" if RAW_KEY in case.context.config else key,
            (
                f"{one.name or 'The vector field'} of {c.name or 'the collection'} has no index, and its raw vectors "
                f"are mapped from disk{'' if one.mmap or RAW_KEY in case.context.config else ' by default'}."
            ),
        )
        for c, key, one in workload.vector_fields(case)
        if one.index == NO_INDEX and (configured is True if one.mmap is None else one.mmap)
    ]


def busy_share(case: Case) -> float:
    """The share of the time in which the disk is busy, by the context file or of the busiest disk of the metrics, whichever
    is more; NaN where neither tells."""
    told = case.context.observations.get("disk_util_share")
    return float(np.fmax(signals.of(case).busiest_disk, np.nan if told is None else told))


def busy_disk(case: Case, limit: float, least: float) -> list[Evidence]:
    """Who says that the disk is busy, for at least so much of the time."""
    told, measured = case.context.observations.get("disk_util_share"), signals.of(case)
    evidence = []
    if told is not None and told >= least:
        says = f"The disk is busy for {percent(told)} of the time."
        evidence.append(stated(case, "observations.disk_util_share", says, told, limit))
    if measured.busiest_disk >= least:
        says = f"The busiest disk is busy for {percent(measured.busiest_disk)} of the time."
        evidence.append(measured.says("disk_busy", says, measured.busiest_disk, limit))
        if (reads := measured.busiest_disk_reads) >= 0:
            evidence.append(measured.says("disk_read", f"{reads / 1e6:,.0f} MB a second are read from it.", reads))
    return evidence


def _default_search_list(work: workload.Workload, culprits: workload.Mask) -> dict[str, object]:
    """What Milvus takes where search_list is not given, max(top-k, 16), where the culprits ask for more than that."""
    default = np.fmax(work.middle(work.number("top_k"), culprits), _SEARCH_LIST)
    more = work.middle(work.param("search_list"), culprits) > default
    return {"suggested": int(default)} if more else {}


def _fitting(case: Case) -> list[str] | None:
    """The remedies, without the node cache of DISKANN where no index is of that kind, and search_list where none has it."""
    kinds = {(one.index.type or "").upper() for _, _, one in workload.vector_fields(case) if one.index is not None}
    if not kinds or "DISKANN" in kinds:
        return None
    others = {"larger_cache", "larger_cache_24"} | (set() if "AISAQ" in kinds else {"smaller_search_list"})
    return [one.key for one in REMEDIES if one.key not in others]
