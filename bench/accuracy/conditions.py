"""What slowq is given of a case: all of it, a part, or all of it damaged in a known way."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.accuracy.cases import Case

DROPPED = 0.1
SHIFT_S = 5.0


@dataclass(frozen=True, slots=True)
class Given:
    """The paths that go onto the command line."""

    logs: Path | None
    metrics: Path | None
    context: Path | None
    slow_s: float | None = None

    def arguments(self) -> list[str]:
        return [
            *([str(self.logs)] if self.logs else []),
            *(["--metrics", str(self.metrics)] if self.metrics else []),
            *(["--context", str(self.context)] if self.context else []),
            *(["--min-duration", f"{self.slow_s}s"] if self.slow_s else []),
        ]


Condition = Callable[[Case, Path], Given | None]
"""What is given of a case, with a folder to write in; None where the case lacks what the condition is about."""


def everything(case: Case, scratch: Path) -> Given | None:
    return Given(case.logs, case.metrics, case.context, case.slow_s)


def logs_only(case: Case, scratch: Path) -> Given | None:
    return Given(case.logs, None, None) if case.logs and case.metrics else None


def metrics_only(case: Case, scratch: Path) -> Given | None:
    return Given(None, case.metrics, None) if case.metrics else None


def logs_and_metrics(case: Case, scratch: Path) -> Given | None:
    return Given(case.logs, case.metrics, None) if case.logs and case.metrics else None


def logs_and_context(case: Case, scratch: Path) -> Given | None:
    return Given(case.logs, None, case.context) if case.logs and case.metrics else None


def lines_dropped(case: Case, scratch: Path) -> Given | None:
    """One line in ten is missing from the log."""
    if not case.logs or not case.metrics:
        return None
    dice = random.Random(case.id)
    for path in sorted(case.logs.iterdir()):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        kept = [line for line in raw.splitlines(keepends=True) if dice.random() >= DROPPED]
        (scratch / path.name.removesuffix(".gz")).write_bytes(b"".join(kept))
    return Given(scratch, case.metrics, case.context)


def metric_missing(case: Case, scratch: Path) -> Given | None:
    """One of the metrics that tell where a search spends its time is not there; which one, the case's id decides."""
    if not case.metrics:
        return None
    file = json.loads(gzip.decompress(case.metrics.read_bytes()))
    names = sorted({_family(one["metric"]["__name__"]) for one in file["series"]} & TELLING)
    gone = random.Random(case.id).choice(names)
    file["series"] = [one for one in file["series"] if _family(one["metric"]["__name__"]) != gone]
    return Given(case.logs, _written(scratch, file), case.context)


def clock_shifted(case: Case, scratch: Path) -> Given | None:
    """The clock of Prometheus is five seconds ahead of that of the log."""
    if not case.metrics or not case.logs:
        return None
    file = json.loads(gzip.decompress(case.metrics.read_bytes()))
    file["start"] += SHIFT_S
    file["end"] += SHIFT_S
    for one in file["series"]:
        one["values"] = [[at + SHIFT_S, value] for at, value in one["values"]]
    return Given(case.logs, _written(scratch, file), case.context)


CONDITIONS: dict[str, Condition] = {
    "everything": everything,
    "logs": logs_only,
    "metrics": metrics_only,
    "logs and metrics": logs_and_metrics,
    "logs and context": logs_and_context,
    "10 % of the lines dropped": lines_dropped,
    "one metric missing": metric_missing,
    "clocks 5 s apart": clock_shifted,
}

TELLING = frozenset(
    {
        "milvus_proxy_sq_latency",
        "milvus_proxy_sq_wait_result_latency",
        "milvus_proxy_sq_reduce_result_latency",
        "milvus_proxy_sq_decode_result_latency",
        "milvus_proxy_req_count",
        "milvus_proxy_search_vectors_count",
        "milvus_querynode_sq_req_latency",
        "milvus_querynode_sq_queue_latency",
        "milvus_querynode_sq_queue_user_latency",
        "milvus_querynode_sq_wait_tsafe_latency",
        "milvus_querynode_sq_segment_latency",
        "milvus_querynode_sq_core_latency",
        "milvus_querynode_sq_reduce_latency",
        "milvus_querynode_search_nq",
        "milvus_querynode_search_topk",
        "milvus_querynode_segment_num",
        "milvus_querynode_load_segment_latency",
        "milvus_datanode_compaction_latency",
        "milvus_datacoord_index_task_count",
        "milvus_proxy_mutation_latency",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
    }
)


def _family(name: str) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        if name.removesuffix(suffix) in TELLING:
            return name.removesuffix(suffix)
    return name


def _written(scratch: Path, file: object) -> Path:
    path = scratch / "metrics.json.gz"
    path.write_bytes(gzip.compress(json.dumps(file).encode(), 1, mtime=0))
    return path
