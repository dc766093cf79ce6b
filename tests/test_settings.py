from __future__ import annotations

from collections.abc import Callable

import pytest

from slowq import settings
from slowq.facts import Case
from slowq.findings import Evidence
from tests.builders import CONTEXT, case, search


@pytest.mark.parametrize(
    ("look", "key", "value", "other"),
    [
        (settings.no_interim_index, "queryNode.segcore.interimIndex.enableIndex", "false", "true"),
        (settings.no_interim_index, "queryNode.mmap.growingMmapEnabled", "true", "false"),
        (settings.no_compaction, "dataCoord.enableCompaction", "false", "true"),
        (settings.no_compaction, "dataCoord.compaction.enableAutoCompaction", "false", "true"),
        (settings.no_warm_up, "queryNode.cache.warmup", "disable", "async"),
        (settings.no_warm_up, "queryNode.segcore.tieredStorage.warmup.vectorIndex", "disable", "sync"),
        (settings.rare_ticks, "proxy.timeTickInterval", "9000", "200"),
        (settings.rare_ticks, "proxy.timeTickInterval", "1000", "soon"),
    ],
)
def test_a_key_is_evidence_where_it_has_the_value_that_matters(
    look: Callable[[Case], list[Evidence]], key: str, value: str, other: str
) -> None:
    (found,) = look(case(search(), facts=f"config:\n  {key}: {value}"))
    assert [cite.path for cite in found.cites] == [CONTEXT]
    assert look(case(search(), facts=f"config:\n  {key}: {other}")) == []
    assert look(case(search())) == []


def test_what_is_switched_off_twice_is_said_once() -> None:
    keys = "dataCoord.enableCompaction: false, dataCoord.compaction.enableAutoCompaction: false"
    assert len(settings.no_compaction(case(search(), facts=f"config: {{{keys}}}"))) == 1


@pytest.mark.parametrize(
    ("facts", "version", "reads"),
    [
        ("", "2.2.9", 2.0),
        ("", "2.3.5", 1.0),
        ("", None, 1.0),
        ("config: {queryNode.scheduler.maxReadConcurrentRatio: 4}", "2.5.1", 4.0),
    ],
)
def test_reads_a_core_are_those_of_the_version_unless_configured(facts: str, version: str | None, reads: float) -> None:
    assert settings.reads_a_core(case(search(), facts=facts, version=version)) == reads
