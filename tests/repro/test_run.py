from __future__ import annotations

import pytest

from slowq.errors import UsageError
from slowq.repro.run import Options, check_room, run
from slowq.repro.scenario import Other, Setup


def test_more_rows_than_the_limit_are_refused_with_the_numbers() -> None:
    with pytest.raises(UsageError, match="3,000,000 rows are more than the limit of 2,000,000") as caught:
        check_room([Setup(), Setup(rows=2_500_000, growing_rows=500_000)], Options())
    assert caught.value.hint == "set --rows lower"
    check_room([Setup()], Options(most_rows=100_000))


def test_what_does_not_fit_into_the_memory_is_refused_with_the_numbers() -> None:
    large = Setup(rows=2_000_000, dim=32_768)
    with pytest.raises(UsageError, match=r"needs about \d{3,}\.\d GiB for 3 engines, and \d+\.\d GiB are free"):
        check_room([large] * 3, Options())


def test_a_milvus_of_others_is_not_filled() -> None:
    there = Options(target="http://elsewhere:19530")
    check_room([Setup(rows=1_000_000, dim=128)] * 2, there)
    with pytest.raises(UsageError, match=r"needs about 4\.2 GiB of the Milvus for 3 collections, more than .* 4 GiB"):
        check_room([Setup(rows=1_000_000, dim=128)] * 3, there)


def test_the_estimate_grows_with_rows_dimensions_and_the_graph() -> None:
    plain = Setup(rows=100_000, dim=128)
    assert plain.bytes_estimated < plain.changed({"growing_rows": 100_000}).bytes_estimated
    assert plain.bytes_estimated < plain.changed({"index": "HNSW"}).bytes_estimated
    binary = plain.changed({"vector": "BINARY_VECTOR"})
    assert binary.bytes_estimated < plain.bytes_estimated


def test_every_set_up_gets_the_recorded_requests_when_they_are_due() -> None:
    small = Setup(
        rows=2_000,
        dim=8,
        columns=(),
        segments=1,
        probes=0,
        others=(Other("p2", 0.25, nq=3, level="Strong", arrivals=(0.5, 2.5)),),
        arrivals=(0.0, 1.0, 1.0, 2.0, 3.0, 4.0),
        busy=0.3,
    )
    arms = run("replayed", [("before", small), ("after", small.changed({"top_k": 5}))], Options(2, 0.4), lambda _: None)
    before, after = arms
    assert before.replay is not None
    assert before.replay is after.replay
    for arm in arms:
        assert (arm.trouble, len(arm.rounds)) == ("", 2)
        for one in arm.rounds:
            due = [("clients", "p2")[which] for _, which in before.replay.due]
            assert sorted(answer.who for answer in one.answers) == sorted(due)
            assert not [answer for answer in one.answers if answer.error]
