from slowq.filters import parse
from slowq.filters.template import templated
from slowq.filters.write import write


def test_values_go_beside_the_text() -> None:
    made = templated(parse("tag in ['a', 'b'] and 1 < price < 5 and meta['k'] == 2 and tag != 'c'"), (2, 5, 0))
    assert made is not None
    assert (
        write(made.tree) == 'tag in {tag} and {price} < price < {price_2} and meta["k"] == {meta_k} and tag != {tag_2}'
    )
    assert made.params == {"tag": ("a", "b"), "price": 1, "price_2": 5, "meta_k": 2, "tag_2": "c"}


def test_like_patterns_stay_until_templates_take_them() -> None:
    assert templated(parse("a like 'x%'"), (2, 6, 16)) is None
    made = templated(parse("a like 'x%'"), (2, 6, 17))
    assert made is not None
    assert (write(made.tree), made.params) == ("a like {a}", {"a": "x%"})


def test_a_filter_with_templates_or_without_values_stays() -> None:
    for text in ("a == {x} and b == 1", "a is null", " or ".join(f"f{at} == 1" for at in range(100))):
        assert templated(parse(text)) is None
