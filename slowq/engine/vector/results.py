"""What a search gives back, and what it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from slowq.engine.vector.vectors import Floats, Offsets

Mask = npt.NDArray[np.bool_]

_LARGE = frozenset(("IP", "COSINE", "BM25", "MHJACCARD"))


def better(metric: str) -> Literal["small", "large"]:
    """Whether a smaller or a larger score of this metric is the nearer one."""
    return "large" if metric in _LARGE else "small"


def worst(metric: str) -> float:
    """The score of no hit."""
    return -np.inf if better(metric) == "large" else np.inf


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest rows of each query, nearest first.

    `offsets` int64 (nq, k), -1 where there is none; `scores` float32 (nq, k) in Milvus' sense: L2 is the squared distance.
    """

    offsets: Offsets
    scores: Floats

    @staticmethod
    def none(queries: int, k: int, metric: str) -> "Hits":
        return Hits(np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), worst(metric), dtype=np.float32))

    def padded(self, k: int, metric: str) -> "Hits":
        """With k columns, the added ones empty."""
        more = k - self.offsets.shape[1]
        if more <= 0:
            return self
        rest = Hits.none(len(self.offsets), more, metric)
        return Hits(np.hstack((self.offsets, rest.offsets)), np.hstack((self.scores, rest.scores)))


@dataclass(frozen=True, slots=True)
class Work:
    """What a search cost.

    `distances` between two vectors (or codes of them), of all queries; `bytes_read` from a file by read calls, so not by page
    faults; `exact`: every row that the mask lets through was compared; `counted`: False where `distances` is an estimate, see
    the index kind.
    """

    distances: int = 0
    bytes_read: int = 0
    exact: bool = False
    counted: bool = True

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.distances + other.distances,
            self.bytes_read + other.bytes_read,
            self.exact and other.exact,
            self.counted and other.counted,
        )


def sorted_hits(metric: str, offsets: Offsets, scores: Floats, k: int) -> Hits:
    """The k best of each row of candidates, whose offsets are -1 for none; equal scores in the order of offsets."""
    key = np.where(offsets < 0, np.inf, -scores if better(metric) == "large" else scores)
    order = np.lexsort((offsets, key), axis=1)[:, :k]
    return Hits(np.take_along_axis(offsets, order, axis=1), np.take_along_axis(scores, order, axis=1)).padded(k, metric)


def merged(metric: str, parts: Sequence[Hits], k: int) -> Hits:
    """The k best of several answers to the same queries."""
    if len(parts) == 1:
        return parts[0]
    return sorted_hits(
        metric, np.hstack([part.offsets for part in parts]), np.hstack([part.scores for part in parts]), k
    )


def best(metric: str, scores: Floats, k: int) -> tuple[Offsets, Floats]:
    """The k best of scores (rows,), best first, equal ones in the order of rows; k is at most their number."""
    key = -scores if better(metric) == "large" else scores
    if k < len(key):
        limit = np.partition(key, k - 1)[k - 1]
        near, ties = np.flatnonzero(key < limit), np.flatnonzero(key == limit)
        rows = np.concatenate((near, ties[: k - len(near)]))
    else:
        rows = np.arange(len(key))
    rows = rows[np.lexsort((rows, key[rows]))]
    return rows, scores[rows]
