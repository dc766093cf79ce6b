from tests import metrics_docs


def test_the_page_on_metrics_is_up_to_date() -> None:
    assert metrics_docs.PATH.read_text(encoding="utf-8") == metrics_docs.text()
