"""How far the reading is: a bar on standard error, where someone sits in front of it and it takes a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_WAIT_S = 0.7
_STEP_S = 0.1


class Bar:
    """Called with the bytes read and the slow requests so far, as often as the reader likes; draws ten times a second.

    It has no thread of its own: the reader forks its workers while the bar is there.
    """

    def __init__(
        self,
        total_bytes: Callable[[], int | None],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total_bytes = total_bytes
        self._console = console
        self._clock = clock
        self._began = clock()
        self._next = self._began + _WAIT_S
        self._read_before = self._slow_before = 0  # in the logs that are done
        self._read = self._slow = 0
        self._total: int | None = None
        self._drawn: tuple[Progress, TaskID] | None = None

    def __call__(self, read_bytes: int, slow_requests: int) -> None:
        if read_bytes < self._read:  # logs that are read one by one each count from zero
            self._read_before += self._read
            self._slow_before += self._slow
        self._read, self._slow = read_bytes, slow_requests
        now = self._clock()
        if now >= self._next or (self._drawn and self._is_done):
            self._next = now + _STEP_S
            self._draw(now)

    @property
    def _is_done(self) -> bool:
        return self._total is not None and self._read_before + self._read >= self._total

    def _draw(self, now: float) -> None:
        from rich.filesize import decimal

        if self._drawn is None:
            self._total = self._total_bytes()
            self._drawn = _started("reading", self._console, self._total)
        progress, task = self._drawn
        read, slow = self._read_before + self._read, self._slow_before + self._slow
        of = f" of {decimal(self._total)}" if self._total is not None else ""
        rate = decimal(int(read / max(now - self._began, 1e-3)))
        said = f"{decimal(read)}{of}, {rate}/s, {slow:,} slow requests"
        doing = "analyzing" if self._is_done else "reading"
        progress.update(task, description=doing, completed=read, said=said)
        progress.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn[0].stop()
            self._drawn = None


class Counter:
    """Called with what is done and all there is to do; draws once it takes a while."""

    def __init__(self, what: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._console, self._clock = what, console, clock
        self._next = clock() + _WAIT_S
        self._drawn: tuple[Progress, TaskID] | None = None

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _STEP_S
        if self._drawn is None:
            self._drawn = _started("asking", self._console, total)
        progress, task = self._drawn
        progress.update(task, completed=done, said=f"{done:,} of {total:,} {self._what}")
        progress.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn[0].stop()


def _started(doing: str, console: Console | None, total: int | None) -> tuple[Progress, TaskID]:
    """A bar that is gone when it is stopped."""
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(20),
        progress.TextColumn("{task.fields[said]}", markup=False),
        console=console or Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.start()
    return bar, bar.add_task(doing, total=total, said="")


def _is_seen(*, hidden: bool) -> bool:
    seen = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return seen and not hidden


def counter(what: str, *, hidden: bool) -> Counter | None:
    """A bar for what is done one by one; None where nobody would see it."""
    return Counter(what) if _is_seen(hidden=hidden) else None


def bar(paths: Sequence[str], *, hidden: bool) -> Bar | None:
    """A bar for the reading of these paths; None where nobody would see it."""
    return Bar(lambda: total_bytes(paths)) if _is_seen(hidden=hidden) else None


def total_bytes(paths: Sequence[str]) -> int | None:
    """The bytes to read; None where that is not known before: of what is packed, and of standard input."""
    from slowq.sources import Member, find, members

    total = 0
    for source in find(paths):
        if source.size is None:
            return None
        first = next(members(source), None)
        if not (isinstance(first, Member) and first.plain):
            return None
        total += source.size
    return total
