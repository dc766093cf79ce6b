from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from slowq.report import markdown
from slowq.report.text import visible
from tests.report.documents import SAMPLES

_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_TEXT = st.text(st.sampled_from("`|\\<>[]()!*_~#@&:.-+=1a \n\x1b\u202e") | st.characters(), min_size=1, max_size=40)


def tokens(text: str) -> list[Token]:
    found: list[Token] = []
    for token in _READER.parse(text):
        found += [token, *(token.children or ())]
    return found


def kinds(text: str) -> set[str]:
    return {token.type for token in tokens(text)}


def cells(text: str) -> list[str]:
    read = _READER.parse(text)
    return [read[at + 1].content for at, token in enumerate(read) if token.type == "td_open"]


@pytest.mark.parametrize("name", SAMPLES)
def test_there_is_no_html_link_or_image_from_a_log(name: str) -> None:
    text = markdown.render(SAMPLES[name])
    assert not kinds(text) & {"html_block", "html_inline", "link_open", "image", "hr", "blockquote_open", "s_open"}


def test_hostile_text_stands_in_code_alone() -> None:
    plain = [token.content for token in tokens(markdown.render(SAMPLES["hostile"])) if token.type == "text"]
    for bad in ("<script", "@everyone", "#1", "www.", "evil", "&lt;", "_a_", "**c**", "[/b]", ":tada:", "|"):
        assert not [one for one in plain if bad in one]


def test_hostile_text_holds_no_control_and_no_bidi_character() -> None:
    text = markdown.render(SAMPLES["hostile"])
    assert all(one == "\n" or one.isprintable() for one in text)
    assert r"\x1b[31mred" in text
    assert r"\u202etxt.exe" in text


@pytest.mark.parametrize("name", SAMPLES)
def test_headings_are_ours_alone(name: str) -> None:
    read = _READER.parse(markdown.render(SAMPLES[name]))
    ours = {
        "Findings",
        "Patterns",
        "Latency",
        "Phases",
        "Skipped",
        "Ruled out",
        "Blind spots",
        "Broken (bugs in slowq)",
    }
    titles = {
        read[at + 1].content for at, token in enumerate(read) if token.type == "heading_open" and token.tag == "h2"
    }
    assert titles <= {*ours, "Coverage"}
    assert "Coverage" in titles


def test_every_row_of_a_table_has_every_column() -> None:
    for sample in SAMPLES.values():
        text = markdown.render(sample)
        patterns = min(len(sample["patterns"]), 20)
        assert len(cells(text)) == 8 * patterns + 6 * len(sample["phases"] or ())


def test_a_filter_with_pipes_survives_a_table() -> None:
    table = f"| a |\n|---|\n| {markdown.code('x || y', in_table=True)} |"
    assert [token.content for token in tokens(table) if token.type == "code_inline"] == ["x || y"]


@given(_TEXT)
def test_code_is_one_span_that_says_the_text(text: str) -> None:
    read = [token for token in tokens("a " + markdown.code(text) + " b") if token.type == "code_inline"]
    assert len(read) == 1
    assert read[0].content.strip(" ") == visible(text).strip(" ")


@given(_TEXT)
def test_code_in_a_table_is_one_cell(text: str) -> None:
    table = f"| a | b |\n|---|---|\n| {markdown.code(text, in_table=True)} | c |"
    assert len(cells(table)) == 2
    assert cells(table)[1] == "c"


@given(_TEXT)
def test_prose_is_words_and_code_and_nothing_else(text: str) -> None:
    said = markdown.prose(text)
    for place in (said, f"- {said}", f"1. {said}", f"# {said}"):
        allowed = {"inline", "text", "code_inline"} | kinds("x") | kinds("- x") | kinds("1. x") | kinds("# x")
        assert kinds(place) <= allowed
        read = _READER.parse(place)
        assert (
            sum(token.type.startswith(("bullet_list_open", "ordered_list_open", "heading_open")) for token in read) <= 1
        )
        told = "".join(one.content for one in tokens(place) if one.type in ("text", "code_inline"))
        # But for the backticks of what the text itself quotes as code.
        assert re.sub(r"[\s`]", "", told) == re.sub(r"[\s`]", "", visible(text))


def test_plain_sentences_stay_plain() -> None:
    said = "At 04:59:22, 269 of 319 requests (84 %) waited 12.3 s; Milvus 2.5.11's index is 5x faster: see below."
    assert markdown.prose(said) == said


def test_the_punctuation_of_a_sentence_stays_outside_code() -> None:
    assert markdown.prose('Index meta["a"], then reload.') == 'Index `meta["a"]`, then reload.'
    assert markdown.prose("Set it (see a_b).") == "Set it (see `a_b`)."


def test_what_a_sentence_quotes_as_code_is_one_piece() -> None:
    said = "Give it: `requests: [{kind: search, nq: 1}]`, or `a_b` (or `c`)."
    assert markdown.prose(said) == said
    assert markdown.prose("A `<b>x` y") == "A `<b>x` y"
    assert markdown.prose("[a`b_c`](d)") == "``[a`b_c`](d)``"


def test_a_snippet_with_fences_stays_one_block() -> None:
    fences = [token for token in tokens(markdown.render(SAMPLES["hostile"])) if token.type == "fence"]
    snippets = [token.content for token in fences if token.info == "python"]
    assert len(snippets) == 4
    assert all("\n```\n````\n# nnn" in snippet for snippet in snippets)


@pytest.mark.parametrize("name", SAMPLES)
def test_it_ends_with_coverage_and_version(name: str) -> None:
    end = markdown.render(SAMPLES[name]).rpartition("## ")[2]
    assert end.startswith("Coverage\n")
    assert end.split("\n")[-2].startswith("slowq ")


def test_the_saved_json_gives_the_same_report() -> None:
    for sample in SAMPLES.values():
        assert markdown.render(json.loads(json.dumps(sample))) == markdown.render(sample)
