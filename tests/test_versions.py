import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.versions import Version, version_range


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.4.5", ((2, 4, 5), (2, 4, 5))),
        ("v2.4.5", ((2, 4, 5), (2, 4, 5))),
        (" 2.4.5 ", ((2, 4, 5), (2, 4, 5))),
        ("2.4.5-gpu", ((2, 4, 5), (2, 4, 5))),
        ("2.6.0-rc1", ((2, 6, 0), (2, 6, 0))),
        ("2.0.0rc4", ((2, 0, 0), (2, 0, 0))),
        ("2.0.0-rc (master 6a54c1f6)", ((2, 0, 0), (2, 0, 0))),
        ("2.2.0-20221118-b494b564", ((2, 2, 0), (2, 2, 0))),
        ("Milvus 2.3.5", ((2, 3, 5), (2, 3, 5))),
        ("milvus:v2.3.5", ((2, 3, 5), (2, 3, 5))),
        ("2.3", ((2, 3, 0), (2, 3, 999))),
        ("2.10", ((2, 10, 0), (2, 10, 999))),
        ("2.3.x", ((2, 3, 0), (2, 3, 999))),
        ("2.3-20231010-abcdef12", ((2, 3, 0), (2, 3, 999))),
        ("2.0-dev (2021-05)", ((2, 0, 0), (2, 0, 999))),
        ("2.6-dev", ((2, 6, 0), (2, 6, 999))),
        ("2.x", ((2, 0, 0), (2, 999, 999))),
        ("2", ((2, 0, 0), (2, 999, 999))),
        ("2.5.16-2.5.17", ((2, 5, 16), (2, 5, 17))),
        ("v2.5.16-v2.5.17", ((2, 5, 16), (2, 5, 17))),
        ("2.5.16 to 2.6", ((2, 5, 16), (2, 6, 999))),
        ("2.5.16 \u2013 2.5.17", ((2, 5, 16), (2, 5, 17))),
        ("2.3-2.4.x", ((2, 3, 0), (2, 4, 999))),
    ],
)
def test_a_release_or_a_line_of_releases_is_a_range(text: str, expected: tuple[Version, Version]) -> None:
    assert version_range(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "master",
        "master-20230818-74fb244b",
        "master (2025-03)",
        "latest",
        "(not stated)",
        "20250421",
        "2025-08-23",
        "2.4.5.1",
        "2.4.2024",
        "2.5.17-2.5.16",
        "\u0662.\u0664",
    ],
)
def test_what_names_no_release_is_none(text: str) -> None:
    assert version_range(text) is None


@given(st.text())
def test_any_text_is_a_range_or_none(text: str) -> None:
    found = version_range(text)
    assert found is None or found[0] <= found[1]


@given(st.tuples(*[st.integers(0, 999)] * 3))
def test_a_full_version_is_itself(version: Version) -> None:
    assert version_range(".".join(map(str, version))) == (version, version)
