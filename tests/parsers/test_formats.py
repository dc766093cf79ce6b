"""Hand-checked lines of every Milvus version, wrapper and fault, against what was written down for them."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from slowq import workload
from slowq.facts import Case
from slowq.gather import gather
from slowq.report import requests as export

ROOT = Path(__file__).parents[2]
EXPECTATIONS = sorted(
    path
    for folder in (ROOT / "sample_logs" / "formats", ROOT / "tests" / "data" / "bad")
    for path in folder.rglob("*.expected.json")
)
# Milvus' access log holds every call; slowq takes the reads.
READS = ("search", "query", "hybrid_search")


def _inputs(expectation: Path, expected: dict) -> list[str]:
    if "inputs" in expected:
        return [str(expectation.parent / name) for name in expected["inputs"]]
    return [str(expectation).removesuffix(".expected.json")]


@cache
def _case(inputs: tuple[str, ...]) -> Case:
    return gather(list(inputs), jobs=1)


def _usable(expected: dict) -> bool:
    coverage = expected.get("coverage")
    return coverage is None or bool(
        coverage["slow_requests"] + coverage["other_milvus_lines"] + coverage["malformed_slow_lines"]
    )


def that_tell(what: str) -> pytest.MarkDecorator:
    """Every sample for which this is written down. One that holds nothing of Milvus is for test_gather.py."""
    found = [(path, json.loads(path.read_text())) for path in EXPECTATIONS]
    chosen = [one for one in found if one[1].get(what) is not None and _usable(one[1])]
    return pytest.mark.parametrize(
        "sample", chosen, ids=[str(path.relative_to(ROOT)) for path, _ in chosen], indirect=True
    )


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> tuple[dict, Case]:
    path, expected = request.param
    return expected, _case(tuple(_inputs(path, expected)))


@that_tell("coverage")
def test_every_line_is_counted_once_and_in_its_class(sample: tuple[dict, Case]) -> None:
    expected, case = sample
    got = {
        name: getattr(case.coverage, name)
        for name in ("lines", "slow_requests", "other_milvus_lines", "continuation_lines", "unrecognised_lines")
    } | {"malformed_slow_lines": case.coverage.malformed_slow_lines}
    assert got == expected["coverage"]


@that_tell("format")
def test_the_layers_are_named_from_the_outside_in(sample: tuple[dict, Case]) -> None:
    expected, case = sample
    assert {one.format for one in case.inputs} == {expected["format"]}


@that_tell("requests")
def test_each_request_has_the_values_of_its_line(sample: tuple[dict, Case], tmp_path: Path) -> None:
    expected, case = sample
    with (tmp_path / "requests.jsonl").open("wb") as stream:
        export.write(case.requests, "jsonl", stream)
    got = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text("utf-8").split("\n") if line]
    wanted = [row for row in expected["requests"] if row["kind"] in READS]
    assert [row["trace_id"] for row in got] == [row["trace_id"] for row in wanted]
    for mine, theirs in zip(got, wanted, strict=True):
        assert _differences(mine, theirs) == {}


@that_tell("events")
def test_each_line_beside_the_slow_ones_means_what_is_written_down(sample: tuple[dict, Case]) -> None:
    expected, case = sample
    columns = ("line", "what", "state", "subject", "duration_s")
    got = [list(row) for row in case.events[list(columns)].itertuples(index=False)]
    assert [[None if one != one else one for one in row] for row in got] == expected["events"]


@that_tell("spans")
def test_what_begins_in_one_line_ends_in_another(sample: tuple[dict, Case]) -> None:
    expected, case = sample
    got = {what: zip(*workload.spans(case, what), strict=True) for what in expected["spans"]}
    assert {what: [[*map(_clock, span)] for span in spans] for what, spans in got.items()} == expected["spans"]


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")[11:23]


def _differences(got: dict, wanted: dict) -> dict:
    return {
        name: (got.get(name), value)
        for name, value in wanted.items()
        if name != "path" and not _same(name, got.get(name), value)
    }


def _same(name: str, got: object, wanted: object) -> bool:
    if name == "started" and isinstance(got, str) and isinstance(wanted, str):
        return abs(_ms(got) - _ms(wanted)) <= 1
    if isinstance(got, float | int) and isinstance(wanted, float | int) and not isinstance(wanted, bool):
        return got == pytest.approx(wanted, abs=1e-3 if name == "guarantee_lag_s" else 1e-9)
    return got == wanted


def _ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1e3
