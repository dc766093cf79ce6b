"""Size classes: how many values a list or terms a chain has, told roughly enough to group requests by it.

Two filters that differ only in how long their IN lists are belong together while the lists are of the same class.
"""

from bisect import bisect_right

_FROM = (0, 1, 2, 11, 101, 1_001, 10_001)
_NAMES = ("0", "1", "2-10", "11-100", "101-1000", "1001-10000", ">10000")


def size_class(count: int) -> str:
    """The name of the class: 0, 1, 2-10, 11-100, 101-1000, 1001-10000 or >10000."""
    return _NAMES[bisect_right(_FROM, count) - 1]


def times(count: int) -> str:
    """How skeletons and normal forms write a size class: a multiplication sign and its name."""
    return f"\u00d7{size_class(count)}"


def class_floor(count: int) -> int:
    """The smallest size of the same class: 0, 1, 2, 11, 101, 1001 or 10001."""
    return _FROM[bisect_right(_FROM, count) - 1]


def floor_of(name: str) -> int:
    """The smallest size of a class by its name; 1 for what is no name of a class."""
    return _FROM[_NAMES.index(name)] if name in _NAMES else 1
