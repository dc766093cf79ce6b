from __future__ import annotations

import inspect
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import slowq
from slowq import rules
from slowq.metrics.catalogue import LEFT_OUT, QUANTITIES, SERIES
from slowq.rule import Rule
from tests import metrics_docs

ROOT = Path(slowq.__file__).parent
OTHERS = {"catalogue", "engine", "repro", "parsers", "context"}
# Who draws conclusions from metrics; the engine and reproductions make them.
READERS = [path for path in ROOT.rglob("*.py") if not OTHERS & {*path.relative_to(ROOT).parts}]


def test_the_page_on_metrics_is_up_to_date() -> None:
    assert metrics_docs.PATH.read_text(encoding="utf-8") == metrics_docs.text()


@pytest.fixture(scope="module")
def read() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in READERS)


@pytest.mark.parametrize("name", [one.name for one in QUANTITIES])
def test_what_is_asked_for_is_read_by_a_rule_or_a_report(name: str, read: str) -> None:
    assert f'"{name}"' in read


METRICS = {re.sub("_(sum|count|bucket)$", "", name) for name in SERIES} | SERIES


def test_nothing_that_is_left_out_is_asked_for() -> None:
    for names, _ in LEFT_OUT:
        for name in names:
            assert not [asked for asked in METRICS if fnmatchcase(asked, name)], name


def test_no_name_is_left_out_twice() -> None:
    names = [name for group, _ in LEFT_OUT for name in group]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", rules.ALL, ids=lambda rule: rule.about.id)
def test_the_metrics_that_a_rule_judges_by_are_asked_for(rule: Rule) -> None:
    page = inspect.getdoc(sys.modules[type(rule).__module__]) or ""
    needs = " ".join(need.how_to_supply for need in rule.about.needs)
    named = re.findall(
        r"\b(?:milvus|internal|node|container|process)_[a-z0-9_]+", page.split("Not this when")[0] + needs
    )
    assert [name for name in named if name not in METRICS] == []


@pytest.mark.parametrize("rule", rules.ALL, ids=lambda rule: rule.about.id)
def test_no_remedy_is_verified_by_what_milvus_does_not_write(rule: Rule) -> None:
    unwritten = [name for names, _ in LEFT_OUT[:2] for name in names]
    assert not [name for name in unwritten for one in rule.about.remedies if name in one.verify]
