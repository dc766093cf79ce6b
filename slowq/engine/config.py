"""The keys of `milvus.yaml` that mean something to the engine, with Milvus' names and its defaults (2.6.10, unless said)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from slowq.errors import UsageError

# Milvus 2.6.10's `configs/milvus.yaml`. Every key here changes something: one without effect would be a promise.
DEFAULTS: Final[Mapping[str, bool | int | float | str]] = {
    "common.buildIndexThreadPoolRatio": 0.75,
    "common.gracefulTime": 5000,
    "common.security.authorizationEnabled": False,
    "common.security.defaultRootPassword": "Milvus",
    "common.threadCoreCoefficient.middlePriority": 5,
    "common.usePartitionKeyAsClusteringKey": False,
    "dataCoord.compaction.clustering.autoEnable": False,
    "dataCoord.compaction.clustering.enable": True,
    "dataCoord.compaction.clustering.newDataSizeThreshold": "512m",
    "dataCoord.compaction.clustering.preferSegmentSizeRatio": 0.8,
    "dataCoord.compaction.clustering.triggerInterval": 600,
    "dataCoord.compaction.enableAutoCompaction": True,
    "dataCoord.compaction.levelzero.forceTrigger.deltalogMinNum": 10,
    "dataCoord.compaction.levelzero.triggerInterval": 10,
    "dataCoord.compaction.max.segment": 30,
    "dataCoord.compaction.maxParallelTaskNum": -1,
    "dataCoord.compaction.min.segment": 3,
    "dataCoord.compaction.mix.triggerInterval": 60,
    "dataCoord.compaction.single.ratio.threshold": 0.2,
    "dataCoord.enableCompaction": True,
    "dataCoord.segment.compactableProportion": 0.85,
    "dataCoord.segment.expansionRate": 1.25,
    "dataCoord.segment.maxIdleTime": 600,
    "dataCoord.segment.maxLife": 86400,
    "dataCoord.segment.maxSize": 1024,
    "dataCoord.segment.minSizeFromIdleToSealed": 16,
    "dataCoord.segment.sealProportion": 0.12,
    "dataCoord.segment.smallProportion": 0.5,
    "indexCoord.segment.minSegmentNumRowsToEnableIndex": 1024,
    "indexNode.scheduler.buildParallel": 1,
    "proxy.maxTaskNum": 1024,
    "proxy.replicaSelectionPolicy": "look_aside",
    "proxy.slowLogSpanInSeconds": 1.0,  # of 2.5 alone
    "proxy.slowQuerySpanInSeconds": 1.0,
    "proxy.timeTickInterval": 200,
    "queryNode.enableSegmentPrune": False,
    "queryNode.grouping.enabled": True,
    "queryNode.grouping.maxNQ": 1000,
    "queryNode.grouping.topKMergeRatio": 20.0,
    "queryNode.mmap.growingMmapEnabled": False,
    "queryNode.mmap.scalarField": False,
    "queryNode.mmap.scalarIndex": False,
    "queryNode.mmap.vectorField": True,
    "queryNode.mmap.vectorIndex": False,
    "queryNode.scheduler.maxReadConcurrentRatio": 1.0,
    "queryNode.scheduler.maxTimestampLag": 86400,
    "queryNode.scheduler.scheduleReadPolicy.maxPendingTaskPerUser": 1024,
    "queryNode.scheduler.scheduleReadPolicy.name": "fifo",
    "queryNode.scheduler.unsolvedQueueSize": 10240,
    "queryNode.segcore.interimIndex.buildParallelRate": 0.5,
    "queryNode.segcore.interimIndex.enableIndex": True,
    "queryNode.segcore.interimIndex.indexBuildRatio": 0.1,
    "queryNode.segcore.interimIndex.nlist": 128,
    "queryNode.segcore.interimIndex.nprobe": 16,
    "queryNode.segcore.tieredStorage.warmup.scalarField": "sync",
    "queryNode.segcore.tieredStorage.warmup.scalarIndex": "sync",
    "queryNode.segcore.tieredStorage.warmup.vectorField": "disable",
    "queryNode.segcore.tieredStorage.warmup.vectorIndex": "sync",
    "quotaAndLimits.limits.maxGroupSize": 10,
    "quotaAndLimits.limits.maxQueryResultWindow": 16384,
    "quotaAndLimits.limits.nq": 16384,
    "quotaAndLimits.limits.topK": 16384,
}
WARM_UP: Final = ("sync", "async", "disable")
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "proxy.replicaSelectionPolicy": ("look_aside", "round_robin"),
    "queryNode.scheduler.scheduleReadPolicy.name": ("fifo", "user-task-polling"),
    "queryNode.segcore.tieredStorage.warmup.scalarField": WARM_UP,
    "queryNode.segcore.tieredStorage.warmup.scalarIndex": WARM_UP,
    "queryNode.segcore.tieredStorage.warmup.vectorField": WARM_UP,
    "queryNode.segcore.tieredStorage.warmup.vectorIndex": WARM_UP,
}
# What 2.5 and older called it.
_OLDER_NAMES: Final[Mapping[str, str]] = {
    "queryNode.cache.warmup": "queryNode.segcore.tieredStorage.warmup.vectorField",
}
# Where -1 is no mistake, and means no limit.
_UNLIMITED: Final = frozenset(("dataCoord.compaction.maxParallelTaskNum",))
# Shares of a whole: more than all of it is a mistake.
_SHARES: Final = frozenset(
    (
        "dataCoord.compaction.clustering.preferSegmentSizeRatio",
        "dataCoord.compaction.single.ratio.threshold",
        "dataCoord.segment.compactableProportion",
        "dataCoord.segment.sealProportion",
        "dataCoord.segment.smallProportion",
        "queryNode.segcore.interimIndex.indexBuildRatio",
    )
)
_SIZES: Final = frozenset(("dataCoord.compaction.clustering.newDataSizeThreshold",))
_SIZE = re.compile(r"\s*\d+(?:\.\d+)?\s*[kmg]?b?\s*", re.IGNORECASE)
_SUFFIXES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True, slots=True)
class Config:
    """`given` are the keys that somebody set, be it to the default."""

    values: Mapping[str, bool | int | float | str] = field(default_factory=lambda: dict(DEFAULTS))
    given: frozenset[str] = frozenset()

    def flag(self, key: str) -> bool:
        return bool(self.values[key])

    def number(self, key: str) -> float:
        return float(self.values[key])

    def text(self, key: str) -> str:
        return str(self.values[key])

    def size_bytes(self, key: str) -> int:
        """ "512m" and the like; a bare number is bytes."""
        word = self.text(key).strip().lower().removesuffix("b")
        scale = _SUFFIXES.get(word[-1:], 1)
        return int(float(word[:-1] if scale > 1 else word) * scale)


def configure(given: Mapping[str, Any], origin: str = "configuration") -> tuple[Config, list[str]]:
    """The defaults with `given` (dotted or nested keys) over them, and a warning for each key that means nothing here."""
    values: dict[str, bool | int | float | str] = dict(DEFAULTS)
    warnings, known = [], set()
    for name, value in _flat(given):
        key = _OLDER_NAMES.get(name, name)
        if key not in DEFAULTS:
            warnings.append(f"{origin}: the engine does not know the key {key!r}; it is ignored")
            continue
        values[key] = _checked(key, value, origin)
        known.add(key)
    return Config(values, frozenset(known)), warnings


def load_config(path: Path) -> tuple[Config, list[str]]:
    try:
        given = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"Cannot read the configuration {path}: {error}") from error
    if not isinstance(given, dict):
        raise UsageError(f"{path}: expected keys like those of milvus.yaml, found {type(given).__name__}")
    return configure(given, str(path))


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, name + ".")
        else:
            yield name, value


def _checked(key: str, value: Any, origin: str) -> bool | int | float | str:
    default = DEFAULTS[key]
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[type(default)]
    good = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
        str: isinstance(value, str | int),
    }[type(default)]
    least, most = -1 if key in _UNLIMITED else 0, 1 if key in _SHARES else math.inf
    if key in _SHARES:
        wanted = "a number from 0 to 1"
    if key in _SIZES:
        wanted, good = "a size such as 512m", good and _SIZE.fullmatch(str(value)) is not None
    if not good or (not isinstance(default, bool | str) and not least <= value <= most):
        raise UsageError(f"{origin}: {key} is {value!r}, expected {wanted}")
    if key in CHOICES and value not in CHOICES[key]:
        raise UsageError(f"{origin}: {key} is {value!r}, expected one of {', '.join(CHOICES[key])}")
    return type(default)(value)
