"""Filters on 1 M rows, scanned and with an index: `python -m bench.engine.filters [--rows N]`.

One thread, the best of several runs. Each time the masks of both ways are compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from slowq.engine import scalar
from slowq.engine.scalar import Filter, ScalarField, ScalarIndex

T = TypeVar("T")

FIELDS = {
    field.name: field
    for field in (
        ScalarField("tag", "INT64"),
        ScalarField("price", "DOUBLE"),
        ScalarField("name", "VARCHAR"),
        ScalarField("labels", "ARRAY", "INT64"),
        ScalarField("meta", "JSON"),
    )
}
TAGS = 10_000
JSON_PATH = {"json_path": 'meta["a"]["b"]', "json_cast_type": "DOUBLE"}
INDEXES: list[tuple[str, str, dict[str, str]]] = [
    ("tag", "INVERTED", {}),
    ("tag", "STL_SORT", {}),
    ("price", "STL_SORT", {}),
    ("name", "INVERTED", {}),
    ("name", "NGRAM", {"min_gram": "3", "max_gram": "3"}),
    ("labels", "INVERTED", {}),
    ("labels", "BITMAP", {}),
    ("meta", "INVERTED", JSON_PATH),
]


def columns(rows: int, seed: int = 1) -> dict[str, pa.Array]:
    rng = np.random.default_rng(seed)
    inner = rng.integers(0, 100, rows).tolist()
    labels = rng.integers(0, 100, (rows, 4)).ravel()
    return {
        "tag": pa.array(rng.integers(0, TAGS, rows)),
        "price": pa.array(rng.random(rows) * 100),
        "name": pa.array([f"item {at * 7919 % rows} of shelf {at % 1000}" for at in range(rows)]),
        "labels": pa.ListArray.from_arrays(pa.array(np.arange(0, 4 * rows + 1, 4, dtype=np.int32)), pa.array(labels)),
        "meta": pa.array(
            [b'{"a": {"b": %d, "c": "x%d"}, "k": %d}' % (value, at, at % 7) for at, value in enumerate(inner)]
        ),
    }


def filters(rows: int) -> list[tuple[str, str, list[str]]]:
    """What is asked, and the fields whose index serves it."""
    some = list(range(0, TAGS, 100))
    tags, chain = f"tag in {some}", " or ".join(f"tag == {one}" for one in some)
    half = rows // 2
    return [
        ("price < 10", "price < 10", ["price"]),
        ("tag in [100 of 10,000]", tags, ["tag"]),
        ("tag == … or … (100 terms)", chain, ["tag"]),
        ("tag in [100,000 values]", f"tag in {list(range(5_000, 105_000))}", ["tag"]),
        ("tag % 100 == 3", "tag % 100 == 3", []),
        ('name like "item 50%"', "name like 'item 50%'", ["name INVERTED"]),
        ('name like "%50001%"', f"name like '%{half + 1}%'", ["name NGRAM"]),
        ("array_contains(labels, 7)", "array_contains(labels, 7)", ["labels INVERTED", "labels BITMAP"]),
        ('meta["a"]["b"] == 3', 'meta["a"]["b"] == 3', ["meta"]),
        ("tags, price and JSON together", f'{tags} and price < 10 and meta["a"]["b"] == 3', ["tag", "meta"]),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args(arguments).rows
    segment = columns(rows)
    print(f"{rows:,} rows\n\n| index | build s | MB |\n|---|---:|---:|")
    built = {}
    for name, kind, params in INDEXES:
        took, index = best(lambda: scalar.build_index(kind, segment[name], FIELDS[name], params), runs=1)  # noqa: B023
        built[f"{name} {kind}"] = (scalar.index_key(FIELDS[name], params), index)
        print(f"| {name} {kind} | {took:.2f} | {index.size_bytes / 1e6:.0f} |")
    print("\n| filter | rows pass | scan ms | index ms | scan / index |\n|---|---:|---:|---:|---:|")
    for title, text, served in filters(rows):
        asked = scalar.compile(text, FIELDS, dynamic=False)
        scanned, mask = best(lambda: scalar.evaluate(asked, segment, rows)[0])  # noqa: B023
        line = f"| `{title}` | {np.count_nonzero(mask):,} | {scanned * 1e3:.2f} |"
        if not served:
            print(f"{line} | |")
        for group in [served] if title.startswith("tags") else [[one] for one in served]:
            took, kinds = with_indexes(asked, segment, rows, mask, dict(_found(built, one) for one in group))
            print(f"{line} {took * 1e3:.2f} ({kinds}) | {scanned / took:.0f} |")


def _found(built: Mapping[str, tuple[str, ScalarIndex]], name: str) -> tuple[str, ScalarIndex]:
    return next(one for key, one in built.items() if key == name or key.partition(" ")[0] == name)


def with_indexes(
    asked: Filter, segment: Mapping[str, pa.Array], rows: int, mask: np.ndarray, indexes: Mapping[str, ScalarIndex]
) -> tuple[float, str]:
    took, (found, works) = best(lambda: scalar.evaluate(asked, segment, rows, indexes))
    if not np.array_equal(found, mask):
        raise SystemExit(f"the index changes what passes {asked.text[:100]}")
    return took, ", ".join(sorted({work.index for work in works if work.index}))


def best(call: Callable[[], T], runs: int = 7) -> tuple[float, T]:
    took = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        result = call()
        took = min(took, time.perf_counter() - started)
    return took, result


if __name__ == "__main__":
    main()
