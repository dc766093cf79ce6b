from slowq.rules.heavy_delete import HeavyDelete
from tests.builders import case, cleared, event, fired, ids, keys, many, needs, remedy, says, search

SLOW = many(10, search(60), every=5)


def test_mass_deletes_with_a_backlog_are_to_blame() -> None:
    beside = [many(3, event("delete", 60, took=25_000.0), every=10), event("delete_backlog", 70)]
    incident = case(SLOW, beside=beside, version="2.4.24")
    found = fired(HeavyDelete().check(incident))
    assert "The query node took in deletes of 25,000 rows at a time." in says(found)
    assert "Once a segment had gathered so many deletes that it had to be compacted." in says(found)
    assert found.confidence >= 0.7
    assert (set(found.victims), found.culprits) == (ids(incident), ())
    assert "Compact products off peak" in remedy(found, "compact")
    assert "l0_limit" in keys(found)


def test_a_backlog_that_comes_again_is_counted() -> None:
    assert "3 times a segment" in says(
        fired(HeavyDelete().check(case(SLOW, beside=[many(3, event("delete_backlog"))])))
    )


def test_the_rate_of_the_context_file_is_enough() -> None:
    found = fired(HeavyDelete().check(case(facts="observations: {deletes_per_s: 5000}")))
    assert "5,000 rows are deleted each second." in says(found)
    assert found.confidence >= 0.6


def test_the_limit_of_a_delete_backlog_is_for_versions_that_have_it() -> None:
    for version in ("2.3.5", "2.6.16"):
        found = fired(HeavyDelete().check(case(SLOW, beside=[event("delete_backlog")], version=version)))
        assert "l0_limit" not in keys(found)


def test_few_deletes_are_not_to_blame() -> None:
    assert "few rows were deleted" in cleared(HeavyDelete().check(case(SLOW, beside=[event("delete", took=10.0)])))


def test_it_is_not_this_when_rows_are_only_inserted() -> None:
    assert needs(HeavyDelete().check(case(SLOW, beside=[event("insert", took=5000.0)])))


def test_costly_requests_speak_against_it() -> None:
    costly = many(10, search(60, params={"topk": 5000}), every=5)
    beside = [event("delete_backlog", 70)]
    one, other = (fired(HeavyDelete().check(case(rows, beside=beside))).confidence for rows in (SLOW, costly))
    assert other < one
