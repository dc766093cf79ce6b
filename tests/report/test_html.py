from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from slowq.report import html
from slowq.report import text as say
from slowq.report.html import charts, embedded, figures
from slowq.report.saved import load
from tests.golden import INCIDENTS, answer
from tests.report.charted import charted, large, with_bad_text
from tests.report.documents import HOSTILE, SAMPLES

Document = dict[str, Any]
DOCUMENTS = {**SAMPLES, "charted": charted(), "bad text everywhere": with_bad_text(charted())}
every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


class _Reader(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._within: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within not in ("script", "style"):
            self.text.append(data)


def read(page: bytes) -> _Reader:
    reader = _Reader()
    reader.feed(page.decode())
    return reader


def said(page: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(read(page).text))


@every_document
def test_the_page_gives_back_the_document_that_went_in(document: Document) -> None:
    assert load(html.render(document), "report.html") == json.loads(json.dumps(document))


@every_document
def test_the_same_document_gives_the_same_page(document: Document) -> None:
    assert html.render(document) == html.render(json.loads(json.dumps(document)))


@every_document
def test_no_text_becomes_an_element_an_attribute_or_an_address(document: Document) -> None:
    page = read(html.render(document))
    assert {tag for tag, _ in page.elements} <= _LAYOUT
    assert sum(tag == "script" for tag, _ in page.elements) == 4
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name == "src"}, tag
        assert (attributes.get("href") or "#").startswith("#")


_LAYOUT = {
    *("html", "head", "meta", "title", "style", "noscript", "script", "body", "a", "header", "nav", "main", "footer"),
    *(
        "section",
        "article",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "p",
        "ul",
        "ol",
        "li",
        "dl",
        "div",
        "dt",
        "dd",
        "span",
        "code",
    ),
    *("pre", "details", "summary", "figure", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("label", "input"),
}


@every_document
def test_text_of_a_log_is_visible_in_the_page(document: Document) -> None:
    page = html.render(document).decode()
    body = page[page.index("<body>") : page.index('<script type="application/')]
    unseen = [one for one in body if not one.isprintable() and one != "\n"]
    assert unseen == []


def test_bad_text_stands_in_the_page_as_it_is() -> None:
    words = said(html.render(SAMPLES["hostile"]))
    assert re.sub(r"\s+", " ", say.visible(HOSTILE.replace("`", "")))[:120] in words.replace("`", "")


@pytest.mark.parametrize("of", [large(), {**large(), "blind_spots": ["\u0416" * 3_000_000]}], ids=["full", "too full"])
def test_a_page_is_at_most_two_megabytes_whatever_it_holds(of: Document) -> None:
    page = html.render(of)
    assert len(page) <= html.MOST_BYTES
    assert load(page, "report.html").keys() >= of.keys()


def test_a_document_that_is_too_large_says_in_the_page_what_was_cut() -> None:
    filters = [{**charted()["patterns"][0], "filter": text} for text in _noise(1_000, 9_000)]
    found = load(html.render({**charted(), "patterns": filters}), "report.html")
    longest = found["embedded"]["longest_text"]
    assert max(len(one["filter"]) for one in found["patterns"]) == longest


def _noise(number: int, length: int) -> list[str]:
    from random import Random

    random = Random(3)
    return [random.randbytes(length // 2).hex() for _ in range(number)]


def test_the_policy_allows_nothing_but_the_scripts_of_the_page() -> None:
    page = html.render(charted())
    (policy,) = [a["content"] for tag, a in read(page).elements if tag == "meta" and "http-equiv" in a]
    rules = dict(one.strip().split(" ", 1) for one in (policy or "").split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert len(rules["script-src"].split()) == 2
    assert not [one for one in rules.values() if "http" in one or "*" in one]


def test_the_bundle_is_there_once() -> None:
    assert html.render(charted()).count(b"plotly.js (basic - minified)") == 1


def test_what_to_do_comes_before_the_evidence_and_that_before_the_charts() -> None:
    words = said(html.render(charted()))
    order = ("Why searches were slow", "What to do now", "The evidence", "Where and when", "Patterns", "What was read")
    places = [words.rindex(one) for one in order[1:]]
    assert places == sorted(places)


def test_a_remedy_without_a_receipt_is_not_yet_proven_and_one_with_it_is_measured() -> None:
    words = said(html.render(SAMPLES["large_nq"]))
    assert "Measured: p99 1 m 12 s before, p99 410 ms after; on the reference engine" in words
    assert words.count("Not yet proven on your data.") == 1


def test_every_chart_has_a_table_a_title_and_a_place() -> None:
    drawn = html.view.charts(charted())
    assert [one.id for one in drawn] == [
        "over-time",
        "distribution",
        "heat-map",
        *(f"timeline-{one['rule']}" for one in charted()["timelines"]),
        "by-collection",
        *(f"panel-{one['id']}" for one in charted()["metrics"]["panels"] if one["id"] != "latency_by_phase"),
    ]
    for one in drawn:
        assert one.title
        assert one.rows
        assert {len(row) for row in one.rows} == {len(one.columns)}


def test_culprits_and_those_that_waited_are_drawn_in_two_colours() -> None:
    timeline = next(one for one in html.view.charts(charted()) if one.id == "timeline-large_nq")
    colours = {trace["marker"]["color"]: len(trace["y"]) for trace in timeline.figure["data"]}
    assert colours == {"var(--accent)": 1, "var(--bar)": 40}


def test_the_threshold_and_the_lanes_of_events_are_on_the_axis_of_the_latency() -> None:
    chart = next(iter(charts.charts(charted())))
    assert [one["y0"] for one in chart.figure["layout"]["shapes"]] == [5.0]
    assert list(chart.figure["layout"]["yaxis3"]["ticktext"]) == ["index build", "gc slow"]
    assert {axis for axis in chart.figure["layout"] if axis.startswith("xaxis")} == {"xaxis"}


def test_text_for_plotly_holds_no_tag_that_it_would_draw() -> None:
    assert figures.plain('<a href="javascript:x">&lt;') == '&lt;a href="javascript:x"&gt;&amp;lt;'


def test_a_table_of_patterns_that_are_too_many_counts_the_others() -> None:
    words = said(html.render(large()))
    assert "The first 100 are shown; the 900 others hold" in words


def test_a_document_that_is_compressed_is_found_again() -> None:
    packed = embedded.embed(large(), 20_000_000)
    assert b"application/gzip" in packed
    assert json.loads(embedded.extract(packed) or b"") == large()


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda path: path.name)
def test_the_page_of_a_recorded_incident_is_small_and_whole(incident: Any) -> None:
    page = html.render(answer(incident))
    assert len(page) < 1_700_000
    assert load(page, "report.html") == json.loads(json.dumps(answer(incident)))
