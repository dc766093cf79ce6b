"""Ask slowq, as a user would on the command line, but within this process: a few hundred answers in a few minutes."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accuracy.cases import Case
from bench.accuracy.conditions import CONDITIONS

RAN = (0, 1, 3)  # exit codes with which an answer may come


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one case under one condition; `error` where nothing was."""

    case: Case
    condition: str
    verdict: dict[str, Any]
    findings: tuple[dict[str, Any], ...]
    seconds: float
    error: str | None = None

    @property
    def named(self) -> list[tuple[str, str]]:
        """Causes in the order in which a reader meets them: the verdict's, then those of the findings."""
        first = [self.verdict] if self.verdict.get("outcome") == "diagnosed" else []
        pairs = [(one["cause"], one["sub_cause"]) for one in [*first, *self.findings]]
        return list(dict.fromkeys(pairs))


def ask_all(cases: list[Case], conditions: list[str], jobs: int) -> list[Answer]:
    """Every case under every condition that it allows, in that order."""
    asked = [(case, name) for name in conditions for case in cases]
    with ProcessPoolExecutor(jobs) as pool:
        answers = pool.map(_ask, *zip(*asked, strict=True), chunksize=4)
        return [answer for answer in answers if answer is not None]


def _ask(case: Case, condition: str) -> Answer | None:
    with tempfile.TemporaryDirectory(prefix="slowq-accuracy-") as name:
        scratch = Path(name)
        (scratch / "given").mkdir()
        given = CONDITIONS[condition](case, scratch / "given")
        if given is None:
            return None
        output = scratch / "answer.json"
        began = time.perf_counter()
        code, said = _run(["analyze", *given.arguments(), "--jobs", "1", "--format", "json", "--output", str(output)])
        seconds = time.perf_counter() - began
        if code not in RAN or not output.exists():
            return Answer(case, condition, {}, (), seconds, f"exit code {code}: {said.strip()[-200:]}")
        document = json.loads(output.read_text(encoding="utf-8"))
        keys = ("cause", "sub_cause", "confidence", "score", "explains_share")
        findings = tuple({key: one[key] for key in keys} for one in document["findings"])
        broken = "; ".join(f"{one['sub_cause']}: {one['error']}" for one in document["broken"]) or None
        return Answer(case, condition, document["verdict"], findings, seconds, broken)


def _run(arguments: list[str]) -> tuple[int, str]:
    """slowq's own `main` with these arguments: the exit code and what it said on standard error."""
    from slowq.cli import main

    said, before = io.StringIO(), sys.argv
    sys.argv = ["slowq", *arguments]
    try:
        with contextlib.redirect_stderr(said):
            return main(), said.getvalue()
    finally:
        sys.argv = before
