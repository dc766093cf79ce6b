from slowq.rules.brute_force import BruteForce
from slowq.rules.growing_segments import GrowingSegments
from tests.builders import case, cleared, event, fired, ids, keys, many, measured, needs, remedy, says, search

SLOW = many(10, search(60), every=5)


def counted(segments: str) -> str:
    return f"collections: [{{name: products, segments: {segments}}}]"


def test_counted_segments_decide() -> None:
    incident = case(SLOW, facts=counted("{sealed: 40, growing: 30, indexed: 12, small: 25}"), version="2.4.5")
    found = fired(GrowingSegments().check(incident))
    assert "30 segments of products are growing." in says(found)
    assert "28 segments of products are not indexed." in says(found)
    assert "25 segments of products are small." in says(found)
    assert (set(found.victims), found.culprits) == (ids(incident), ())
    assert found.confidence >= 0.6
    assert "Compact products once" in remedy(found, "compact")
    assert remedy(found, "upgrade") == "Upgrade from 2.4.5 to 2.5.9 or later.\n"


def test_one_segment_is_not_two() -> None:
    found = fired(GrowingSegments().check(case(SLOW, facts=counted("{sealed: 1, indexed: 0}"))))
    assert "1 segment of products is not indexed." in says(found)


def pending(rows: int, of: str = "rows: 20000000, ") -> str:
    index = f"{{type: HNSW, state: building, pending_rows: {rows}}}"
    return (
        f"collections: [{{name: products, {of}fields: [{{name: vec, type: FLOAT_VECTOR, dim: 768, index: {index}}}]}}]"
    )


def test_rows_that_wait_for_their_index_are_scanned() -> None:
    for of in ("rows: 20000000, ", ""):
        found = fired(GrowingSegments().check(case(SLOW, facts=pending(18_000_000, of))))
        assert "18,000,000 rows of vec are not indexed yet." in says(found)
        assert found.confidence >= 0.6
    assert cleared(GrowingSegments().check(case(SLOW, facts=pending(100_000))))
    because = cleared(BruteForce().check(case(SLOW, facts=pending(18_000_000))))
    assert because.endswith("which is still being built")


def test_searches_without_an_index_in_the_log_are_a_sign() -> None:
    found = fired(GrowingSegments().check(case(SLOW, beside=[many(2, event("no_index_search", 70))])))
    assert "2 lines say that segments without an index were searched." in says(found)
    assert found.confidence >= 0.5


def test_rows_that_are_written_alone_prove_little() -> None:
    assert fired(GrowingSegments().check(case(SLOW, beside=[event("insert", 70)]))).confidence < 0.5


def test_slow_only_while_writing_is_a_contrast() -> None:
    found = fired(GrowingSegments().check(case(SLOW, facts="pattern: {only_while_writing: true}")))
    assert "Searches are slow only while data is written." in says(found)


def test_it_is_not_this_when_searches_are_slow_without_writing_too() -> None:
    facts = "pattern: {only_while_writing: false}\nobservations: {writes_per_s: 100}"
    assert fired(GrowingSegments().check(case(SLOW, facts=facts))).confidence < 0.2


def test_few_large_indexed_segments_clear_it() -> None:
    fine = counted("{sealed: 40, growing: 2, indexed: 40, small: 1}")
    assert "few, large and indexed" in cleared(GrowingSegments().check(case(SLOW, facts=fine)))


def test_a_few_small_segments_are_too_few_to_be_slow() -> None:
    fine = counted("{sealed: 7, growing: 0, indexed: 7, small: 7}")
    assert "few, large and indexed" in cleared(GrowingSegments().check(case(SLOW, facts=fine)))
    many = counted("{sealed: 8, growing: 0, indexed: 8, small: 8}")
    assert "8 segments of products are small." in says(fired(GrowingSegments().check(case(SLOW, facts=many))))


def test_without_counts_or_signs_of_writing_the_rule_cannot_judge() -> None:
    assert "growing, small or not indexed" in needs(GrowingSegments().check(case(SLOW)))[0]


def test_advice_that_came_later_is_left_out() -> None:
    told = keys(fired(GrowingSegments().check(case(SLOW, beside=[event("no_index_search", 70)], version="2.2.10"))))
    assert told == ["batch_writes", "more_index_power", "upgrade"]


def test_rows_that_no_index_covers_yet_are_counted_by_the_root_coordinator() -> None:
    def of(indexed: float) -> object:
        rows = {"rows_stored": {"collection": {"products": 1e6}}, "rows_indexed": {"collection": {"products": indexed}}}
        return case(SLOW, metrics=measured({**rows, "inserted": 500.0}, window=(0.0, 120.0)))

    found = fired(GrowingSegments().check(of(6e5)))
    assert says(found) == "400,000 of 1,000,000 rows of products have no vector index."
    assert found.confidence >= 0.5
    assert needs(GrowingSegments().check(of(9e5)))


def test_why_rows_have_no_index_yet_is_told_where_they_are_scanned() -> None:
    growing = {"search_latency": 6.0, "core": 1.0, "segment": {"state": {"Growing": (0.9, 2.0), "Sealed": (0.1, 2.0)}}}
    quiet = fired(
        GrowingSegments().check(case(SLOW, metrics=measured({**growing, "builds_waiting": 0.2, "flushes": 0.05})))
    )
    found = fired(
        GrowingSegments().check(case(SLOW, metrics=measured({**growing, "builds_waiting": 7.0, "flushes": 2.0})))
    )
    assert says(found) == (
        f"{says(quiet)} On average 7 index builds wait to begin. "
        "Clients ask for 2.0 flushes a second, and each ends a segment however small."
    )
    assert found.confidence == quiet.confidence


def grown(rows: float) -> dict[str, object]:
    """Searches of growing segments alone."""
    return {
        "search_latency": 4.0,
        "segment": {"state": {"Growing": 0.9, "Sealed": 0.1}},
        "rows": {"state": {"Growing": rows}},
    }


def test_that_searches_take_longer_the_more_growing_rows_there_are_supports_it() -> None:
    slow = many(20, search(10, took=6.0), every=2)
    before = {"search_latency": 0.05, "rows": {"state": {"Growing": 1e4}}}
    more = fired(GrowingSegments().check(case(slow, metrics=measured(grown(4e5), before))))
    same = fired(GrowingSegments().check(case(slow, metrics=measured(grown(1e4), before))))
    assert "The more growing rows there are, the longer searches take (rank correlation 1.00)." in says(more)
    assert "rank correlation" not in says(same)
    assert more.confidence > same.confidence


def test_growing_segments_without_an_interim_index_are_scanned() -> None:
    writing = "pattern: {only_while_writing: true}\n"
    without = writing + "config: {queryNode.segcore.interimIndex.enableIndex: false}"
    plain, bare = (fired(GrowingSegments().check(case(search(), facts=facts))) for facts in (writing, without))
    assert "Growing segments get no interim index: that is switched off." in says(bare)
    assert bare.confidence > plain.confidence
    assert "interim_index" in keys(bare)
