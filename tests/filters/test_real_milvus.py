"""Filters, rewritten filters and our own evaluation beside a real Milvus 2.3.5, for the forms that it has."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from slowq.filters import parse
from slowq.filters.ast import Call, Exists, Expression, walk
from slowq.filters.evaluate import evaluate
from slowq.filters.rewrite import rewrite
from slowq.filters.write import write
from tests.filters.rows import SCHEMA, Filters, row
from tests.servers import RealMilvus

VERSION = (2, 3, 5)
PAIRS = 300
DRIVER = Path(__file__).with_name("real_milvus.py")


def _ask(milvus: RealMilvus, rows: list[dict[str, Any]], filters: list[str], folder: Path) -> list[Any]:
    flat = [{**{key: one[key] for key in one if key != "$meta"}, **one["$meta"]} for one in rows]
    asked = folder / "asked.json"
    asked.write_text(json.dumps({"rows": flat, "filters": filters}), encoding="utf-8")
    said = milvus.run(DRIVER.read_text(encoding="utf-8"), str(asked), milvus.root)
    return list(json.loads(said[said.index("[") :]))


def _differs_in_2_3_5(tree: Expression) -> bool:
    """2.3.5 takes JSON null for existing, and its json_contains does not find 2 where 2.0 is; later versions do."""
    return any(isinstance(one, Exists) or (isinstance(one, Call) and one.name == "json_contains") for one in walk(tree))


@pytest.mark.real
def test_rewritten_filters_and_our_evaluation_select_what_milvus_selects(milvus: RealMilvus, tmp_path: Path) -> None:
    rng = random.Random(5)
    rows = [{**one, "meta": one["meta"] or {}} for one in (row(rng, at, nulls=False) for at in range(200))]
    trees = [Filters(rng, milvus_23=True).filter(2) for _ in range(PAIRS)]
    changed = [rewrite(tree, VERSION, SCHEMA)[0] for tree in trees]
    everything: dict[str, Any] = {"true": [one["id"] for one in rows], "false": []}
    texts = [write(one) for tree in zip(trees, changed, strict=True) for one in tree]
    asked = list(dict.fromkeys(text for text in texts if text not in everything))
    said = dict(zip(asked, _ask(milvus, rows, asked, tmp_path), strict=True)) | everything
    refused, rewritten, unlike = 0, [], []
    for tree, better in zip(trees, changed, strict=True):
        before, after = said[write(tree)], said[write(better)]
        if isinstance(before, str):
            refused += 1
            continue
        if after != before:
            rewritten.append((write(tree), write(better)))
        ours = [at for at, truth in enumerate(evaluate(parse(write(tree)), rows)) if truth]
        if ours != before and not _differs_in_2_3_5(tree):
            unlike.append(write(tree))
    assert rewritten == []
    assert unlike == []
    assert refused < PAIRS / 10
