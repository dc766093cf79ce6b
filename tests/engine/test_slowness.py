"""From when on a request is slow, in the log and in the metric, by the version of Milvus."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from slowq.engine import Engine
from slowq.engine.config import configure
from slowq.engine.events import FORMS, Read, form_of
from slowq.engine.slowness import Slowness
from tests.engine import small
from tests.engine.test_events import READ


def of(version: str, **given: float) -> Slowness:
    return Slowness.of(form_of(version), configure({f"proxy.{key}": value for key, value in given.items()})[0])


def least(version: str, read: Read, **given: float) -> tuple[float, float]:
    """The shortest times, in whole seconds, from which on such a request is logged, and counted."""
    slowness = of(version, **given)
    times = [replace(read, took_s=float(seconds)) for seconds in range(1, 40)]
    return tuple(
        next((one.took_s for one in times if is_slow(one)), 0.0)
        for is_slow in (slowness.is_logged, slowness.is_counted)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("version", "search", "hybrid", "query"),
    [
        ("2.3.5", (5, 5), (5, 5), (5, 5)),
        ("2.4.15", (5, 5), (5, 5), (5, 5)),
        ("2.5.16", (15, 5), (5, 5), (5, 5)),
        ("2.6.10", (3, 3), (3, 3), (1, 1)),
    ],
)
def test_of_three_vectors_by_kind_and_version(
    version: str, search: tuple[int, int], hybrid: tuple[int, int], query: tuple[int, int]
) -> None:
    kinds = ("search", "hybrid_search", "query")
    assert [least(version, replace(READ, nq=3, kind=kind)) for kind in kinds] == [search, hybrid, query]


@pytest.mark.parametrize("version", FORMS)
def test_the_threshold_that_is_set_holds_in_every_version(version: str) -> None:
    assert least(version, replace(READ, nq=1), slowQuerySpanInSeconds=1.0) == (1, 1)
    assert least(version, replace(READ, nq=1), slowQuerySpanInSeconds=7.0) == (7, 7)


def test_2_5_has_a_threshold_of_the_log_that_counts_unless_it_is_its_default() -> None:
    assert least("2.5", replace(READ, nq=1), slowLogSpanInSeconds=2.0) == (2, 5)
    assert least("2.5", replace(READ, nq=1), slowLogSpanInSeconds=1.0) == (5, 5)
    assert least("2.6", replace(READ, nq=1), slowLogSpanInSeconds=2.0) == (1, 1)


@pytest.mark.parametrize(("version", "slow"), [("2.4", True), ("2.5", True), ("2.6", False)])
def test_what_failed_is_slow_until_2_6(version: str, slow: bool) -> None:
    slowness, failed = of(version), replace(READ, nq=1, took_s=20.0, failed="no")
    assert (slowness.is_logged(failed), slowness.is_counted(failed)) == (slow, slow)


@pytest.mark.parametrize(("version", "lines"), [("2.4", 0), ("2.6", 1)])
def test_an_engine_logs_by_the_threshold_of_its_version(
    tmp_path: Path, version: str, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    with Engine(tmp_path, small.config(), version=version, log=log, cpus=1, tick_interval_s=0.005) as engine:
        small.create(engine)
        waited = replace(small.caller(), waited_s=2.0)
        monkeypatch.setattr(small, "caller", lambda *_: waited)
        small.nearest(engine, [0.0] * small.DIM, 1)
    assert log.getvalue().count("Search slow") == lines
