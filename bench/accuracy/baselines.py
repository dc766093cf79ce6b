"""What slowq has to beat: three ways to name a cause that take one line each once the figures are there.

Each gives a verdict in the form of slowq's own. They look at a recorded incident's metrics (rates of the histograms
before and during it) and at its slow lines, and at nothing else.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from bench.accuracy.cases import Case

Verdict = dict[str, Any]
Times = list[tuple[float, float]]

BEFORE_S = 30.0  # the recordings begin this long before the load
NQ = re.compile(r"\[nq=(\d+)\]")
TOP_K = re.compile(r'topk\\",\\"value\\":\\"(\d+)')  # quotes are escaped in the line


def said(cause: str | None, sub_cause: str | None) -> Verdict:
    return {"outcome": "diagnosed" if cause else "nothing_slow", "cause": cause, "sub_cause": sub_cause}


def commonest(tune: Sequence[Case]) -> Callable[[Case], Verdict]:
    """Always the commonest cause of the tune part."""
    counted = Counter((one.truth.cause, one.truth.sub_cause) for one in tune if one.truth.cause)
    always = said(*min(counted, key=lambda pair: (-counted[pair], pair)))
    return lambda case: always


# The metric whose rise stands for a cause.
SIGNS: dict[str, tuple[str, str]] = {
    "milvus_querynode_search_nq": ("heavy_workload", "large_nq"),
    "milvus_querynode_search_topk": ("heavy_workload", "large_result"),
    "milvus_querynode_sq_queue_latency": ("heavy_workload", "high_concurrency"),
    "milvus_querynode_sq_wait_tsafe_latency": ("inefficient_filter", "consistency_wait"),
    "milvus_querynode_sq_core_latency": ("inefficient_filter", "unindexed_scalar_filter"),
    "knowhere_search_latency": ("wrong_index", "brute_force"),
    "milvus_querynode_load_segment_latency": ("runtime_contention", "segment_load"),
    "milvus_datanode_compaction_latency": ("runtime_contention", "compaction"),
    "milvus_indexnode_knowhere_build_index_latency": ("runtime_contention", "index_build"),
    "milvus_proxy_mutation_latency": ("runtime_contention", "heavy_delete"),
}


def largest_z(case: Case) -> Verdict:
    """The metric with the largest z-score against its values before the load."""
    series = _Series.of(case)
    return said(*SIGNS[max(SIGNS, key=lambda name: (series.z(name), name))])


def thresholds(case: Case) -> Verdict:
    """A flat table made from the guide: the first line that holds. Milliseconds are means over the incident."""
    series, log = _Series.of(case), _Log.of(case)
    table = (
        (log.slow == 0, None, None),
        (log.largest_nq >= 1000, "heavy_workload", "large_nq"),
        (log.largest_top_k >= 10_000, "heavy_workload", "large_result"),
        (series.mean("milvus_querynode_sq_wait_tsafe_latency") > 1000, "inefficient_filter", "consistency_wait"),
        (log.filtered > 0.5, "inefficient_filter", "unindexed_scalar_filter"),
        (series.mean("milvus_querynode_sq_queue_latency") > 1000, "heavy_workload", "high_concurrency"),
        (True, "wrong_index", "brute_force"),
    )
    return next(said(cause, sub_cause) for holds, cause, sub_cause in table if holds)


@dataclass(frozen=True, slots=True)
class _Series:
    """Means of histograms between two scrapes, before the load and during it; label sets are added up."""

    start: float
    sums: dict[str, dict[float, float]]
    counts: dict[str, dict[float, float]]

    @classmethod
    def of(cls, case: Case) -> _Series:
        file: dict[str, Any] = _load(case.metrics) if case.metrics else {"start": 0.0, "series": []}
        sums: dict[str, dict[float, float]] = {}
        counts: dict[str, dict[float, float]] = {}
        for one in file["series"]:
            name = one["metric"]["__name__"]
            for ending, into in (("_sum", sums), ("_count", counts)):
                if name.endswith(ending):
                    at = into.setdefault(name.removesuffix(ending), {})
                    for time, value in one["values"]:
                        at[time] = at.get(time, 0.0) + float(value)
        return cls(file["start"], sums, counts)

    def means(self, name: str) -> Times:
        sums, counts = sorted(self.sums.get(name, {}).items()), self.counts.get(name, {})
        steps = (
            (b, (of_b - of_a) / (counts[b] - counts[a]) if counts[b] > counts[a] else 0.0)
            for (a, of_a), (b, of_b) in pairwise(sums)
            if a in counts and b in counts
        )
        return list(steps)

    def mean(self, name: str) -> float:
        during = [value for at, value in self.means(name) if at > self.start + BEFORE_S]
        return mean(during) if during else 0.0

    def z(self, name: str) -> float:
        before = [value for at, value in self.means(name) if at <= self.start + BEFORE_S]
        return (self.mean(name) - mean(before)) / (pstdev(before) + 1.0) if before else 0.0


@dataclass(frozen=True, slots=True)
class _Log:
    slow: int
    largest_nq: int
    largest_top_k: int
    filtered: float

    @classmethod
    def of(cls, case: Case) -> _Log:
        lines = (
            [line for path in sorted(case.logs.iterdir()) for line in _text(path) if ' slow"]' in line]
            if case.logs
            else []
        )
        nq = [int(found[1]) for line in lines if (found := NQ.search(line))]
        top_k = [int(found[1]) for line in lines if (found := TOP_K.search(line))]
        filtered = sum("[dsl=]" not in line and "[expr=]" not in line for line in lines)
        return cls(len(lines), max(nq, default=0), max(top_k, default=0), filtered / len(lines) if lines else 0.0)


def _text(path: Path) -> list[str]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return raw.decode("utf-8", "replace").splitlines()


def _load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))
