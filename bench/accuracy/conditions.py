"""What slowq is given of a case: all of it, a part, or all of it damaged in a known way."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cases import Case

DROPPED = 0.1


@dataclass(frozen=True, slots=True)
class Given:
    """The paths that go onto the command line."""

    logs: Path | None
    context: Path | None

    def arguments(self) -> list[str]:
        return [*([str(self.logs)] if self.logs else []), *(["--context", str(self.context)] if self.context else [])]


Condition = Callable[[Case, Path], Given | None]
"""What is given of a case, with a folder to write in; None where the case lacks what the condition is about."""


def everything(case: Case, scratch: Path) -> Given | None:
    return Given(case.logs, case.context)


def logs_only(case: Case, scratch: Path) -> Given | None:
    return Given(case.logs, None) if case.logs and case.metrics else None


def lines_dropped(case: Case, scratch: Path) -> Given | None:
    """One line in ten is missing from the log."""
    if not case.logs or not case.metrics:
        return None
    dice = random.Random(case.id)
    for path in sorted(case.logs.iterdir()):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        kept = [line for line in raw.splitlines(keepends=True) if dice.random() >= DROPPED]
        (scratch / path.name.removesuffix(".gz")).write_bytes(b"".join(kept))
    return Given(scratch, case.context)


CONDITIONS: dict[str, Condition] = {
    "everything": everything,
    "logs": logs_only,
    "10 % of the lines dropped": lines_dropped,
}
