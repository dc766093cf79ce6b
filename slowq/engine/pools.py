"""How many background tasks run at the same time: the sizes that Milvus gives its pools."""

from __future__ import annotations

from dataclasses import dataclass

from slowq.engine.config import Config

# What a data node of Milvus takes, whatever the coordinator allows (`maxParallelTaskNum` of its compaction executor).
_MOST_COMPACTIONS = 10


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many background tasks run at the same time."""

    builds: int  # of indexes
    build_threads: int  # of each of them
    compactions: int
    loads: int  # segments that are opened


def at_once(config: Config, cpus: int) -> AtOnce:
    """As Milvus sizes its pools on a machine of so many CPUs."""
    allowed = int(config.number("dataCoord.compaction.maxParallelTaskNum"))
    return AtOnce(
        builds=max(1, int(config.number("indexNode.scheduler.buildParallel"))),
        build_threads=max(1, int(cpus * config.number("common.buildIndexThreadPoolRatio"))),
        compactions=min(allowed, _MOST_COMPACTIONS) if allowed > 0 else _MOST_COMPACTIONS,
        loads=max(1, int(cpus * config.number("common.threadCoreCoefficient.middlePriority"))),
    )
