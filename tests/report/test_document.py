from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from slowq.facts import Case
from slowq.findings import CAUSES, Evidence, Finding
from slowq.report import text as say
from slowq.report.document import document
from slowq.report.events import events as events_of
from slowq.report.series import MOST_BUCKETS
from slowq.triage import diagnose
from tests.builders import case, empty_log, event, many, measured, query, search
from tests.golden import INCIDENTS, answer

# ---------------------------------------------------------------------------------------------------------------------
# The contract as a shape: a type, a tuple of alternatives, a list of one shape, an object, or a question.

Shape = Any
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def iso(value: Any) -> bool:
    return isinstance(value, str) and _ISO.fullmatch(value) is not None


def share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def word(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


NUMBER = (int, float)
MAYBE_TEXT = (str, None)
CAUSE = word(*CAUSES)
SUB_CAUSE = word(*(name for names in CAUSES.values() for name in names))
SUMMARY = tuple(dict.fromkeys(("min", "p50", "p90", "p95", "p99", "max", "sum"), kind) for kind in (NUMBER, (None,)))
CITE = ({"path": str, "line": int}, {"metric": str, "window": [str]})
EVIDENCE = {"says": str, "value": (*NUMBER, None), "threshold": (*NUMBER, None), "cites": [CITE]}
REMEDY = {**dict.fromkeys(("key", "do", "because", "cost", "verify", "snippet"), str), "receipt": (dict, None)}
FINDING = {
    "rule": SUB_CAUSE,
    "cause": CAUSE,
    "sub_cause": SUB_CAUSE,
    "severity": word("info", "warning", "critical"),
    "confidence": share,
    "explains_s": (*NUMBER, None),
    "explains_share": share,
    "subject": str,
    "culprits": [str],
    "victims": [str],
    "summary": str,
    "evidence": [EVIDENCE],
    "remedies": [REMEDY],
}
PATTERN = {
    "id": str,
    "kind": str,
    "database": MAYBE_TEXT,
    "collection": MAYBE_TEXT,
    "filter": MAYBE_TEXT,
    "shape": str,
    "count": int,
    "duration_s": SUMMARY,
    "example": {"path": str, "line": int, "trace_id": MAYBE_TEXT},
}
COUNTS = ("slow_requests", "other_milvus_lines", "continuation_lines", "unrecognised_lines", "malformed_slow_lines")
CONTRACT = {
    "schema": word(1),
    "slowq": str,
    "inputs": [{"path": str, "format": str, "compressed_bytes": (int, None), "bytes": int, "lines": int}],
    "coverage": {"lines": int, **dict.fromkeys(COUNTS, int), "share_understood": (share, None)},
    "window": {"start": (iso, None), "end": (iso, None)},
    "milvus": dict.fromkeys(("version", "deployment", "source"), MAYBE_TEXT),
    "requests": {"count": int, "by_kind": dict, "duration_s": SUMMARY, "nq": SUMMARY},
    "patterns": [PATTERN],
    "phases": (dict, None),
    "findings": [FINDING],
    "ruled_out": [{"cause": CAUSE, "sub_cause": SUB_CAUSE, "because": str}],
    "skipped": [{"cause": CAUSE, "sub_cause": SUB_CAUSE, "needs": [str], "how_to_supply": str}],
    "broken": [{"cause": CAUSE, "sub_cause": SUB_CAUSE, "error": str}],
    "verdict": {
        "outcome": word("diagnosed", "nothing_slow", "undetermined"),
        "cause": (CAUSE, None),
        "sub_cause": (SUB_CAUSE, None),
        "confidence": (share, None),
        "summary": str,
    },
}


def deviations(value: Any, shape: Shape, at: str = "$") -> list[str]:
    """Where a value departs from a shape. An object may hold more than the contract names, but nothing less."""
    match shape:
        case None:
            return [] if value is None else [f"{at}: {value!r} is not null"]
        case tuple():
            tried = [deviations(value, one, at) for one in shape]
            return [] if [] in tried else max(tried, key=len)
        case list():
            if not isinstance(value, list):
                return [f"{at}: {value!r} is no list"]
            return [text for i, one in enumerate(value) for text in deviations(one, shape[0], f"{at}[{i}]")]
        case dict():
            if not isinstance(value, dict) or (not shape and value):
                return [f"{at}: {value!r} is not this object"]
            missing = [f"{at}.{key} is missing" for key in shape.keys() - value.keys()]
            known = [key for key in shape if key in value]
            return missing + [text for key in known for text in deviations(value[key], shape[key], f"{at}.{key}")]
        case type():
            right = isinstance(value, shape) and not (isinstance(value, bool) and shape is not bool)
            return [] if right else [f"{at}: {value!r} is no {shape.__name__}"]
        case _:
            return [] if shape(value) else [f"{at}: {value!r} is not as agreed"]


# ---------------------------------------------------------------------------------------------------------------------

CASES = {
    "nothing at all": case(),
    "an empty slow log": empty_log(version="2.3.5"),
    "facts alone": case(facts="requests: [{kind: search, nq: 10000, duration_s: 60}]\nnotes: [it is slow]"),
    "facts without a duration": case(facts="requests: [{kind: search, nq: 10000}]"),
    "one request": case(search()),
    "a request of which little is known": case(
        search(took=None, nq=None, collection=None, database=None, filter=None, search_params=None)
    ),
    "much at once": case(
        many(30, search(filter='meta["a"] == 1', nq=4)),
        many(5, query(filter="b == 2")),
        search(100, 70.0, nq=16_000),
        beside=[event("index_build", 50, "start", "7"), event("index_build", 90, "done", "7")],
        version="2.5.4",
    ),
}
every_case = pytest.mark.parametrize("of", CASES.values(), ids=CASES)


def told(of: Case) -> dict[str, Any]:
    return document(of, diagnose(of))


@every_case
def test_the_document_is_as_agreed(of: Case) -> None:
    assert deviations(told(of), CONTRACT) == []


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda path: path.name)
def test_the_document_of_a_recorded_incident_is_as_agreed(incident: Any) -> None:
    assert deviations(answer(incident), CONTRACT) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", 2), ("window", {"start": "2025-08-23", "end": None}), ("findings", [{}]), ("verdict", None)],
)
def test_the_checker_sees_what_is_not_as_agreed(key: str, value: Any) -> None:
    assert deviations({**told(case(search())), key: value}, CONTRACT)


@every_case
def test_the_document_is_json_without_nan(of: Case) -> None:
    assert json.loads(json.dumps(told(of), allow_nan=False)) == told(of)


@every_case
def test_the_counts_of_lines_add_up(of: Case) -> None:
    coverage = told(of)["coverage"]
    assert coverage["lines"] == sum(coverage[name] for name in COUNTS)


@every_case
def test_the_patterns_hold_each_request_once_dearest_first(of: Case) -> None:
    found = told(of)
    sums = [one["duration_s"]["sum"] or 0.0 for one in found["patterns"]]
    assert sums == sorted(sums, reverse=True)
    assert sum(one["count"] for one in found["patterns"]) == found["requests"]["count"]
    assert sum(sums) == pytest.approx(found["requests"]["duration_s"]["sum"] or 0.0)
    assert sum(found["requests"]["by_kind"].values()) == found["requests"]["count"]


@every_case
def test_every_rule_is_told_once(of: Case) -> None:
    found = told(of)
    names = [one["sub_cause"] for key in ("findings", "ruled_out", "skipped", "broken") for one in found[key]]
    assert sorted(names) == sorted(name for subs in CAUSES.values() for name in subs)


@every_case
def test_findings_cite_what_they_say_and_name_patterns_that_are_there(of: Case) -> None:
    found = told(of)
    ids = {one["id"] for one in found["patterns"]}
    for one in found["findings"]:
        assert one["evidence"]
        assert all(item["cites"] for item in one["evidence"])
        assert {*one["culprits"], *one["victims"]} <= ids


@every_case
def test_the_same_case_gives_the_same_document(of: Case) -> None:
    assert json.dumps(told(of)) == json.dumps(told(of))


def test_the_order_of_lines_does_not_change_the_patterns() -> None:
    rows = [search(60 + i, 5.0 + i / 7, filter=f"a == {i}", line=i + 1) for i in range(20)]
    assert told(case(rows))["patterns"] == told(case(rows[::-1]))["patterns"]


def test_the_window_is_that_of_the_requests() -> None:
    window = told(case(search(60, 6.0), search(90, 50.0)))["window"]
    assert window == {"start": "2025-08-23T19:00:40.000Z", "end": "2025-08-23T19:01:30.000Z"}


def test_requests_over_time_are_few_buckets_that_hold_them_all() -> None:
    series = told(case(many(500, search(), every=37.0)))["series"]
    assert len(series["buckets"]) <= MOST_BUCKETS
    assert sum(one["count"] for one in series["buckets"]) == 500
    assert series["step_s"] == 300


def test_the_threshold_is_that_of_the_version_unless_the_log_or_the_context_shows_another() -> None:
    def threshold(of: Case) -> Any:
        return told(of)["series"]["threshold_s"]

    assert threshold(case(search(took=6.0), version="2.3.5")) == 5.0
    assert threshold(case(search(took=6.0), version="2.6.10")) == 1.0
    assert threshold(case(search(took=3.0), version="2.3.5")) is None
    assert threshold(case(search(took=6.0))) is None
    config = 'config: {"proxy.slowQuerySpanInSeconds": 2}'
    assert threshold(case(search(took=6.0), version="2.3.5", facts=config)) == 2.0


def test_the_distribution_and_the_heat_map_count_every_request_of_known_duration() -> None:
    found = told(case([search(60 + i, 1.05**i) for i in range(150)], search(70, None)))
    assert sum(found["distribution"]["counts"]) == 150
    assert len(found["distribution"]["edges_s"]) == len(found["distribution"]["counts"]) + 1 <= 41
    assert sum(map(sum, found["heat_map"]["counts"])) == 150
    assert {len(column) for column in found["heat_map"]["counts"]} == {len(found["heat_map"]["edges_s"]) - 1}


def test_requests_that_took_equally_long_are_one_bar() -> None:
    assert told(case(many(9, search(took=6.0))))["distribution"]["counts"] == [9]


def test_collections_are_told_dearest_first_and_those_without_room_together() -> None:
    found = told(case([search(60, 5.0 + i, collection=f"c{i:02}") for i in range(25)]))["collections"]
    assert [one["collection"] for one in found["shown"]] == [f"c{i:02}" for i in range(24, 4, -1)]
    assert found["other"] == {"collections": 5, "count": 5, "sum_s": 35.0}


def test_a_timeline_holds_the_culprits_and_those_that_waited_for_them_from_start_to_end() -> None:
    found = told(case(search(100, 50.0, nq=16_000), many(80, search(80, 7.0), every=0.1)))["timelines"][0]
    assert found["rule"] == "large_nq"
    assert found["left_out"] == {"culprits": 0, "victims": 21}
    assert [one["role"] for one in found["requests"]].count("victim") == 59
    assert found["requests"][0] == {
        "start": "2025-08-23T19:00:50.000Z",
        "end": "2025-08-23T19:01:40.000Z",
        "role": "culprit",
        "pattern": told(case(search(nq=16_000)))["patterns"][0]["id"],
        "kind": "search",
        "collection": "products",
        "nq": 16_000,
        "path": "proxy.log",
        "line": 1,
    }


def test_lanes_tell_when_each_kind_of_event_went_on_around_the_requests() -> None:
    beside = [
        *(event("compaction", at, "start" if at < 75 else "done", "7") for at in (65, 85)),
        event("gc_slow", 70),
        event("flush", 7_000),
    ]
    assert told(case(search(100, 60.0), beside=beside))["event_lanes"] == [
        {"what": "compaction", "spans": [{"start": "2025-08-23T19:01:05.000Z", "end": "2025-08-23T19:01:25.000Z"}]},
        {"what": "gc_slow", "spans": [{"start": "2025-08-23T19:01:10.000Z", "end": "2025-08-23T19:01:10.000Z"}]},
    ]


def test_a_lane_of_many_spans_is_as_many_as_can_be_told_apart() -> None:
    beside = [event("gc_slow", 40 + i / 10) for i in range(600)]
    (lane,) = told(case(search(100, 60.0), beside=beside))["event_lanes"]
    assert lane["spans"] == [{"start": "2025-08-23T19:00:40.000Z", "end": "2025-08-23T19:01:39.900Z"}]


def test_the_number_of_lines_beside_is_told_for_each_kind() -> None:
    found = told(case(search(), beside=[many(3, event("mq_slow", 10)), event("gc_slow", 5)]))["events"]
    assert [(one["what"], one["count"]) for one in found] == [("gc_slow", 1), ("mq_slow", 3)]
    assert found[1]["until"] == "2025-08-23T19:00:12.000Z"


def test_a_finding_without_evidence_and_evidence_without_a_cite_cannot_exist() -> None:
    with pytest.raises(ValueError, match="evidence without a cite"):
        Evidence("It was seen.", ())
    with pytest.raises(ValueError, match="finding large_nq without evidence"):
        Finding("heavy_workload", "large_nq", "info", 0.5, None, 1.0, "it", "So.", ())


def test_it_says_since_when_it_is_slow_and_what_was_done_just_before() -> None:
    deeds = [
        event("release", 30, "start"),
        event("compaction", 50, "start", "1"),
        event("compaction", 55, "start", "2"),
    ]
    beside = [event("gc_slow", -120), *deeds, event("tsafe_lag", 58), event("load", 62, "done"), event("flush", 90)]
    facts = 'events: [{what: scale, at: "2025-08-23T19:00:40Z"}, {what: config, at: "2025-08-23T18:40:00Z"}]'
    incident = case(many(40, search(66, took=6), every=1), beside=beside, facts=facts)
    told = document(incident, diagnose(incident))["onset"]
    assert told["source"] == "log"
    assert told["at"].startswith("2025-08-23T19:00:5")
    assert told["known_from"] == "2025-08-23T18:58:00.000Z"
    assert [(one["what"], one["count"]) for one in told["just_before"]] == [
        ("compaction", 2),
        ("scale", 1),
        ("release", 1),
    ]
    assert say.onset(document(incident, diagnose(incident))) == (
        f"Slow since 2025-08-23 {told['at'][11:19]} UTC: no request was slow from 18:58:00 to then. "
        "Within a minute before: compaction (2 times), scale (19:00:40), release (19:00:30)."
    )


def test_the_latency_before_and_after_is_told_where_metrics_show_it() -> None:
    incident = case(metrics=measured({"search_latency": 2.0}, {"search_latency": 0.02}))
    told = document(incident, diagnose(incident))["onset"]
    assert (told["latency_before_s"], told["latency_after_s"]) == (pytest.approx(0.02), pytest.approx(2.0))
    assert say.onset(document(incident, diagnose(incident))) == (
        "Slow since 2025-08-23 19:00:00 UTC: a search took 20 ms before and 2.0 s after."
    )


def test_an_event_of_unknown_time_does_not_hide_when_others_of_its_kind_were() -> None:
    rows = many(5, search(60, duration=2.0))
    known, unknown = event("tsafe_lag", 58), event("tsafe_lag", float("nan"))
    (one,) = events_of(case(rows, beside=[unknown, known]))
    assert (one["at"], one["count"]) == (events_of(case(rows, beside=[known]))[0]["at"], 2)
    assert events_of(case(rows, beside=[unknown]))[0]["at"] is None
