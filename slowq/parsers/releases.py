"""Which Milvus wrote a line: by the source line that its caller names, and by the fields that it has.

CALLERS is read from the Milvus source: the line of the `Info(` call of each slow message in `internal/proxy/impl.go`, in
105 released versions. Releases that share a line cannot be told apart, so the answer is a range. Versions that were not
read (2.2.9 to 2.2.11, 2.2.13 to 2.2.15, 2.3.1, 2.4.6, 2.5.25 and later, 2.6.19 and later) lie inside a range or are unknown.
"""

from functools import lru_cache

from slowq.facts import Version

Range = tuple[Version, Version]

_NEWEST = 999
# (first, last, line of Search slow, of HybridSearch slow, of Query slow); 0 where the message does not exist.
_CALLERS: tuple[tuple[str, str, int, int, int], ...] = (
    ("2.2.6", "2.2.8", 2789, 0, 3056),
    ("2.2.12", "2.2.16", 3034, 0, 3307),
    ("2.3.0", "2.3.0", 2661, 0, 2852),
    ("2.3.2", "2.3.2", 2567, 0, 2836),
    ("2.3.3", "2.3.3", 2567, 0, 2822),
    ("2.3.4", "2.3.4", 2573, 0, 2834),
    ("2.3.5", "2.3.5", 2578, 0, 2839),
    ("2.3.6", "2.3.12", 2580, 0, 2841),
    ("2.3.13", "2.3.17", 2583, 0, 2848),
    ("2.3.18", "2.3.20", 2591, 0, 2857),
    ("2.3.21", "2.3.22", 2610, 0, 2876),
    ("2.4.0", "2.4.0", 2753, 2928, 3199),
    ("2.4.1", "2.4.1", 2883, 3082, 3371),
    ("2.4.2", "2.4.4", 2969, 3168, 3457),
    ("2.4.5", "2.4.5", 2970, 3170, 3460),
    ("2.4.7", "2.4.7", 2971, 3170, 3443),
    ("2.4.8", "2.4.9", 2978, 3177, 3450),
    ("2.4.10", "2.4.10", 2979, 3178, 3451),
    ("2.4.11", "2.4.11", 2976, 3167, 3439),
    ("2.4.12", "2.4.13", 2978, 3165, 3435),
    ("2.4.14", "2.4.17", 2977, 3164, 3434),
    ("2.4.18", "2.4.21", 3098, 3307, 3577),
    ("2.4.22", "2.4.24", 3100, 3309, 3579),
    ("2.5.0", "2.5.4", 3128, 3345, 3630),
    ("2.5.5", "2.5.7", 3131, 3364, 3649),
    ("2.5.8", "2.5.10", 3131, 3367, 3655),
    ("2.5.11", "2.5.11", 3132, 3368, 3656),
    ("2.5.12", "2.5.12", 3134, 3370, 3658),
    ("2.5.13", "2.5.14", 3138, 3374, 3662),
    ("2.5.15", "2.5.15", 3139, 3375, 3663),
    ("2.5.16", "2.5.17", 3141, 3377, 3665),
    ("2.5.18", "2.5.24", 3081, 3317, 3605),
    ("2.6.0", "2.6.0", 3137, 3373, 3661),
    ("2.6.1", "2.6.1", 2794, 3003, 3253),
    ("2.6.2", "2.6.2", 2801, 3010, 3260),
    ("2.6.3", "2.6.5", 2817, 3043, 3310),
    ("2.6.6", "2.6.6", 2820, 3047, 3314),
    ("2.6.7", "2.6.7", 2822, 3049, 3316),
    ("2.6.8", "2.6.8", 2982, 3209, 3614),
    ("2.6.9", "2.6.9", 2982, 3209, 3631),
    ("2.6.10", "2.6.10", 2986, 3223, 3666),
    ("2.6.11", "2.6.11", 3058, 3295, 3738),
    ("2.6.12", "2.6.13", 3064, 3301, 3744),
    ("2.6.14", "2.6.14", 3066, 3303, 3746),
    ("2.6.15", "2.6.15", 3067, 3304, 3753),
    ("2.6.16", "2.6.16", 3068, 3305, 3754),
    ("2.6.17", "2.6.18", 3084, 3326, 3795),
    ("3.0.0", "3.0.999", 2967, 3199, 3665),
)
_COLUMN = {"search": 2, "hybrid_search": 3, "query": 4}


def _version(text: str) -> Version:
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


@lru_cache(maxsize=4096)
def by_caller(kind: str, line: int) -> tuple[Range, ...]:
    """The releases whose `proxy/impl.go` logs this kind of request from this line; none where no release does."""
    column = _COLUMN[kind]
    return tuple((_version(row[0]), _version(row[1])) for row in _CALLERS if row[column] == line)


@lru_cache(maxsize=4096)
def by_fields(
    kind: str, *, database: bool, level: bool, uses_default: bool, nq: bool, per_nq: bool, travel: bool, label: bool
) -> Range:
    """The releases that log a slow line of this kind with, and without, these fields."""
    low, high = (2, 2, 6), (3, _NEWEST, _NEWEST)
    if not database:
        return (3, 0, 0), high
    high = (2, 6, _NEWEST)
    if level:
        low = (2, 4, 7)
        if kind == "search":
            low, high = ((2, 5, 13), high) if per_nq else (low, (2, 5, 12))
        elif kind == "hybrid_search":
            low, high = ((2, 6, 10), high) if per_nq else (low, (2, 6, 9))
        elif label:
            low = (2, 6, 15)
        else:
            high = (2, 6, 14)
    elif uses_default:
        low, high = ((2, 4, 5), (2, 4, 5)) if kind == "hybrid_search" else ((2, 3, 18), (2, 4, 5))
    elif kind == "hybrid_search":
        low, high = (2, 4, 0), (2, 4, 4)
    elif kind == "search":
        low, high = ((2, 3, 4), (2, 4, 4)) if nq else ((2, 2, 6), (2, 2, 16)) if travel else ((2, 3, 0), (2, 3, 3))
    else:
        high = (2, 4, 4)
    return low, high


def narrowed(ranges: tuple[Range, ...], by: Range) -> Range | None:
    """The smallest range that holds what of `ranges` lies in `by`; None where nothing does."""
    inside = [(max(low, by[0]), min(high, by[1])) for low, high in ranges]
    inside = [(low, high) for low, high in inside if low <= high]
    return (min(low for low, _ in inside), max(high for _, high in inside)) if inside else None


def in_words(version: Range) -> str:
    """`2.3.5`, `2.5.16 to 2.5.17`, `2.6.15 or later`."""
    return shown(version).replace("-", " to ")


def shown(version: Range) -> str:
    """`2.3.5`, `2.5.16-2.5.17`, `2.6.15 or later`, `3.0`."""
    low, high = version
    if low == high:
        return ".".join(map(str, low))
    if high[2] == _NEWEST:
        if low[2] == 0 and low[:2] == high[:2]:
            return f"{low[0]}.{low[1]}"
        return ".".join(map(str, low)) + (" or later" if high[1] == _NEWEST else f"-{high[0]}.{high[1]}")
    return ".".join(map(str, low)) + "-" + ".".join(map(str, high))
