from slowq.facts import Coverage


def test_what_an_entry_goes_on_with_does_not_count_where_an_excerpt_is_weighed() -> None:
    assert Coverage(other_milvus_lines=2, continuation_lines=50).is_mostly(1)
    assert not Coverage(other_milvus_lines=2, unrecognised_lines=1, continuation_lines=50).is_mostly(1)
    assert not Coverage().is_mostly(0)
