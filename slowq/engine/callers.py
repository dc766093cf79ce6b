"""Where in its source each version writes the lines that stand beside the slow ones, as a line's third bracket says it.

Read in the source of Milvus v2.3.5, v2.4.15, v2.5.16 and v2.6.10; of a call over several lines Go says the first. What real logs
of 2.3.5 show is the same (`tests/engine/test_events.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

VERSIONS = ("2.3.5", "2.4.15", "2.5.16", "2.6.10")

_IMPL = "proxy/impl.go"
_DELEGATOR = "delegator/delegator.go"
_HANDLERS = "querynodev2/handlers.go"
_SERVICES = "querycoordv2/services.go"
_EXECUTOR = "task/executor.go"

# By event: the file, or that of each version, and the line of each version; 0 where it has no such line.
_PLACES: Mapping[str, tuple[str | tuple[str, str, str, str], tuple[int, int, int, int]]] = {
    "search failed": (_IMPL, (2608, 3014, 3189, 3023)),
    "hybrid_search failed": (_IMPL, (0, 3200, 3424, 3260)),
    "query failed": (_IMPL, (2878, 3473, 3716, 3703)),
    "search refused": (_IMPL, (2585, 2989, 3164, 3006)),
    "hybrid_search refused": (_IMPL, (0, 3175, 3399, 3243)),
    "query refused": (_IMPL, (2858, 3449, 3692, 3689)),
    "lag too large": (_DELEGATOR, (576, 716, 784, 976)),
    "search without tsafe": (_DELEGATOR, (207, 294, 365, 410)),
    "query without tsafe": (_DELEGATOR, (356, 482, 538, 616)),
    "search failed on delegator": (_HANDLERS, (334, 378, 432, 439)),
    "query failed on delegator": (_HANDLERS, (176, 223, 266, 273)),
    "canceled before enqueue": (
        (*("tasks/concurrent_safe_scheduler.go",) * 2, *("scheduler/concurrent_safe_scheduler.go",) * 2),
        (174, 174, 180, 180),
    ),
    "canceled before executing": (
        (*("tasks/concurrent_safe_scheduler.go",) * 2, *("scheduler/concurrent_safe_scheduler.go",) * 2),
        (222, 222, 228, 228),
    ),
    "session put": ("sessionutil/session_util.go", (462, 466, 504, 519)),
    "session": ("sessionutil/session_util.go", (908, 914, 954, 0)),
    "index received": (_IMPL, (1774, 2001, 2104, 2033)),
    "index done": (_IMPL, (1805, 2032, 2135, 2058)),
    "build begun": (
        ("indexnode/task.go", "indexnode/task_index.go", "indexnode/task_index.go", "index/task_index.go"),
        (156, 316, 139, 153),
    ),
    "built": (
        ("indexnode/task.go", "indexnode/task_index.go", "indexnode/task_index.go", "index/task_index.go"),
        (363, 493, 306, 337),
    ),
    "build failed": (
        ("indexnode/task.go", "indexnode/task_index.go", "indexnode/task_index.go", "index/task_index.go"),
        (356, 486, 299, 330),
    ),
    "flushed": ("datacoord/server.go", (1017, 1075, 1048, 972)),
    "compaction begun": (
        (
            "datanode/compaction_executor.go",
            "compaction/executor.go",
            "compaction/executor.go",
            "compactor/executor.go",
        ),
        (94, 170, 172, 198),
    ),
    "compacted": (
        (
            "datanode/compaction_executor.go",
            "compaction/executor.go",
            "compaction/executor.go",
            "compactor/executor.go",
        ),
        (107, 180, 208, 237),
    ),
    "collection load received": (_SERVICES, (197, 203, 212, 206)),
    "partitions load received": (_SERVICES, (298, 358, 370, 285)),
    "collection load accepted": (_SERVICES, (0, 0, 0, 241)),
    "partitions load accepted": (_SERVICES, (0, 0, 0, 318)),
    "loaded": ("observers/collection_observer.go", (237, 357, 403, 417)),
    "segment loading": (_EXECUTOR, (230, 231, 239, 252)),
    "segment not loaded": (_EXECUTOR, (233, 235, 243, 256)),
    "segment loaded": (_EXECUTOR, (243, 240, 248, 261)),
    "release received": (_SERVICES, (254, 314, 326, 249)),
    "partitions release received": (_SERVICES, (371, 428, 443, 329)),
    "partitions released": (_SERVICES, (0, 0, 0, 356)),
    "released": (_SERVICES, (283, 343, 355, 269)),
    "inserted": ("pipeline/insert_node.go", (80, 80, 81, 81)),
    "tick late": ("rootcoord/timeticksync.go", (313, 313, 315, 350)),
}


def callers_of(version: str) -> dict[str, str]:
    """By event, `file:line` of one of `VERSIONS`."""
    at = VERSIONS.index(version)
    return {
        event: f"{files if isinstance(files, str) else files[at]}:{lines[at]}"
        for event, (files, lines) in _PLACES.items()
    }
