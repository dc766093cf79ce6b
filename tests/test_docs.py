import pytest

from slowq.rules import ALL
from tests.docs import FOLDER, pages

PAGES = dict(pages())


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.about.id)
def test_a_page_holds_every_heading_threshold_and_remedy(rule) -> None:
    page = PAGES[f"{rule.about.id}.md"]
    for heading in ("Symptom", "Cause", "How we tell", "Not this when", "What it needs", "What to do"):
        assert f"\n## {heading}\n" in page
    assert page.count("\n### ") == len(rule.about.remedies)
    assert page.count("- *Verify:*") == len(rule.about.remedies)
    assert page.count("```") == 2 * sum(bool(one.snippet) for one in rule.about.remedies)
