"""The rows of a set-up, drawn from a seed: clustered vectors, and scalars in which each predicate has its share of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slowq.filters import parse
from slowq.filters.evaluate import NotEvaluableError, evaluate
from slowq.repro.scenario import Column, Setup

CLUSTERS = 200
QUERIES = 512
OTHER_ELEMENTS = 0.3  # of a binary vector, a MinHash signature of 8-bit elements: those that its cluster does not share
# |v|² - 2 v·q orders rows as (v - q)² does, at a tenth of the cost, but for the last digits: so many more than k are looked at.
_SPARE = 100
WORDS = 4999  # a prime, so that a word stands in few of the made-up texts


@dataclass(frozen=True, slots=True)
class Rows:
    """`vectors` float32 (n, dim), or uint8 (n, dim / 8) of binary ones; `columns` by name."""

    first_id: int
    vectors: NDArray[Any]
    columns: Mapping[str, list[Any]]

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def ids(self) -> list[int]:
        return list(range(self.first_id, self.first_id + len(self)))

    def part(self, begin: int, end: int) -> Rows:
        columns = {name: values[begin:end] for name, values in self.columns.items()}
        return Rows(self.first_id + begin, self.vectors[begin:end], columns)


def draw(setup: Setup, rows: int, seed: int, first_id: int = 0) -> Rows:
    dice = np.random.default_rng([seed, first_id])
    columns = {one.name: _column(one, rows, dice) for one in setup.columns}
    return Rows(first_id, _vectors(setup, rows, dice, seed), columns)


def queries(setup: Setup, seed: int) -> NDArray[Any]:
    """Vectors of the same clusters that are no rows."""
    return _vectors(setup, QUERIES, np.random.default_rng([seed, 2**31]), seed)


def _vectors(setup: Setup, rows: int, dice: np.random.Generator, seed: int) -> NDArray[Any]:
    if setup.vector == "BINARY_VECTOR":
        centres = np.random.default_rng([seed, 7]).integers(0, 256, (CLUSTERS, setup.dim // 8), dtype=np.uint8)
        drawn: NDArray[Any] = centres[dice.integers(0, CLUSTERS, rows)]
        other = dice.random(drawn.shape) < OTHER_ELEMENTS
        drawn[other] = dice.integers(0, 256, int(other.sum()), dtype=np.uint8)
        return drawn
    middles = np.random.default_rng([seed, 7]).standard_normal((CLUSTERS, setup.dim), dtype=np.float32)
    spread = dice.standard_normal((rows, setup.dim), dtype=np.float32)
    spread_out: NDArray[Any] = middles[dice.integers(0, CLUSTERS, rows)] + np.float32(0.35) * spread
    return spread_out


def _column(column: Column, rows: int, dice: np.random.Generator) -> list[Any]:
    if column.type == "JSON":
        parts = {one.name: _column(one, rows, dice) for one in column.paths}
        return [_nested({name: values[row] for name, values in parts.items()}) for row in range(rows)]
    chosen = dice.random(rows)
    made = [_made(column, number) for number in range(column.distinct)]
    values = [made[number] for number in dice.integers(0, column.distinct, rows).tolist()]
    edge = 0.0
    for value, share in column.values:
        for row in np.flatnonzero((chosen >= edge) & (chosen < edge + share)).tolist():
            values[row] = value
        edge += share
    return values


def _made(column: Column, number: int) -> Any:
    if column.type == "VARCHAR":
        words = [f"w{(number * 31 + place * 577) % WORDS:04d}" for place in range(column.words)]
        return " ".join([f"{column.name}-{number:05d}", *words])
    if column.type == "BOOL":
        return bool(number % 2)
    if column.type in ("FLOAT", "DOUBLE"):
        return float(number)
    return [number, number + 1, number + 2] if column.type == "ARRAY" else number


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for name, value in values.items():
        place = whole
        *outer, last = name.split(".")
        for key in outer:
            if not isinstance(place.get(key), dict):  # a value and an object under one key: the object stays
                place[key] = {}
            place = place[key]
        if not isinstance(place.get(last), dict):
            place[last] = value
    return whole


def nearest(setup: Setup, rows: Sequence[Rows], wanted: NDArray[Any], k: int) -> list[set[int]] | None:
    """The ids of the exact answer of each query; None where the filter needs more than rows to be known."""
    vectors = np.concatenate([one.vectors for one in rows])
    ids = np.concatenate([np.arange(one.first_id, one.first_id + len(one)) for one in rows])
    if setup.filter:
        passing = _passing(setup, rows)
        if passing is None:
            return None
        vectors, ids = vectors[passing], ids[passing]
    norms = np.einsum("ij,ij->i", vectors, vectors) if setup.metric == "L2" else None
    answers = []
    for query in wanted:
        near, theirs = vectors, ids
        if norms is not None:
            among = _least(norms - 2 * (vectors @ query), k + _SPARE)
            near, theirs = vectors[among], ids[among]
        best = _least(_distances(setup.metric, near, query), k)
        answers.append(set(theirs[best].tolist()))
    return answers


def _least(distance: NDArray[Any], k: int) -> NDArray[np.int64]:
    """The places of the k least."""
    if k >= len(distance):
        return np.arange(len(distance))
    found: NDArray[np.int64] = np.argpartition(distance, k - 1)[:k]
    return found


def _passing(setup: Setup, rows: Sequence[Rows]) -> NDArray[np.bool_] | None:
    if setup.templates:
        return None
    table = [
        dict(zip(one.columns, values, strict=True)) | {"id": one.first_id + row}
        for one in rows
        for row, values in enumerate(zip(*one.columns.values(), strict=True))
    ]
    try:
        return np.array([one is True for one in evaluate(parse(setup.filter), table)])
    except NotEvaluableError:
        return None


def _distances(metric: str, vectors: NDArray[Any], query: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any]
    if metric == "MHJACCARD":  # of 8-bit elements
        found = (vectors != query).mean(axis=1, dtype=np.float32)
    elif metric in ("HAMMING", "JACCARD"):
        same = np.bitwise_count(vectors & query).sum(axis=1, dtype=np.float32)
        either = np.bitwise_count(vectors | query).sum(axis=1, dtype=np.float32)
        found = either - same if metric == "HAMMING" else 1 - same / np.maximum(either, 1)
    elif metric == "L2":
        found = np.einsum("ij,ij->i", vectors - query, vectors - query)
    else:
        found = -(vectors @ query)
        if metric == "COSINE":
            found = found / np.linalg.norm(vectors, axis=1)
    return found
