"""Where lines begin and end in a block of bytes, found by operations on whole arrays."""

import numpy as np

_FEED = ord("\n")
_WORD = np.dtype("<u8")
_ONE = np.uint64(1)


def line_feeds(octets: np.ndarray) -> np.ndarray:
    """The positions of all line feeds, in order."""
    is_feed = octets == _FEED
    whole = len(is_feed) & ~7
    # Eight bytes at a time, since lines are long: two thirds of the time that `flatnonzero` takes on single bytes.
    words = is_feed[:whole].view(_WORD)
    at = np.flatnonzero(words != 0)
    found = words[at]
    below = found - _ONE
    if (found & below).any():  # two in one word
        feeds: np.ndarray = np.flatnonzero(is_feed)
        return feeds
    # The only set bit of a word is the lowest of one of its bytes; those below it tell which.
    feeds = at * 8 + (np.bitwise_count(below) >> 3)
    rest = np.flatnonzero(is_feed[whole:])
    return np.append(feeds, rest + whole) if len(rest) else feeds


def all_begin_with(block: memoryview, feeds: np.ndarray, start: bytes) -> bool:
    """Whether each line of a block begins so; `feeds` are the positions of its line feeds."""
    begins = feeds[:-1] if len(feeds) and feeds[-1] == len(block) - 1 else feeds
    if block[: len(start)] != start or (len(begins) and begins[-1] + len(start) >= len(block)):
        return False
    return bool((windows(block, begins + 1, len(start)) == start).all())


def windows(text: bytes | bytearray | memoryview, at: np.ndarray, width: int) -> np.ndarray:
    """The bytes from each position on, as strings of that width; none may reach beyond the text."""
    every = np.ndarray((len(text) - width + 1,), f"S{width}", text, strides=(1,))
    found: np.ndarray = every[at]
    return found
