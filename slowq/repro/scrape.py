"""A page of metrics, read every half second while a set-up has its turn, as Prometheus would have kept it."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from slowq.metrics import catalogue

SCRAPE_S = 0.5
PAGE_S = 3.0
_NAME = re.compile(r"(?:# TYPE )?(\w+)")
_SUFFIX = re.compile(r"_(sum|count|bucket)$")
_GROWS = ("counter", "histogram", "summary")

_FAMILIES = {_SUFFIX.sub("", name) for name in catalogue.SERIES} | catalogue.SERIES
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Scraped:
    """What the page said in the turns of one set-up.

    A server may have several set-ups on it, of which each has its own `Scraped`: what a counter grew by between two turns
    is not this one's, and is left out.
    """

    turns: list[list[tuple[float, str]]] = field(default_factory=list)

    def begin(self) -> None:
        self.turns.append([])

    def add(self, at: float, text: str) -> None:
        self.turns[-1].append((at, text))

    def document(self) -> dict[str, Any] | None:
        """In the form of the contract's metrics file; None where there is too little to compare."""
        turns = [turn for turn in self.turns if turn]
        if sum(map(len, turns)) < 2:
            return None
        values: dict[Labels, list[tuple[float, str]]] = {}
        last: dict[Labels, float] = {}
        skipped: dict[Labels, float] = {}
        for turn in turns:
            for number, (at, text) in enumerate(turn):
                for labels, grows, value in samples(text):
                    if grows:
                        if number == 0:  # in the meantime it grew by what is not ours
                            skipped[labels] = skipped.get(labels, 0.0) + value - last.get(labels, value)
                        last[labels] = value
                    values.setdefault(labels, []).append((at, repr(value - skipped.get(labels, 0.0))))
        series = [{"metric": dict(labels), "values": pairs} for labels, pairs in values.items()]
        return {"start": turns[0][0][0], "end": turns[-1][-1][0], "step": SCRAPE_S, "series": series}


def samples(text: str) -> Iterator[tuple[Labels, bool, float]]:
    """Labels with `__name__`, whether it only grows, and the value: of the series that slowq knows."""
    from prometheus_client.parser import text_string_to_metric_families

    known = (line for line in text.splitlines() if (found := _NAME.match(line)) and found[1] in _FAMILIES)
    for family in text_string_to_metric_families("\n".join(known) + "\n"):
        for sample in family.samples:
            labels = (("__name__", sample.name), *sorted(sample.labels.items()))
            yield labels, family.type in _GROWS, float(sample.value)


def page(uri: str, timeout_s: float = PAGE_S) -> str:
    """Raises OSError where it does not answer, and ValueError where it is no text."""
    with urllib.request.urlopen(uri, timeout=timeout_s) as answer:  # noqa: S310 - http or https, as Page and we check
        text: str = answer.read().decode()
    return text


@contextmanager
def watching(uri: str, scraped: Scraped, now: Callable[[], float] = time.time) -> Iterator[None]:
    """Reads the page in a thread for as long as the context lasts, and at its end: what a counter grew by up to there is of
    this turn. A page that does not answer is left out: the server is busy, or gone, which the round itself says."""
    stop = threading.Event()
    scraped.begin()

    def look() -> None:
        with suppress(OSError, ValueError):
            scraped.add(round(now() / SCRAPE_S) * SCRAPE_S, page(uri))

    def scrape() -> None:
        look()
        while not stop.wait(SCRAPE_S):
            look()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        look()
