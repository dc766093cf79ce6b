"""What `Engine.explain` says of a filter is what a search does with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slowq.engine import Engine
from tests.engine import small

ROWS = {key: (key % 5, 1) for key in range(20)}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A stored segment of 20 rows, and a growing one of two."""
    with small.opened(tmp_path) as made:
        small.create(made)
        small.insert(made, ROWS)
        made.coordinator.upkeep.flush(small.found(made))
        small.settled(made)
        small.insert(made, {100: (0, 1), 101: (1, 1)})
        yield made


def told(engine: Engine, text: str, **templates: object) -> list[tuple[str, str | None, int, int]]:
    work = engine.explain("default", small.NAME, text, templates)
    return [(one.predicate, one.index, one.rows_scanned, one.rows_passed) for one in work]


@pytest.mark.parametrize("text", ["id in [1, 2, 100]", "id in {keys}"])
def test_a_filter_that_names_primary_keys_is_served_by_their_lookup(engine: Engine, text: str) -> None:
    shown = "id in [1, 2, 100]"
    assert told(engine, text, keys=[1, 2, 100]) == [(shown, "primary key", 0, 2), (shown, "primary key", 0, 1)]


def test_a_predicate_without_an_index_scans_its_segment(engine: Engine) -> None:
    assert told(engine, "group == 1") == [("group == 1", None, 20, 4), ("group == 1", None, 2, 1)]
    assert told(engine, "") == []


def test_an_index_serves_the_segments_that_have_it(engine: Engine) -> None:
    engine.create_index(small.found(engine), "group", "group", {"index_type": "INVERTED"})
    small.until(lambda: told(engine, "group == 1")[0][1] == "INVERTED")
    assert told(engine, "group == {one}", one=1) == [("group == 1", "INVERTED", 0, 4), ("group == 1", None, 2, 1)]


def test_primary_keys_beside_another_predicate_are_scanned_as_in_a_search(engine: Engine) -> None:
    first, second = told(engine, "id in [1, 2] and group == 1")[:2]
    assert first[1:3] == (None, 20)
    assert second[1:3] == (None, 20)
