from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slowq.repro.requests import Pages, send
from slowq.repro.scenario import Setup

SETUP = Setup(dim=4, top_k=5, page=2, params={"nprobe": 3}, filter="a == 1", output_fields=("a",))
VECTORS = np.zeros((1, 4), np.float32)


@dataclass(slots=True)
class Shelf:
    """Answers as an iterator of pymilvus does, with the hits 0, 1, 2 …; `asked` is what it was opened with."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    size: int = 0
    closed: int = 0

    def search_iterator(self, collection: str, **asked: Any) -> Shelf:
        self.asked.append({"collection": collection, **asked})
        self.left, self.size = list(range(asked["limit"])), asked["batch_size"]
        return self

    def next(self) -> list[dict[str, int]]:
        page, self.left = self.left[: self.size], self.left[self.size :]
        return [{"id": number} for number in page]

    def close(self) -> None:
        self.closed += 1


def test_each_request_is_a_page_and_behind_the_last_another_iterator_is_opened() -> None:
    shelf = Shelf()
    pages = Pages(shelf, "products", SETUP)
    assert [pages(VECTORS)[0] for _ in range(4)] == [{0, 1}, {2, 3}, {4}, {0, 1}]
    assert (len(shelf.asked), shelf.closed) == (2, 1)
    told = {name: shelf.asked[0][name] for name in ("collection", "batch_size", "limit", "filter", "output_fields")}
    assert told == {"collection": "products", "batch_size": 2, "limit": 5, "filter": "a == 1", "output_fields": ["a"]}
    assert shelf.asked[0]["search_params"] == {"metric_type": "L2", "params": {"nprobe": 3}}


def test_one_request_alone_is_the_first_page() -> None:
    assert send(Shelf(), "products", SETUP, VECTORS) == [{0, 1}]
