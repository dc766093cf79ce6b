"""docs/filter.md and the example of the README are what the code says."""

from pathlib import Path

from slowq.filters.lint import LINTS
from slowq.filters.rewrite import FINAL_REWRITES, REWRITES
from tests.filter_docs import PAGE, example, page

ROOT = Path(__file__).parents[1]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_holds_every_lint_and_rewrite() -> None:
    for one in (*LINTS, *REWRITES, *FINAL_REWRITES):
        assert f"| `{one.name}` |" in page()


def test_the_example_of_the_readme_is_what_slowq_prints() -> None:
    assert example() in (ROOT / "README.md").read_text(encoding="utf-8")
