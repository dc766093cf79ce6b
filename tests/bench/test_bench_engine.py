"""Each benchmark of the engine runs to its end at the smallest size that is still real, and tells what it measured."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from bench.engine import clustering, crash, filters, growth, indexes, load, speed, whatif
from tests.servers import free_port

Told = pytest.CaptureFixture[str]


def rows_of(table: str) -> list[list[str]]:
    """The cells of Markdown tables, without their heads."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]


def test_clustering_prunes_about_what_was_asked_and_changes_no_hit(capsys: Told) -> None:
    assert clustering.main(["--rows", "2560", "--seconds", "0.1", "--clients", "1"]) == 0
    told = capsys.readouterr().out
    assert re.match(r"2560 rows in 1[23]\d segments; clustering compaction took ", told)
    pruned = [float(line.split("%")[0]) for line in told.splitlines() if re.match(r" *\d+\.\d%", line)]
    assert pruned[0] == 0
    assert pruned[1:] == pytest.approx([40.2, 59.8, 79.5, 99.0], abs=5)


def test_growth_tells_each_size_beside_the_one_before(capsys: Told) -> None:
    growth.run(rows=1000, most=10, segments=(1, 2))
    told = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert [line[0] for line in told] == ["nq", "1", "10", "top-k", "10", "100", "segments", "1", "2"]
    assert [line[-1] for line in told if len(line) > 2] == ["x10", "x10", "x2"]


def test_filters_are_the_same_scanned_and_with_each_index(capsys: Told) -> None:
    filters.main(["--rows", "2000"])
    told = rows_of(capsys.readouterr().out)
    assert [line[0] for line in told[2 : 2 + len(filters.INDEXES)]] == [
        f"{one} {kind}" for one, kind, _ in filters.INDEXES
    ]
    asked = {line[0].strip("`") for line in told[4 + len(filters.INDEXES) :]}
    assert asked == {title for title, _, _ in filters.filters(2000)}


def test_an_index_that_answers_otherwise_than_the_scan_ends_the_benchmark() -> None:
    segment = filters.columns(100)
    asked = filters.scalar.compile("price < 10", filters.FIELDS, dynamic=False)
    with pytest.raises(SystemExit, match="the index changes what passes price < 10"):
        filters.with_indexes(asked, segment, 100, filters.np.ones(100, bool), {})


def test_every_vector_index_is_built_and_finds_near_rows(capsys: Told) -> None:
    indexes.main(["--rows", "1500"])
    told = rows_of(capsys.readouterr().out)[2:]
    assert [line[0].split()[0] for line in told] == [row.kind for row in indexes.TABLE]
    assert {line[0]: float(line[4]) for line in told if float(line[4]) < 0.7} == {}


def test_a_killed_engine_has_what_it_acknowledged(capsys: Told) -> None:
    assert crash.main(["--kills", "2"]) == 0
    assert re.fullmatch(r"2 kills in \d+ s: \d+ acknowledged writes, 0 wrong\n\n", capsys.readouterr().out)


def test_clients_that_read_and_write_meet_no_error(capsys: Told) -> None:
    assert load.main(["--minutes", "0.03"]) == 0
    told = capsys.readouterr().out
    assert re.match(r"\d+ calls in 0.03 minutes: \{.*'search': \d+", told)
    assert "\nerrors: 0 []; failed tasks: []\n" in told
    assert re.search(r"\nslope of the second half: [+-]\d+\.\d MiB a minute\n", told)


def test_the_engine_is_measured_by_the_client_that_measures_milvus(tmp_path: Path, capsys: Told) -> None:
    start = partial(speed.engine, port=free_port(), pages=free_port())
    python = speed.MILVUS / "python"
    if not python.exists():
        pytest.skip("pymilvus 2.3.7 is not installed (tests/services.sh)")
    found = speed.measured(start, tmp_path, 1000, 7, most_s=0.2)
    assert found["recall"] >= 0.95
    assert {name for name, value in found.items() if not value > 0} == set()
    speed.show({"engine": found, "Milvus 2.3.5": {name: 2 * value for name, value in found.items()}})
    told = {line[:24].strip(): line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert (told["nq=1 p50 ms"], told["QPS, 1 client"]) == ("x2.00", "x0.50")


def test_what_if_is_checked_on_every_change(monkeypatch: pytest.MonkeyPatch, capsys: Told) -> None:
    monkeypatch.setattr(whatif, "SETUP", whatif.SETUP.changed({"rows": 4000}))
    whatif.main(["--rounds", "1", "--seconds", "1", "--large", "5", "--told"])
    first, *changes = capsys.readouterr().out.splitlines()
    assert re.search(r"; recorded: \d+ requests, p99 \d+ ms, replayed \d+ ms, 1 at a time, waiting \d+%", first)
    assert [line[:34].strip() for line in changes] == [one.name for one in whatif.CASES]
    assert all(re.search(r"p99 predicted +\d+\.\d ms, measured +\d+\.\d ms, [+-]\d+%", line) for line in changes)
