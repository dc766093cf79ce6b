"""What milvus.yaml says, as the context file tells it, that makes a cause likelier; each is evidence where it is so.

Names and defaults of the keys are those of `configs/milvus.yaml` from 2.2 to 3.0.
"""

from __future__ import annotations

from collections.abc import Mapping

from slowq.facts import Case
from slowq.findings import Evidence
from slowq.wording import period
from slowq.workload import stated

_INTERIM = "queryNode.segcore.interimIndex.enableIndex"
GROWING_MMAP = "queryNode.mmap.growingMmapEnabled"
_COMPACTION = ("dataCoord.enableCompaction", "dataCoord.compaction.enableAutoCompaction")
_READS_A_CORE = "queryNode.scheduler.maxReadConcurrentRatio"
_TICK_MS = "proxy.timeTickInterval"
_RARE_MS = 1000.0  # the guide's "over 1 s slow": a wait for the tick alone is so long
_TIERED = "queryNode.segcore.tieredStorage.warmup."


def no_interim_index(case: Case) -> list[Evidence]:
    """Growing segments are scanned; mapped ones too (issue #41500)."""
    return _where(
        case,
        {
            _INTERIM: (False, "Growing segments get no interim index: that is switched off."),
            GROWING_MMAP: (True, "Growing segments are memory-mapped, and get no interim index."),
        },
    )


def no_compaction(case: Case) -> list[Evidence]:
    says = "Milvus compacts nothing by itself: that is switched off."
    return _where(case, dict.fromkeys(_COMPACTION, (False, says)))[:1]


def no_warm_up(case: Case) -> list[Evidence]:
    """`queryNode.cache.warmup` up to 2.5, the keys of tiered storage from 2.6 on."""
    return _where(
        case,
        {
            "queryNode.cache.warmup": ("disable", "Vectors are not warmed up when they are loaded."),
            _TIERED + "vectorIndex": ("disable", "Vector indexes are not warmed up when they are loaded."),
            _TIERED + "vectorField": ("disable", "Vectors are not warmed up when they are loaded."),
        },
    )


def rare_ticks(case: Case) -> list[Evidence]:
    """A Strong read waits for the next time tick of the proxies (up to 2.5); by default they send one every 200 ms."""
    told = case.context.config.get(_TICK_MS)
    if not isinstance(told, int | float) or told < _RARE_MS:
        return []
    says = f"The proxies send a time tick every {period(told / 1e3)}."
    return [stated(case, f"config.{_TICK_MS}", says, told / 1e3, _RARE_MS / 1e3)]


def reads_a_core(case: Case) -> float:
    """How many reads a query node runs at once for each of its cores: 1 from 2.3, 2 before, unless configured."""
    told = case.context.config.get(_READS_A_CORE)
    if isinstance(told, int | float) and told > 0:
        return float(told)
    return 2.0 if case.milvus.surely_before((2, 3, 0)) else 1.0


def _where(case: Case, keys: Mapping[str, tuple[object, str]]) -> list[Evidence]:
    return [
        stated(case, f"config.{key}", says)
        for key, (value, says) in keys.items()
        if key in case.context.config and case.context.config[key] == value
    ]
