import numpy as np
import pytest

from slowq.grouping import rows_of


@pytest.mark.parametrize("shift", [0, 1 << 40])
def test_rows_come_by_number_and_in_order(shift: int) -> None:
    numbers = np.array([2, -1, 2, 0, -1, 2]) + shift
    found = [(number - shift, rows.tolist()) for number, rows in rows_of(numbers)]
    assert found == [(-1, [1, 4]), (0, [3]), (2, [0, 2, 5])]


def test_no_rows_are_in_no_group() -> None:
    assert list(rows_of(np.array([], dtype="int64"))) == []
