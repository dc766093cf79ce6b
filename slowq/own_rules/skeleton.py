"""The skeleton of a rule of one's own and its test: whole as they are, to be changed to what one looks for."""

from __future__ import annotations

from string import Template

_RULE = Template('''\
"""A request asks for more results than we show to anybody.

Symptom
    What a user sees. Here: searches are slow whose limit is far above a page of results.

Cause
    Why that makes a search slow.

How we tell
    Which columns, metrics or facts decide, and how. Without a limit in the log the rule answers skipped.

Not this when
    What looks alike and is something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slowq import workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.workload import seen

ABOUT = About(
    id="$name",
    cause="heavy_workload",  # the class that it belongs to; slowq rules lists them
    title="A request asks for more results than we show to anybody.",
    needs=(
        Need(
            what="the limit of the slow requests",
            how_to_supply="Give logs of the proxy, or --context: `requests: [{kind: search, top_k: 5000}]`.",
        ),
    ),
    remedies=(
        Remedy(
            key="ask_for_a_page",
            do="Ask for one page of results of $$collection, and for the next one when it is wanted.",
            because="Each result is ranked, merged and sent, whether it is shown or not.",
            cost="A second request where somebody turns the page.",
            verify="The slow log shows no limit above the page.",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class $class_name:
    """Slow requests with a limit that nobody reads to the end."""

    about: ClassVar[About] = ABOUT
    most_results: float = threshold(1000, "results that we show at most; say here where your number comes from")

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        limits = work.number("top_k")
        if not work.is_known("top_k").any():
            return Skipped(self.about.needs)
        culprits = limits > self.most_results
        if not culprits.any():
            return Clear(f"no slow request asks for more than {self.most_results:,.0f} results")
        most = limits[culprits].max()
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(0.3, signs=[(work.share(culprits) > 0.8, 0.3)]),
            summary=f"Slow requests ask for up to {most:,.0f} results.",
            evidence=[seen(work, f"The largest limit is {most:,.0f}.", culprits, most, self.most_results)],
        )
''')

_TEST = Template('''\
from pathlib import Path

import pytest

from slowq.facts import Case
from slowq.findings import Clear, Finding, Skipped
from slowq.gather import gather
from slowq.own_rules import load_rule

RULE = load_rule(Path(__file__).with_name("$name.py"))

LINE = (
    '[2025/08/23 19:20:0{second}.000 +00:00] [INFO] [proxy/impl.go:2578] ["Search slow"] [traceID=0{second}] '
    '[role=proxy] [db=default] [collection=products] [partitions="[]"] [dsl=] [len(PlaceholderGroup)=531] '
    '[OutputFields="[id]"] [search_params="{params}"] [guarantee_timestamp=2] [nq=1] [duration=6.5s]'
)
LIMIT = '[{{\\\\"key\\\\":\\\\"topk\\\\",\\\\"value\\\\":\\\\"{limit}\\\\"}}]'


def case(folder: Path, *params: str) -> Case:
    """Slow searches with these search params, read from a log as a proxy writes it."""
    lines = [LINE.format(second=at, params=one) for at, one in enumerate(params)]
    log = folder / "proxy.log"
    log.write_text("\\n".join(lines) + "\\n", encoding="utf-8")
    return gather([str(log)], jobs=1)


def test_requests_above_the_limit_are_to_blame(tmp_path: Path) -> None:
    found = RULE.check(case(tmp_path, LIMIT.format(limit=5000), LIMIT.format(limit=10)))
    assert isinstance(found, Finding)
    assert found.summary == "Slow requests ask for up to 5,000 results."
    assert [one.line for one in found.evidence[0].cites] == [1]


@pytest.mark.parametrize("limit", [10, 1000])
def test_requests_within_the_limit_are_not(tmp_path: Path, limit: int) -> None:
    assert RULE.check(case(tmp_path, LIMIT.format(limit=limit))) == Clear(
        "no slow request asks for more than 1,000 results"
    )


def test_without_a_limit_it_cannot_be_told(tmp_path: Path) -> None:
    assert isinstance(RULE.check(case(tmp_path, "[]")), Skipped)
''')


def rule(name: str) -> str:
    return _RULE.substitute(name=name, class_name=name.title().replace("_", "") + "Rule")


def test(name: str) -> str:
    return _TEST.substitute(name=name)
