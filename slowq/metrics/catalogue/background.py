"""What runs beside searches: builds, compactions and loads."""

from __future__ import annotations

from slowq.metrics.catalogue.quantity import COLLECTION, Quantity, Source, counter, gauge, latency, ms, plain

BACKGROUND: tuple[Quantity, ...] = (
    latency(
        "build",
        "building one index",
        Source("milvus_indexnode_build_index_latency", {}, 1.0, (2, 3, 2), None, True),
        ms("milvus_indexnode_build_index_latency", None, (2, 3, 2)),
    ),
    gauge(
        "builds_running",
        "index builds that run",
        "",
        plain(
            "milvus_datacoord_task_count",
            (2, 5, 0),
            task_type=("JobTypeIndexJob",),
            task_state=("JobStateInProgress", "InProgress", "in-progress"),
        ),
        plain("milvus_datacoord_index_task_count", (2, 3, 0), index_task_status="in-progress"),
        parts=COLLECTION,
    ),
    gauge(
        "builds_waiting",
        "index builds that wait",
        "",
        plain(
            "milvus_datacoord_task_count",
            (2, 5, 0),
            task_type=("JobTypeIndexJob",),
            task_state=("JobStateInit", "Init", "unissued"),
        ),
        plain("milvus_datacoord_index_task_count", (2, 3, 0), index_task_status="unissued"),
        parts=COLLECTION,
    ),
    latency("compaction", "one compaction", ms("milvus_datanode_compaction_latency")),
    gauge(
        "compactions_running",
        "compactions that run",
        "",
        plain("milvus_datacoord_compaction_task_num", (2, 4, 0), status="executing"),
        parts={"kind": ("compaction_type",)},
    ),
    latency(
        "load_segment",
        "loading one segment",
        Source("milvus_querynode_load_segment_latency", {}, 1.0, (2, 3, 2), (2, 4, 0), True),
        ms("milvus_querynode_load_segment_latency"),
    ),
    gauge(
        "loads_running",
        "segments that are being loaded",
        "",
        plain("milvus_querynode_load_segment_concurrency", (2, 4, 0)),
        parts={"kind": ("load_type",)},
    ),
    counter("loads", "load requests", "", plain("milvus_querycoord_load_req_count", status="total")),
    counter("releases", "release requests", "", plain("milvus_querycoord_release_req_count", status="total")),
    gauge(
        "load_tasks",
        "tasks that load, release or balance segments",
        "",
        plain("milvus_querycoord_task_num", (2, 2, 3)),
        parts={"kind": ("querycoord_task_type",)},
    ),
)
