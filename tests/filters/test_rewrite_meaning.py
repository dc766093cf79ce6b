"""A rewritten filter selects the same rows: the heart of rewriting."""

import random

import pytest

from slowq.filters.evaluate import evaluate
from slowq.filters.rewrite import rewrite
from slowq.filters.schema import Schema
from slowq.filters.write import write
from tests.filters.rows import SCHEMA, Filters, row

VERSIONS = [None, (2, 3, 5), (2, 5, 12), (2, 6, 7), (2, 6, 20)]


@pytest.mark.parametrize("seed", range(8))
def test_the_rewritten_filter_selects_the_same_rows(seed: int) -> None:
    """8 x 280 filters on 50 rows each: 112,000 pairs, each in both readings of a missing JSON path."""
    rng = random.Random(seed)
    for _ in range(280):
        rows = [row(rng, number) for number in range(50)]
        tree = Filters(rng).filter()
        schema = rng.choice([SCHEMA, Schema()])
        changed, _ = rewrite(tree, rng.choice(VERSIONS), schema)
        for unknown in (False, True):
            before = [truth is True for truth in evaluate(tree, rows, missing_is_unknown=unknown)]
            after = [truth is True for truth in evaluate(changed, rows, missing_is_unknown=unknown)]
            assert before == after, (write(tree), write(changed), unknown)
