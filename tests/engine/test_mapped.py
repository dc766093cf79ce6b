"""Scalar fields that are mapped from a file: the same answers, and their rows are not in memory of the process' own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from slowq.engine import Engine
from slowq.engine.compaction import MIX
from tests.engine import small

ROWS = {key: (key % 7, 1) for key in range(500)}
GROUP = small.FIELDS[1]
IN_CONFIG = {"queryNode.mmap.scalarField": True}


def filled(
    folder: Path, settings: Mapping[str, object], properties: Mapping[str, str], field: Mapping[str, str]
) -> Engine:
    """An engine that was opened again on one flushed and loaded segment."""
    fields = [replace(GROUP, params=dict(field)) if one is GROUP else one for one in small.FIELDS]
    with small.opened(folder) as engine:
        engine.coordinator.catalog.create(
            "default", small.NAME, fields, dynamic=False, shards=1, consistency="Strong", properties=dict(properties)
        )
        engine.create_index(small.found(engine), "v", "v", {"index_type": "FLAT", "metric_type": "L2"})
        small.loaded(engine)
        small.insert(engine, ROWS)
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
    engine = small.opened(folder, small.config(**settings))
    small.loaded(engine)
    return engine


def mapped_file(engine: Engine) -> Path | None:
    """The file behind the column `group` of the one segment."""
    (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
    (segment,) = shard.view.sealed
    values = segment.rows.columns["group"].buffers()[1]
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, name = line.split()
        first, last = (int(one, 16) for one in span.split("-"))
        if first <= values.address < last:
            return Path(name) if name.startswith("/") else None
    return None


@pytest.mark.parametrize(
    ("settings", "properties", "field", "is_mapped"),
    [
        ({}, {}, {}, False),
        (IN_CONFIG, {}, {}, True),
        ({}, {"mmap.enabled": "true"}, {}, True),
        ({}, {}, {"mmap.enabled": "true"}, True),
        (IN_CONFIG, {}, {"mmap.enabled": "false"}, False),
        (IN_CONFIG | {"queryNode.segcore.tieredStorage.warmup.scalarField": "disable"}, {}, {}, True),
    ],
)
def test_a_scalar_field_is_mapped_where_its_field_its_collection_or_the_configuration_says_so(
    tmp_path: Path,
    settings: Mapping[str, object],
    properties: Mapping[str, str],
    field: Mapping[str, str],
    is_mapped: bool,
) -> None:
    with filled(tmp_path, settings, properties, field) as engine:
        path = mapped_file(engine)
        assert (path is not None and path.name == "scalars.mapped") is is_mapped
        assert small.answer(engine) == ROWS
        assert small.answer(engine, "group == 3") == {key: one for key, one in ROWS.items() if one[0] == 3}
        assert small.nearest(engine, small.vector_of(40, 1), 1, "group == 5") == [40]


def test_what_is_mapped_outlives_a_load_and_a_compaction_beside_it(tmp_path: Path) -> None:
    with filled(tmp_path, IN_CONFIG, {}, {}) as engine:
        (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
        (before,) = shard.view.sealed
        engine.coordinator.loading.release(small.found(engine))
        small.loaded(engine)
        (after,) = shard.view.sealed
        assert after is not before
        small.insert(engine, {1000: (9, 1)})
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
        small.compacted(engine, MIX)
        # A search that took its snapshot before all this still reads what it read then.
        groups = [ROWS[key][0] for key in ROWS]
        assert before.rows.columns["group"].to_pylist() == after.rows.columns["group"].to_pylist() == groups
        assert small.answer(engine) == ROWS | {1000: (9, 1)}
