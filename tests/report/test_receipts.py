from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.report import html, markdown
from slowq.report.receipts import bars, catalogued, conditions, is_receipt, lines, sentence
from tests.report.documents import HOSTILE, SAMPLES
from tests.report.golden import screen
from tests.report.test_html import _LAYOUT, read, said


def interval(mean: float, half: float | None = None) -> dict[str, float | None]:
    return {"mean": mean, "low": None if half is None else mean - half, "high": None if half is None else mean + half}


def arm(p99_s: float, **more: Any) -> dict[str, Any]:
    return {
        "p50_s": interval(p99_s / 2, p99_s / 20),
        "p95_s": interval(p99_s * 0.9, p99_s / 20),
        "p99_s": interval(p99_s, p99_s / 10),
        "qps": interval(1 / p99_s, 0.5),
        "recall": 0.9512,
        "memory_bytes": 300 << 20,
        "phases": {"queue": 0.2, "scalar_filter": 0.8},
        **more,
    }


def receipt(outcome: str = "confirmed", **more: Any) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "because": "p99 is 10.0 times faster, outside the noise",
        "impact": 0.9,
        "remedy": "path_index",
        "says": "an INVERTED index on the path",
        "before": arm(0.8),
        "after": arm(0.08, phases={"queue": 1.0}, memory_bytes=330 << 20),
        "rounds": 5,
        "seconds": 2.0,
        "target": "the bundled engine",
        "scale": {"rows": 100_000},
        **more,
    }


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            receipt(),
            "Proven: p99 800.0 ± 80.0 ms before, 80.0 ± 8.0 ms after, recall 0.95 and 0.95 (5 rounds in turns on the bundled engine, 100,000 rows)",  # noqa: E501
        ),
        (
            receipt("no effect", because="it is noise", scale=None, after=arm(1.2, recall=None)),
            "Tried, did not help: p99 800.0 ± 80.0 ms before, 1.2 ± 0.1 s after; it is noise (5 rounds in turns on the bundled engine)",  # noqa: E501
        ),
        (
            receipt("worse", before={}, after={}),
            "Tried, made it worse (5 rounds in turns on the bundled engine, 100,000 rows)",
        ),
        (
            receipt("could not reproduce", because="it did not fire"),
            "Could not be reproduced: it did not fire",
        ),
        (
            receipt(before={"p99_s": interval(0.8)}, after={"p99_s": interval(0.2)}),
            "Proven: p99 800.0 ms before, 200.0 ms after (5 rounds in turns on the bundled engine, 100,000 rows)",
        ),
    ],
)
def test_a_receipt_is_told_in_one_sentence(made: dict[str, Any], words: str) -> None:
    assert is_receipt(made)
    assert sentence(made) == words


def test_a_receipt_as_lines_is_a_table_of_before_and_after() -> None:
    assert [" ".join(line.split()) for line in lines(receipt())] == [
        "confirmed: p99 is 10.0 times faster, outside the noise",
        "before after change",
        "p50 400.0 ± 40.0 ms 40.0 ± 4.0 ms -90%",
        "p95 720.0 ± 40.0 ms 72.0 ± 4.0 ms -90%",
        "p99 800.0 ± 80.0 ms 80.0 ± 8.0 ms -90%",
        "qps 1 ± 0 12 ± 0 +900%",
        "recall 0.951 0.951 +0%",
        "memory 300 MiB 330 MiB +10%",
        "scalar filter 80% 0%",
        "queue 20% 100%",
        "5 rounds of 2 s each, in turns; the bundled engine; the intervals are at 95 %",
    ]


MEASURED = {
    "scenario": "json_filter",
    "outcome": "confirmed",
    "before_p99_s": 1.4236,
    "after_p99_s": 0.0156,
    "recall": 1.0,
    "slowq": "0.1.0",
    "cpus": 2,
}


def test_what_the_catalogue_measured_is_told_with_what_it_was_measured_on() -> None:
    assert catalogued(MEASURED) == (
        "confirmed in slowq's own scenario on the bundled engine, p99 1.4 s before, 15.6 ms after (2 cores, slowq 0.1.0)"
    )
    bare = {"outcome": "no effect", "before_p99_s": 0.5, "after_p99_s": 0.5}
    assert catalogued(bare) == (
        "no effect in slowq's own scenario on the bundled engine, p99 500.0 ms before, 500.0 ms after"
    )


@pytest.mark.parametrize(
    "made",
    [
        *(None, [], "confirmed", {}, {**MEASURED, "outcome": "could not reproduce"}, {**MEASURED, "outcome": [1]}),
        *({**MEASURED, "before_p99_s": one} for one in (None, "1", True, float("nan"), 10**400)),
    ],
)
def test_what_is_none_of_the_catalogue_is_told_as_nothing(made: Any) -> None:
    assert catalogued(made) == ""


def test_a_remedy_without_a_receipt_says_so_and_shows_the_catalogue() -> None:
    document: dict[str, Any] = json.loads(json.dumps(SAMPLES["json_filter"]))
    document["findings"][0]["remedies"][0]["catalogue"] = MEASURED
    document["findings"][0]["remedies"][1].pop("catalogue", None)  # as older reports
    told = f"ot yet proven on your data; {catalogued(MEASURED)}"
    assert f"N{told}." in said(html.render(document))
    assert f"n{told}" in " ".join(screen(document, 100, rows=None).split())
    assert "*proof:* not yet proven on your data\n" in markdown.render(document)
    document["findings"][0]["remedies"][0]["receipt"] = receipt()
    for text in (said(html.render(document)), screen(document, 100, rows=None), markdown.render(document)):
        assert "slowq's own scenario" not in text


def test_remedies_that_were_tried_beside_the_offered_ones_are_in_every_report() -> None:
    document = with_receipts(receipt(remedy="path_index", note="not in this version of Milvus"))
    document["findings"][0]["receipts"].append(receipt("no effect", remedy="more_query_nodes", says="a second node"))
    told = (
        "an INVERTED index on the path (not in this version of Milvus)",
        "a second node",
        "Tried, did not help: p99 800.0",
    )
    for text in (said(html.render(document)), screen(document, 80, rows=None), markdown.render(document)):
        words = " ".join(text.split())
        assert words.count("Also tried") == 2
        assert [one for one in told if one.lower() not in words.lower()] == []


def test_what_ran_beside_is_told_where_it_ran_in_both() -> None:
    was = {"3f3d99e76a7d": {"requests": 4, "p50_s": 0.5, "p99_s": 1.5}, "gone": {"requests": 1, "p50_s": 1, "p99_s": 1}}
    now = {"3f3d99e76a7d": {"requests": 4, "p50_s": 0.1, "p99_s": 0.025}}
    told = [
        " ".join(one.split()) for one in lines(receipt(before=arm(0.8, patterns=was), after=arm(0.1, patterns=now)))
    ]
    assert told[-2] == "3f3d99e76a7d 1.5 s 25.0 ms p99 of a pattern beside it"
    made = receipt(before=arm(0.8, patterns=was), after=arm(0.1, patterns=now), assumed=["100,000 rows", 3])
    assert conditions(made) == ["100,000 rows", "3f3d99e76a7d beside it: p99 1.5 s before, 25.0 ms after"]
    assert "3f3d99e76a7d beside it: p99 1.5 s before, 25.0 ms after" in said(html.render(with_receipts(made)))
    assert not [one for one in told if "gone" in one]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            {
                "expected": "a",
                "first_before": "a",
                "silent_after": True,
                "seen_in": ["clients", "metrics", "x", "facts"],
            },
            (
                "the first finding before is a; after, a is silent; judged from the requests as their clients saw them, the "
                "metrics, the server's facts"
            ),
        ),
        (
            {"expected": "a", "first_before": "b", "silent_after": False, "seen_in": ["log"]},
            "the first finding before is b; after, a still fires; judged from the log",
        ),
        (
            {"expected": "a", "first_before": "a", "silent_after": True},
            "the first finding before is a; after, a is silent",
        ),
    ],
)
def test_the_lines_say_what_the_rule_was_judged_from(rule: dict[str, Any], words: str) -> None:
    assert list(lines(receipt(rule=rule)))[-2] == words


@pytest.mark.parametrize(
    "rule", [None, [], {"expected": "a", "first_before": None, "silent_after": None, "seen_in": []}]
)
def test_a_rule_that_was_not_judged_has_no_line(rule: Any) -> None:
    assert list(lines(receipt(rule=rule))) == list(lines(receipt()))


def test_bars_are_shares_of_the_longest_end() -> None:
    p99 = bars(receipt())[-1]
    assert p99["name"] == "p99"
    assert [(one["name"], round(one["share"], 3), one["says"]) for one in p99["arms"]] == [
        ("before", round(0.8 / 0.88, 3), "800.0 ± 80.0 ms"),
        ("after", round(0.08 / 0.88, 3), "80.0 ± 8.0 ms"),
    ]
    assert all(0 <= one["low"] <= one["share"] <= one["high"] <= 1 for bar in bars(receipt()) for one in bar["arms"])
    assert bars(receipt(before={}, after={})) == []
    assert bars(receipt(before={"p99_s": interval(0.0)}, after={"p99_s": interval(0.0)})) == []


@pytest.mark.parametrize(
    "made",
    [
        None,
        [],
        "confirmed",
        {},
        {"outcome": "confirmed"},
        receipt(outcome=3),  # type: ignore[arg-type]
        receipt(before=None),
        receipt(after=[1]),
        receipt(before={"p99_s": 0.3}),
        receipt(before={"p99_s": {"mean": "1", "low": 0, "high": 2}}),
        receipt(before={"p99_s": {"mean": True, "low": 0, "high": 2}}),
        receipt(before={"p99_s": {"low": 0, "high": 2}}),
        receipt(before={"p99_s": {"mean": 10**400, "low": 0, "high": 2}}),
        receipt(before={"p99_s": {"mean": float("inf"), "low": 0, "high": 2}}),
        receipt(before={"p99_s": {"mean": float("nan"), "low": 0, "high": 2}}),
    ],
)
def test_what_is_none_of_ours_is_no_receipt(made: Any) -> None:
    assert not is_receipt(made)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(HOSTILE) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["mean", "low", "high"]), inner),
    max_leaves=6,
)
_NUMBER = st.integers(-5, 10**12) | st.floats(-10, 1e12)
_INTERVAL = st.fixed_dictionaries({"mean": _NUMBER}, optional={"low": _ANY | _NUMBER, "high": _ANY | _NUMBER})
_ARM = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("p50_s", "p95_s", "p99_s", "qps"), _INTERVAL)
    | {"recall": _ANY, "phases": _ANY, "patterns": _ANY},
)
_MADE = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["confirmed", "worse", HOSTILE]), "before": _ARM, "after": _ARM},
    optional=dict.fromkeys(("because", "remedy", "says", "rounds", "target", "scale", "assumed"), _ANY),
)


@given(_MADE | _ANY)
def test_whatever_passes_as_a_receipt_can_be_told_and_drawn(made: Any) -> None:
    if is_receipt(made):
        assert isinstance(sentence(made), str)
        assert all(isinstance(one, str) for one in conditions(made))
        for bar in bars(made):
            assert all(0 <= one["share"] <= 1 for one in bar["arms"])


def with_receipts(*made: Any) -> dict[str, Any]:
    """A report whose first finding was reproduced."""
    document: dict[str, Any] = json.loads(json.dumps(SAMPLES["json_filter"]))
    finding = document["findings"][0]
    finding["receipts"] = list(made)
    for remedy, one in zip(finding["remedies"], made, strict=False):
        remedy["receipt"] = one
    return document


def hostile() -> dict[str, Any]:
    words = dict.fromkeys(("because", "remedy", "says", "target", "scenario", "command"), HOSTILE)
    return receipt(HOSTILE, **words, rounds=HOSTILE, scale={"rows": HOSTILE}, assumed=[HOSTILE])


def test_the_page_shows_before_and_after() -> None:
    words = said(html.render(with_receipts(receipt(remedy="the_remedy"))))
    assert "Proven: p99 800.0 ± 80.0 ms before, 80.0 ± 8.0 ms after" in words


@pytest.mark.parametrize("made", [receipt(), hostile(), {"before": HOSTILE, "after": 10**30}, receipt(before={})])
def test_no_text_of_a_receipt_becomes_markup_and_the_policy_stays(made: Any) -> None:
    plain, page = read(html.render(SAMPLES["json_filter"])), read(html.render(with_receipts(made, made)))
    assert {tag for tag, _ in page.elements} <= _LAYOUT | {"svg", "rect", "path", "strong"}
    assert sum(tag == "script" for tag, _ in page.elements) == sum(tag == "script" for tag, _ in plain.elements)
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name == "src"}, tag
        assert (attributes.get("href") or "#").startswith("#")
    policies = [a["content"] for one in (plain, page) for tag, a in one.elements if "http-equiv" in a and tag == "meta"]
    assert policies[0] == policies[1]


def test_the_page_keeps_the_receipts_for_whoever_reads_it_again() -> None:
    from slowq.report.saved import load

    document = with_receipts(receipt(), hostile())
    assert load(html.render(document), "report.html") == document


@pytest.mark.parametrize("made", [receipt(), hostile()])
def test_the_other_reports_show_receipts_too(made: dict[str, Any]) -> None:
    document = with_receipts(made)
    assert "Proven" in screen(document, 100) or made["outcome"] == HOSTILE
    assert markdown.render(document)
