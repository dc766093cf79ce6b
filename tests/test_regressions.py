import re

import pytest

from slowq.facts import Milvus
from slowq.regressions import REGRESSIONS, Regression, known_for


def one(url_end: str) -> Regression:
    (found,) = [known for known in REGRESSIONS if known.url.endswith(url_end)]
    return found


@pytest.mark.parametrize("known", REGRESSIONS, ids=lambda known: known.url.rsplit("/", 1)[1])
def test_every_entry_is_a_sentence_with_a_source_and_bounds_in_order(known: Regression) -> None:
    assert re.fullmatch(r"[A-Z][^\n]+\.", known.says)
    assert re.fullmatch(r"https://github\.com/milvus-io/milvus/(pull|issues)/\d+", known.url)
    assert known.affects(known.since)
    assert known.fixed_in is None or (known.last is None and known.since < known.fixed_in)


def test_no_entry_is_listed_twice() -> None:
    assert len({known.url for known in REGRESSIONS}) == len(REGRESSIONS)


def test_the_fixing_release_is_not_affected() -> None:
    known = one("/26035")
    assert [known.affects(version) for version in [(2, 2, 11), (2, 2, 12), (2, 2, 13)]] == [False, True, False]


def test_an_entry_without_a_first_version_begins_with_its_line_of_releases() -> None:
    known = one("/39290")
    assert [known.affects(version) for version in [(2, 3, 22), (2, 4, 0), (2, 4, 20), (2, 4, 21)]] == [
        False,
        True,
        True,
        False,
    ]


def test_an_open_entry_affects_the_rest_of_its_line() -> None:
    known = one("/44032")
    assert [known.affects(version) for version in [(2, 5, 8), (2, 5, 9), (2, 5, 27), (2, 6, 0)]] == [
        False,
        True,
        True,
        False,
    ]


def test_the_prefix_regression_hits_both_lines_that_have_it() -> None:
    affected = [(2, 5, 10), (2, 5, 27), (2, 6, 0), (2, 6, 14)]
    sound = [(2, 5, 9), (2, 6, 15), (3, 0, 0)]
    both = [one("/48685"), one("/48688")]
    assert [any(known.affects(version) for known in both) for version in affected + sound] == [True] * 4 + [False] * 3


def test_a_range_of_versions_counts_where_all_of_it_is_affected() -> None:
    assert one("/26035") in known_for(Milvus(low=(2, 2, 12), high=(2, 2, 12)))
    assert one("/26035") not in known_for(Milvus(low=(2, 2, 11), high=(2, 2, 12)))


def test_nothing_is_known_of_an_unknown_version() -> None:
    assert known_for(Milvus()) == ()
