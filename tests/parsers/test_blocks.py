"""Whole blocks: what operations on arrays find is what a loop over the bytes finds."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from slowq.parsers.blocks import all_begin_with, line_feeds
from slowq.parsers.evidence import Texts
from slowq.parsers.needles import Finder
from tests.parsers.lines import line

BLOCKS = st.lists(st.sampled_from((b"\n", b"\r", b"[2025/", b"[2024/", b"a", b"0123456789abcdef")), max_size=60)


def feeds_of(block: bytes) -> list[int]:
    return [at for at, byte in enumerate(block) if byte == ord("\n")]


@given(BLOCKS.map(b"".join))
@example(b"")
@example(b"\n\n")
@example(b"0123456\n01234567\n")
def test_every_line_feed_is_found(block: bytes) -> None:
    assert line_feeds(np.frombuffer(block, dtype=np.uint8)).tolist() == feeds_of(block)


@given(BLOCKS.map(b"".join).filter(bool))
@example(b"[2025/\n[2025/\n")
@example(b"[2025/\n[2025")
@example(b"[2025/\n\n")
def test_whether_all_lines_begin_alike_is_asked_of_every_line(block: bytes) -> None:
    lines = block.removesuffix(b"\n").split(b"\n")
    found = all_begin_with(memoryview(block), np.array(feeds_of(block), dtype=np.int64), b"[2025/")
    assert found == all(one.startswith(b"[2025/") for one in lines)


def test_what_says_the_same_is_found_once_in_ten_seconds_from_block_to_block() -> None:
    said, other = line([], b"task scheduler"), line([], b"consume msg failed")
    later = said.replace(b"19:22:19.9", b"19:22:20.0")
    finder = Finder()

    def rows(*lines: bytes) -> list[int]:
        block = b"".join(one + b"\n" for one in lines)
        return finder.hits(memoryview(block), np.array(feeds_of(block))).row.tolist()

    assert rows(said, other, said, other) == [0, 1, 3]
    assert rows(said, other, later, later) == [1, 2]
    assert rows(later, said) == [1]


@given(st.lists(st.lists(st.binary(max_size=9), max_size=4)))
def test_packed_texts_are_those_that_were_added(groups: list[list[bytes]]) -> None:
    texts = Texts()
    for group in groups:
        texts.extend(group)
        texts.append(b"alone")
    assert [*texts] == [text for group in groups for text in (*group, b"alone")]
