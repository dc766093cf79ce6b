"""Rows that have the same number."""

from collections.abc import Iterator

import numpy as np

_SMALL = np.iinfo(np.int16)


def rows_of(numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each number and its rows, in order of both."""
    if not len(numbers):
        return
    if _SMALL.min <= numbers.min() and numbers.max() <= _SMALL.max:
        numbers = numbers.astype(np.int16)  # which NumPy sorts by radix, five times as fast
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    firsts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])).tolist()
    for first, end in zip(firsts, [*firsts[1:], len(order)], strict=True):
        yield int(ordered[first]), order[first:end]
