"""The programs that slowq is measured beside: what they are called, where they come from, and logs for them to read.

grep and ripgrep count lines in the same file as slowq reads. pgBadger and pt-query-digest are the tools of the same
trade for PostgreSQL and MySQL: they read as many entries of their own, with the same mix of requests and of varying
literals, written as SQL. Their entries are shorter than those of Milvus, which is in their favour.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# `generate` loads numpy, whose memory would be counted with each process that speed.py starts: only the logs import it.
if TYPE_CHECKING:
    from bench.generate import Pattern

ENTRIES_IN_CHUNK = 4096
GAP_MS = 25


@dataclass(frozen=True, slots=True)
class Peer:
    """A program, the package of Debian and Ubuntu that has it, and what makes it tell its version."""

    program: str
    package: str
    title: str
    ask_version: str = "--version"

    @property
    def installed(self) -> bool:
        """Whether it is on the path."""
        return shutil.which(self.program) is not None

    def version(self) -> str:
        """Its own words, or that it is missing and where it is to be had."""
        if not self.installed:
            return f"not installed (apt package {self.package})"
        done = subprocess.run([self.program, self.ask_version], capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().partition("\n")[0]


GREP = Peer("grep", "grep", "grep -cF")
RIPGREP = Peer("rg", "ripgrep", "rg -cF")
GZIP = Peer("gzip", "gzip", "gzip -dc | grep -cF")
PGBADGER = Peer("pgbadger", "pgbadger", "pgBadger")
PT_QUERY_DIGEST = Peer("pt-query-digest", "percona-toolkit", "pt-query-digest")
PEERS = (GREP, RIPGREP, GZIP, PGBADGER, PT_QUERY_DIGEST)


def pgbadger_command(log: Path, report: Path) -> list[str]:
    """One process, quiet, the JSON report: the nearest to `slowq analyze --format json --jobs 1`."""
    prefix = "%t [%p]: "
    return ["pgbadger", "-f", "stderr", "-p", prefix, "-x", "json", "-q", "-j", "1", "-o", str(report), str(log)]


def pt_query_digest_command(log: Path) -> list[str]:
    """The JSON report, without the look for a newer version on the network."""
    return ["pt-query-digest", "--type", "slowlog", "--output", "json", "--no-version-check", str(log)]


def postgres_log(entries: int, seed: int = 1, distinct_filters: int = 5000) -> Iterator[bytes]:
    """A log on stderr with log_line_prefix '%t [%p]: ' and log_min_duration_statement, in pieces."""

    def entry(stamp: str, rng: random.Random, took_ms: float, sql: str) -> str:
        date = f"{stamp[:4]}-{stamp[5:7]}-{stamp[8:19]}"
        return f"{date} UTC [{20000 + rng.randrange(64)}]: LOG:  duration: {took_ms:.3f} ms  statement: {sql}\n"

    return _log(entry, entries, seed, distinct_filters)


def mysql_log(entries: int, seed: int = 1, distinct_filters: int = 5000) -> Iterator[bytes]:
    """A slow query log of MySQL 8, in pieces."""

    def entry(stamp: str, rng: random.Random, took_ms: float, sql: str) -> str:
        time = f"{stamp[:4]}-{stamp[5:7]}-{stamp[8:10]}T{stamp[11:]}000Z"
        client = rng.randrange(64)
        return (
            f"# Time: {time}\n# User@Host: app[app] @ app-{client} [10.0.0.{client}]  Id: {4000 + client}\n"
            f"# Query_time: {took_ms / 1000:.6f}  Lock_time: 0.000{rng.randrange(1000):03d} "
            f"Rows_sent: {rng.randrange(100)}  Rows_examined: {rng.randrange(10_000_000)}\n{sql};\n"
        )

    return _log(entry, entries, seed, distinct_filters)


def _log(
    entry: Callable[[str, random.Random, float, str], str], entries: int, seed: int, distinct_filters: int
) -> Iterator[bytes]:
    from numpy import arange

    from bench.generate import PATTERNS, START_MS, stamp_digits

    rng = random.Random(seed)
    weights = [pattern.weight for pattern in PATTERNS]
    varying = sum("{" in pattern.filter for pattern in PATTERNS)
    each = -(-distinct_filters // varying) or entries
    for first in range(0, entries, ENTRIES_IN_CHUNK):
        count = min(ENTRIES_IN_CHUNK, entries - first)
        times_ms = START_MS + arange(first, first + count) * GAP_MS
        stamps = stamp_digits(times_ms).tobytes().decode()
        patterns = rng.choices(PATTERNS, weights, k=count)
        text = [
            entry(
                stamps[23 * n : 23 * n + 23],
                rng,
                pattern.median_s * 1000 * rng.lognormvariate(0, 0.6),
                _statement(pattern, first + n if each == entries else rng.randrange(each)),
            )
            for n, pattern in enumerate(patterns)
        ]
        yield "".join(text).encode()


def _statement(pattern: Pattern, number: int) -> str:
    """What the pattern would be in a relational database: its filter, and an order by distance where it is a search."""
    first = 10_000_000 + number * 2_654_435_761 % (1 << 31)
    many = ", ".join(str(first + 7919 * n) for n in range(8 + number % 17))
    filters = pattern.filter.replace("{many}", many).replace("{i}", str(first))
    words = ["SELECT", pattern.output, "FROM", pattern.collection]
    if filters:
        words += ["WHERE", _as_sql(filters)]
    if pattern.top_k:
        words += ["ORDER BY", f"distance(embedding, 'v{first % 1000}')", "LIMIT", str(pattern.top_k)]
    return " ".join(words)


def _as_sql(filters: str) -> str:
    text = filters.replace("&&", "AND").replace("||", "OR").replace("==", "=").replace('"', "'")
    return re.sub(r"\bin \[([^\]]*)\]", r"IN (\1)", text).replace("[", "(").replace("]", ")")
