from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slowq.context import load, nodes
from slowq.errors import UsageError

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=LOADERS, ids=lambda loader: str(loader.__name__), autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both YAML readers: the one in C, and the one in Python for machines without it."""
    monkeypatch.setattr(nodes, "_Loader", request.param)
    monkeypatch.chdir(tmp_path)


def refusal(content: str | bytes) -> tuple[str, str | None]:
    Path("facts.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return refused("facts.yaml")


def refused(path: str) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        load(path)
    return caught.value.message, caught.value.hint


def notes(content: str) -> tuple[str, ...]:
    Path("facts.yaml").write_text(content, encoding="utf-8")
    return load("facts.yaml").notes


def test_a_syntax_error_names_line_column_and_problem() -> None:
    message, hint = refusal("milvus: {version: 2.4.5}\nnotes: a: b\n")
    assert message == "facts.yaml:2:9: not valid YAML: mapping values are not allowed " + (
        "here" if nodes._Loader is yaml.SafeLoader else "in this context"
    )
    assert hint == "quote a text that holds ': ' or ' #', or that begins with one of [ ] { } * & ! | > % @ `"


def test_a_second_document_is_refused() -> None:
    assert refusal("milvus: {}\n---\nmilvus: {}\n") == (
        "facts.yaml:2:1: not valid YAML: expected a single document in the stream: but found another document",
        "a context file is one document: remove the line '---' between the parts",
    )


def test_an_alias_is_refused() -> None:
    assert refusal("client: &same {p50_s: 1}\nserver: *same\n") == (
        "facts.yaml:2: the alias '*same' is not allowed here",
        "write the value out",
    )


def test_a_tag_is_refused_and_nothing_is_constructed() -> None:
    assert refusal("notes:\n- !!python/object/apply:os.system ['true']\n") == (
        "facts.yaml:2: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed here",
        "remove it",
    )


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert refusal(opening * 100_000) == ("facts.yaml:1: nested deeper than 50 levels", None)


def test_a_control_character_is_refused_with_its_place() -> None:
    assert refusal("milvus: {}\nnotes: ['\x1b[2J']\n") == (
        "facts.yaml:2:10: not valid YAML: the character U+001B is not allowed",
        None,
    )


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    assert refusal(b"milvus: {}\nnotes: [caf\xe9]\n") == (
        "facts.yaml:2: not UTF-8: byte 0xe9 (invalid continuation byte)",
        "save the file as UTF-8",
    )


def test_a_file_over_the_size_limit_is_refused() -> None:
    assert refusal(b"#" * (nodes.MAX_BYTES + 1)) == (
        "facts.yaml: a context file of more than 5 MiB is not read",
        "give logs as PATH; a context file holds only what they cannot show",
    )


def test_a_missing_file_is_refused_with_how_to_get_one() -> None:
    assert refused("none.yaml") == (
        "cannot read the context file 'none.yaml': it does not exist",
        "check the path; docs/context.md says what the file may hold",
    )


@pytest.mark.parametrize(("path", "reason"), [(".", "Is a directory"), ("a\0b", "embedded null byte")])
def test_an_unreadable_file_is_refused_with_the_reason(path: str, reason: str) -> None:
    assert refused(path) == (
        f"cannot read the context file {path!r}: {reason}",
        "--context takes one readable YAML or JSON file",
    )


def test_json_may_be_indented_with_tabs() -> None:
    assert notes('{\n\t"milvus": {},\n\t"notes":\t["a\\tb"]\n}\n') == ("a\tb",)
    assert load("facts.yaml").lines == {"milvus": 2, "notes": 3, "notes[0]": 3}


def test_json_escapes_mean_what_they_mean_in_json() -> None:
    assert notes(r'{"notes": ["\ud83d\ude00 \u00e9 \\ud83d \/ \" \\"]}') == ('\U0001f600 \u00e9 \\ud83d / " \\',)


def test_half_of_a_surrogate_pair_is_refused() -> None:
    assert refusal(r'{"notes": ["\ud83d"]}')[0].startswith("facts.yaml:1")


@pytest.mark.parametrize("content", ['notes: ["\\UFFFFFFFF"]', "%YAML 1.99999999999999999999999\n---\na: 1", "%YAML a"])
def test_what_yaml_itself_stumbles_over_is_a_usage_error(content: str) -> None:
    assert refusal(content)[0].startswith("facts.yaml")


_WORDS = r"""- ? : , [ ] { } ' " \ \u d83d | > % & * &x *x ! !! # --- ... %YAML 1.1 << ~ @ ` . _ + a 1 e9 null notes"""
_BLANKS = (": ", "- ", "? ", ", ", " ", "\n", "\r", "\t", "\x85", "\u2028", "\ufeff")
_TOKENS = st.lists(st.sampled_from([*_WORDS.split(), *_BLANKS]), max_size=30).map("".join)


def test_no_sequence_of_yaml_tokens_raises_anything_but_a_usage_error() -> None:
    @settings(deadline=None)
    @given(_TOKENS)
    def check(content: str) -> None:
        Path("facts.yaml").write_text(content, encoding="utf-8")
        try:
            said = load("facts.yaml").path
        except UsageError as error:
            said = error.message
        assert str(said).startswith("facts.yaml")

    check()
