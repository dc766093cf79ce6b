from __future__ import annotations

import pytest

from slowq.errors import UsageError
from slowq.repro.run import Options, check_room
from slowq.repro.scenario import Setup


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
