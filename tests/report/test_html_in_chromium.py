"""What a reader sees and does, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator

from slowq.report import html
from tests.report.browser import AXE, VIEWS, chromium, opened
from tests.report.charted import charted, large, with_bad_text
from tests.report.documents import SAMPLES

REPORTS = {
    "charted": charted(),
    "bad text everywhere": with_bad_text(charted()),
    "large": large(),
    **SAMPLES,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    written = {}
    for name, document in REPORTS.items():
        written[name] = folder / f"{name}.html"
        written[name].write_bytes(html.render(document))
    return written


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", REPORTS)
def test_it_opens_without_a_complaint_and_without_the_network(
    browser: Browser, reports: dict[str, Path], name: str, view: str
) -> None:
    with opened(browser, reports[name], view) as seen:
        seen.read_to_the_end()
        assert seen.said == []
        assert seen.asked == [reports[name].as_uri()]
        assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["charted", "hostile", "nothing_slow", "undetermined"])
def test_axe_finds_nothing_that_somebody_could_not_use(
    browser: Browser, reports: dict[str, Path], name: str, view: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed (make test installs it where npm is)")
    with opened(browser, reports[name], view, bypass_csp=True) as seen:
        seen.read_to_the_end()
        seen.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        seen.read_to_the_end()
        seen.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = seen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]] == []


def test_bad_text_runs_nothing_and_makes_nothing(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["bad text everywhere"]) as seen:
        seen.read_to_the_end()
        for plot in seen.page.locator(".plot:visible").all():
            plot.hover()
        made = "document.querySelectorAll('img, iframe, object, embed, form, svg a, a:not([href^=\"#\"])').length"
        assert seen.page.evaluate(made) == 0
        assert seen.page.evaluate("document.scripts.length") == 4
        assert seen.said == []


def _column(table: Locator, number: int) -> list[str]:
    return [row.strip() for row in table.locator(f"tbody tr:visible td:nth-child({number})").all_inner_texts()]


def test_the_table_of_patterns_sorts_and_filters(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"]) as seen:
        table = seen.page.locator("#pattern-table")
        by_count = table.get_by_role("button", name="requests")
        by_count.click()
        counts = [int(one) for one in _column(table, 2)]
        assert counts == sorted(counts, reverse=True)
        by_count.press("Enter")
        assert [int(one) for one in _column(table, 2)] == sorted(counts)
        assert table.locator("th[aria-sort]").all_inner_texts() == ["requests"]
        seen.page.get_by_role("searchbox").fill("PRODUCTS")
        assert set(_column(table, 6)) == {"products"}
        assert seen.page.locator("#pattern-count").inner_text() == f"{len(_column(table, 6))} of {len(counts)}"


def test_a_pattern_expands_to_its_example(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"]) as seen:
        row = seen.page.locator("#pattern-table tbody tr").first
        assert not row.get_by_text("proxy.log:").is_visible()
        row.locator("summary").press("Enter")
        assert row.get_by_text("proxy.log:").is_visible()


def test_copy_puts_the_snippet_on_the_clipboard_and_says_so(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"], permissions=["clipboard-read", "clipboard-write"]) as seen:
        snippet = seen.page.locator(".snippet").first
        snippet.get_by_role("button").click()
        seen.until("document.getElementById('said').textContent === 'Copied'")
        assert seen.page.evaluate("navigator.clipboard.readText()") == snippet.locator("code").inner_text()


def test_a_link_to_a_finding_opens_it(browser: Browser, reports: dict[str, Path]) -> None:
    second = f"finding-{charted()['findings'][1]['sub_cause']}"
    with opened(browser, reports["charted"], fragment=f"#{second}") as seen:
        assert seen.page.locator(f"#{second} h4").first.is_visible()
        assert 0 <= seen.page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", second) < 900
    first = f"#finding-{charted()['findings'][0]['sub_cause']}"
    assert seen is not None
    with opened(browser, reports["charted"], fragment=first) as seen:
        assert seen.page.locator(first).is_visible()


def _span(plot: Locator) -> float:
    """How much time a chart shows, in seconds."""
    return float(
        plot.evaluate(
            "e => { const [a, b] = e.layout.xaxis.range.map((t) => Date.parse(t + 'Z')); return (b - a) / 1e3 }"
        )
    )


def test_charts_of_time_zoom_by_keyboard_and_by_mouse(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"]) as seen:
        seen.read_to_the_end()
        chart = seen.page.locator("#timeline-large_nq")
        plot = chart.locator(".plot")
        whole = _span(plot)
        chart.get_by_role("button", name="Zoom in").press("Enter")
        assert _span(plot) == pytest.approx(whole / 2)
        chart.get_by_role("button", name="Reset").press("Enter")
        assert _span(plot) == pytest.approx(whole)
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        seen.page.mouse.move(box["x"] + box["width"] * 0.4, middle)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=5)
        seen.page.mouse.up()
        for _ in range(100):
            if _span(plot) < whole / 2:
                break
            seen.page.wait_for_timeout(50)
        assert _span(plot) == pytest.approx(whole * 0.3, rel=0.1)


def test_the_keyboard_reaches_everything_in_the_order_of_reading(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"]) as seen:
        seen.read_to_the_end()
        seen.page.evaluate("window.scrollTo(0, 0)")
        tops: list[float] = []
        names: list[str] = []
        for _ in range(400):
            seen.page.keyboard.press("Tab")
            at: list[Any] = seen.page.evaluate(
                "(e => [e.tagName, e.textContent.trim().slice(0, 20), e.getBoundingClientRect().top + scrollY])"
                "(document.activeElement)"
            )
            if at[0] == "BODY":
                break
            names.append(at[1])
            tops.append(at[2])
        assert names[0] == "Skip to what to do"
        assert {"Copy", "Zoom in", "role"} <= set(names)
        assert all(later > earlier - 60 for earlier, later in pairwise(tops[1:]))


def test_dark_and_light_charts_follow_the_system_while_the_page_is_open(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["charted"]) as seen:
        seen.read_to_the_end()
        colour = "document.querySelector('#over-time .plot').layout.font.color"
        light = seen.page.evaluate(colour)
        seen.page.emulate_media(color_scheme="dark")
        seen.until(f"({colour}) !== {light!r}")
        seen.read_to_the_end()
        assert seen.said == []


def test_paper_opens_what_is_folded_keeps_charts_and_is_light(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"], "dark") as seen:
        folded = seen.page.locator("details:not([open])").count()
        seen.page.emulate_media(media="print")
        seen.until("document.documentElement.classList.contains('paper')")
        assert seen.page.locator("details:not([open])").count() == 0
        assert seen.page.locator(".plot svg.main-svg").count() >= seen.page.locator(".plot").count()
        assert seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        assert len(seen.page.pdf(format="A4")) > 50_000
        seen.page.emulate_media(media="screen")
        seen.until("!document.documentElement.classList.contains('paper')")
        assert seen.page.locator("details:not([open])").count() == folded
        assert seen.said == []


def test_without_javascript_every_text_and_table_is_there(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["charted"], java_script_enabled=False) as seen:
        for one in ("What to do now", "The evidence", "Patterns", "What was ruled out"):
            assert seen.page.get_by_role("heading", name=one, exact=True).is_visible()
        assert seen.page.locator("#over-time table td").first.is_visible()
        assert seen.page.locator(".plot:visible, button:visible, input:visible").count() == 0
        assert seen.said == []
