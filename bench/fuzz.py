"""Random input through the parsers: mutated logs of every version, wrapper and fault, and mutated expressions.

    python -m bench.fuzz --seconds 600
    python -m bench.fuzz --seconds 60 --seed 7          the same inputs again

A rewritten filter must select the same rows as the one it was made from.

What must hold for any bytes: nothing raises; every line is counted once; the outcome does not depend on how the log is
cut into blocks; the fast ways to read slow lines give what the reference gives; tables and exports can be made of it. On a
failure the seed and the smallest input that was found are printed, and the exit code is 1.
"""

import argparse
import io
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from slowq.errors import InputError
from slowq.facts import Case, Context
from slowq.filters import shape_of
from slowq.filters.evaluate import evaluate
from slowq.filters.rewrite import rewrite
from slowq.filters.schema import Schema
from slowq.filters.write import write
from slowq.gather import Only, _case
from slowq.parsers import slow, zap
from slowq.parsers.cutting import TRACE_WIDTH
from slowq.parsers.read import File
from slowq.parsers.scan import Batch, Scanner
from slowq.report import requests as export
from tests.filters.rows import SCHEMA, Filters
from tests.filters.rows import row as random_row

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ("sample_logs/formats", "tests/data/bad", "tests/data/fuzz")
MOST_LINES = 60  # of a sample, so that an input takes milliseconds
TOKENS = (
    *(
        b"] [",
        b'"] ["',
        b'\\"',
        b"\\\\",
        b"\\",
        b'"',
        b"[",
        b"]",
        b"=",
        b" ",
        b"  ",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\t",
    ),
    *(b"[guarantee_timestamp=", b"] [guarantee_timestamp=1", b"[duration=1s]", b" [duration=", b"[durationPerNq=2ms]"),
    *(
        b'slow"] [traceID=',
        b'["Search slow"]',
        b'["Query slow"]',
        b'] ["HybridSearch slow"] [',
        b'["Search slow',
        b"[nq=3]",
    ),
    *(
        b'[dsl="a > 1"] ',
        b"[expr=x] ",
        b"[dsls=] ",
        b"[traceID=0]",
        b"[spanID=1]",
        b"[totalNq=2]",
        b"[db=]",
        b"[]",
        b'[""]',
    ),
    *(
        b"durationPerNq=5s]",
        b"-1.5s",
        b"1h2m3.5s",
        "7\N{MICRO SIGN}s".encode(),
        b"1_0s",
        b"9" * 30,
        b"0.0",
        b"1e9s",
        b".",
        b"s]",
    ),
    *(
        b"\x1b[31m",
        b"\x1b[0m",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        "\N{ARABIC-INDIC DIGIT FIVE}".encode(),
    ),
    *(b"[2025/08/23 19:22:19.900 +00:00] ", b"2025-08-23T19:22:19.9Z stdout P ", b"2025-08-23T19:22:19.9Z stdout F "),
    *(
        b'{"log":"',
        b'\\n","stream":"stdout","time":"2025-08-23T19:22:19.9Z"}',
        b"milvus  | ",
        b"[pod/a/b] ",
        b'""',
        b",",
    ),
    *(
        b"[ACCESS] <a: b> Search [status: ",
        b"queue is full",
        b"task scheduler",
        b"\\ud800",
        b"NaN",
        b"1e999",
        b"{",
        b"}",
    ),
)
EXPRESSIONS = (
    'a > 1 and b == "x"',
    "id in [1, 2, 3] or not (c like 'a%')",
    'json["k"][0] >= 1.5e3 && array_contains_any(t, [1, 2])',
    "text_match(t, 'x') || exists j['a'] and 1 < x <= 2",
    "((((a == 1))))",
    "{name} == $meta['x'] % 3 + 2 ** 4",
)


def samples() -> list[bytes]:
    """The logs to begin with, the long ones without their middle."""
    found = []
    for folder in SAMPLES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".log", ".csv", ".jsonl", ".bin"):
                lines = path.read_bytes().splitlines(keepends=True)
                found.append(b"".join(lines[: MOST_LINES // 2] + lines[MOST_LINES // 2 :][-MOST_LINES // 2 :]))
    return found


# --- Inputs -----------------------------------------------------------------------------------------------------------


def _flip(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if out:
            out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _insert(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(TOKENS) + data[at + rng.choice((0, 0, 1, 3, 10)) :]
    return data


def _insert_at_a_field(rng: random.Random, data: bytes) -> bytes:
    """Where it hurts: beside a bracket, an equals sign or a quote."""
    places = [i for i, byte in enumerate(data) if byte in b'[]="\\']
    if not places:
        return data
    at = rng.choice(places) + rng.choice((0, 1))
    return data[:at] + rng.choice(TOKENS) + data[at + rng.choice((0, 0, 1)) :]


def _swap_fields(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    fields = lines[at].split(b"] [")
    for _ in range(rng.choice((1, 2, 3))):
        i, j = rng.randrange(len(fields)), rng.randrange(len(fields))
        choice = rng.randrange(4)
        if choice == 0:
            fields[i], fields[j] = fields[j], fields[i]
        elif choice == 1:
            fields.insert(j, fields[i])
        elif choice == 2 and len(fields) > 1:
            del fields[i]
        else:
            key, _, value = fields[i].partition(b"=")
            fields[i] = key[: rng.randrange(len(key) + 1)] + value[:3] + b"=" + value[3:]
        i %= len(fields)
    lines[at] = b"] [".join(fields)
    return b"\n".join(lines)


def _move_digits(rng: random.Random, data: bytes) -> bytes:
    """A digit elsewhere in its line: the line keeps its letters."""
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    at = rng.choice(digits)
    end = at + rng.choice((1, 1, 3, 30))
    while end > at + 1 and not data[at:end].replace(b".", b"").isdigit():
        end -= 1
    to = max(0, at + rng.randrange(-30, 30))
    piece, rest = data[at:end], data[:at] + data[end:]
    return rest[:to] + piece + rest[to:]


def _duplicate(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at = rng.randrange(len(lines))
    return b"".join(lines[: at + 1] + [lines[at]] * rng.choice((1, 2, 20)) + lines[at + 1 :])


def _shuffle(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def _only_slow(rng: random.Random, data: bytes) -> bytes:
    """A log that is slow from end to end is read in another way."""
    lines = [line for line in data.splitlines(keepends=True) if b'slow"]' in line and line.startswith(b"[20")]
    return b"".join(lines * rng.choice((1, 2, 5))) or data


def _return_carriages(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n") if rng.random() < 0.5 else data.replace(b"\r", b"")


def _docker(line: bytes) -> bytes:
    text = line.decode("utf-8", "replace")
    return json.dumps({"log": text + "\n", "stream": "stdout", "time": "2025-08-23T19:22:19.9Z"}).encode()


def _docker_in_pieces(line: bytes) -> bytes:
    text, half = line.decode("utf-8", "replace"), len(line) // 2
    pieces = (text[:half], text[half:] + "\n")
    return b"\n".join(
        json.dumps({"log": piece, "stream": "stdout", "time": "2025-08-23T19:22:19.9Z"}).encode() for piece in pieces
    )


def _cri_in_pieces(line: bytes) -> bytes:
    stamp, half = b"2025-08-23T19:22:19.900123456Z stdout ", len(line) // 2
    return stamp + b"P " + line[:half] + b"\n" + stamp + b"F " + line[half:]


WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (
    _docker,
    _docker_in_pieces,
    _cri_in_pieces,
    lambda line: b"2025-08-23T19:22:19.900123456Z stdout F " + line,
    lambda line: b"2025-08-23T19:22:19.900123456Z " + line,
    lambda line: b"[pod/milvus-proxy-7/proxy] " + line,
    lambda line: b"milvus-standalone  | " + line,
    lambda line: b'2025-08-23T19:22:19Z {pod="proxy-1"} ' + line,
    lambda line: b'"2025-08-23","' + line.replace(b'"', b'""') + b'"',
    lambda line: json.dumps({"_source": {"message": line.decode("utf-8", "replace")}}).encode(),
    lambda line: json.dumps({"line": line.decode("utf-8", "replace"), "labels": {"pod": "p"}}).encode(),
    lambda line: b"\x1b[32m" + line.replace(b"slow", b"\x1b[1mslow\x1b[0m") + b"\x1b[0m",
)


def _wrap(rng: random.Random, data: bytes) -> bytes:
    wrappers = rng.choices(WRAPPERS, k=rng.choice((1, 1, 2, 3)))
    share = rng.choice((1.0, 1.0, 0.5))
    lines = data.split(b"\n")
    for wrapper in wrappers:
        lines = b"\n".join(wrapper(line) if line and rng.random() < share else line for line in lines).split(b"\n")
    return b"\n".join(lines)


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip,
    _truncate,
    _insert,
    _insert_at_a_field,
    _insert_at_a_field,
    _swap_fields,
    _swap_fields,
    _move_digits,
    _move_digits,
    _duplicate,
    _shuffle,
    _only_slow,
    _only_slow,
    _return_carriages,
    _wrap,
)


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A log with a few things wrong."""
    data = rng.choice(seeds)
    if rng.random() < 0.2:
        other = rng.choice(seeds)
        data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    for _ in range(rng.choice((1, 2, 3, 5))):
        data = rng.choice(MUTATIONS)(rng, data)
    return data[: 1 << 18]


# --- What must hold ---------------------------------------------------------------------------------------------------


def scan(blocks: Iterable[bytes]) -> Batch:
    """The batch of one log that comes in these blocks."""
    scanner = Scanner()
    for block in blocks:
        scanner.feed(block, len(block))
    return scanner.finish()


def rows_of(rows: slow.Rows) -> list[tuple[object, ...]]:
    """The rows in order of lines, numbers in place of NaN so that they can be compared."""
    columns = zip(
        *(rows.line, rows.time_ms, rows.form, rows.filter, rows.guarantee, rows.nq, rows.duration_s),
        *(rows.per_nq_s, traces_of(rows)),
        strict=True,
    )
    known = (
        (line, at, rows.forms[form], rows.filters[text] if text >= 0 else None, guarantee, nq, took, per_nq, trace)
        for line, at, form, text, guarantee, nq, took, per_nq, trace in columns
    )
    in_order = sorted(known, key=lambda row: row[0])
    return [tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row) for row in in_order]


def traces_of(rows: slow.Rows) -> list[bytes]:
    """The trace id of each row."""
    width = TRACE_WIDTH
    return [
        rows.odd_traces.get(row, bytes(rows.trace[row * width : (row + 1) * width]).rstrip(b"\0"))
        for row in range(len(rows.line))
    ]


def summary(batch: Batch) -> dict[str, object]:
    """All of a batch that must not depend on how its log was cut into blocks."""
    counts = (
        "lines",
        "size_bytes",
        "slow_lines",
        "milvus",
        "continuation",
        "unrecognised",
        "malformed",
        "access_lines",
    )
    return {name: getattr(batch, name) for name in counts} | {
        "rows": rows_of(batch.rows),
        "accesses": sorted(batch.accesses, key=lambda access: access.line),
        "malformed_lines": sorted(batch.malformed_lines) if batch.malformed < 50 else None,
        "unrecognised_lines": sorted(batch.unrecognised_lines) if batch.unrecognised < 50 else None,
        "formats": dict(batch.formats),
        "nodes": batch.nodes,
        "version": batch.version,
    }


def blocks_of(data: bytes, rng: random.Random) -> list[bytes]:
    """The log cut at some of its line ends."""
    share = rng.choice((0.05, 0.3, 1.0))
    blocks, block = [], b""
    for line in data.splitlines(keepends=True) if b"\r" not in data else _lines_with_ends(data):
        block += line
        if rng.random() < share:
            blocks.append(block)
            block = b""
    return [*blocks, block]


def _lines_with_ends(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + pieces[-1:]


def by_reference(lines: list[bytes]) -> tuple[list[tuple[object, ...]], list[tuple[int, str]]]:
    """Rows and refusals of slow lines, each parsed by itself and from end to end."""
    reader = slow.SlowLines()
    refused = []
    for number, line in enumerate(lines, 1):
        entry = zap.parse(line)
        if entry is None or entry.message not in slow.KINDS:
            refused.append((number, ""))
        elif (reason := reader.read_entry(entry, number)) is not None:
            refused.append((number, reason))
    return rows_of(reader.rows), refused


def refusals(found: list[tuple[int, bytes, str]]) -> list[tuple[int, str]]:
    """Line and reason; the reasons of lines that are no entry at all are the reader's own."""
    of_no_entry = {"cut before its message ends", "its time stamp is not a time", NO_SLOW_LINE}
    return sorted((number, "" if reason in of_no_entry else reason) for number, _, reason in found)


NO_SLOW_LINE = slow.SlowLines().read([b"[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] [x]"], [1])[0][2]


def case_of(batch: Batch) -> Case:
    """Everything that is made of a log before a rule looks at it."""
    return _case([File("fuzz.log", None, [batch])], Context(), None, Only())


def check(data: bytes, rng: random.Random, with_tables: bool = False) -> str | None:
    """What does not hold for these bytes; None where all does."""
    whole = scan([data])
    lines = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
    counted = whole.slow_lines + whole.milvus + whole.continuation + whole.unrecognised + whole.malformed
    if (whole.lines, counted, whole.size_bytes) != (lines, lines, len(data)):
        return f"{lines} lines of {len(data)} bytes, read {whole.lines} of {whole.size_bytes}, counted {counted}"
    numbers = [*whole.rows.line]
    if len(numbers) != whole.slow_lines or len({*numbers}) != len(numbers) or not all(1 <= n <= lines for n in numbers):
        return f"{whole.slow_lines} slow lines, rows of the lines {sorted(numbers)}"
    if (cut := summary(scan(blocks_of(data, rng)))) != (at_once := summary(whole)):
        return "\n".join(
            f"cut into blocks {name} is\n  {value!r}\nand not\n  {at_once[name]!r}"
            for name, value in cut.items()
            if value != at_once[name]
        )
    texts = [line for line in data.split(b"\n") if zap.TEXT_PREFIX.match(line)]
    if texts and (wrong := _check_fast_way(texts)):
        return wrong
    if with_tables:
        case = case_of(whole)
        for name in export.FORMATS:
            export.write(case.requests, name, io.BytesIO())
    return None


def _check_fast_way(lines: list[bytes]) -> str | None:
    wanted = by_reference(lines)
    reader = slow.SlowLines()
    refused = refusals(reader.read(lines, range(1, len(lines) + 1)))
    if (got := (rows_of(reader.rows), refused)) != wanted:
        return f"read in bulk\n{_difference(got, wanted)}"
    return None


def _difference(got: tuple[list[Any], list[Any]], wanted: tuple[list[Any], list[Any]]) -> str:
    return "\n".join(
        f"  {what}: {[one for one in mine if one not in theirs]}\n  not {[one for one in theirs if one not in mine]}"
        for what, mine, theirs in zip(("rows", "refused"), got, wanted, strict=True)
        if mine != theirs
    )


def check_expression(text: str) -> str | None:
    """What does not hold for this expression."""
    begun = time.perf_counter()
    shape = shape_of(text)
    took_s = time.perf_counter() - begun
    if took_s > 2:
        return f"took {took_s:.1f} s"
    again = shape_of(shape.text)
    return None if isinstance(again.text, str) else "the shape of a shape is no text"


def check_rewriting(rng: random.Random) -> str | None:
    """Whether a random filter and its rewritten form select the same of 50 random rows."""
    rows = [random_row(rng, number) for number in range(50)]
    tree = Filters(rng).filter()
    changed, _ = rewrite(tree, None, rng.choice([SCHEMA, Schema()]))
    for unknown in (False, True):
        answers = [evaluate(one, rows, missing_is_unknown=unknown) for one in (tree, changed)]
        if len({tuple(truth is True for truth in answer) for answer in answers}) > 1:
            return f"{write(tree)} was rewritten to {write(changed)}, which selects other rows"
    return None


# --- Running ----------------------------------------------------------------------------------------------------------


def fails(data: bytes, seed: int, with_tables: bool) -> str | None:
    """As `check`, where an exception fails as well."""
    try:
        return check(data, random.Random(seed), with_tables)
    except InputError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return f"{type(error).__name__}: {error}"


def minimised(data: bytes, seed: int, with_tables: bool) -> bytes:
    """A smaller input that fails too: first of lines, then of bytes."""
    for unit in ("lines", "bytes"):
        parts = _lines_with_ends(data) if unit == "lines" else [data[i : i + 1] for i in range(len(data))]
        size = max(1, len(parts) // 2)
        until = time.monotonic() + 30
        while size and time.monotonic() < until:
            at = 0
            while at < len(parts) and time.monotonic() < until:
                fewer = parts[:at] + parts[at + size :]
                if fails(b"".join(fewer), seed, with_tables) is not None:
                    parts = fewer
                else:
                    at += size
            size //= 2
        data = b"".join(parts)
    return data


def main(arguments: list[str] | None = None) -> int:
    """Run until the time is over or something fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    rng, seeds = random.Random(seed), samples()
    print(f"seed {seed}, {len(seeds)} samples")
    until, inputs = time.monotonic() + given.seconds, 0
    while time.monotonic() < until:
        inputs += 1
        if inputs % 4 == 1 and (wrong := check_rewriting(rng)) is not None:
            print(f"input {inputs} of seed {seed}: {wrong}")
            return 1
        if inputs % 4 == 0:
            text = mutated(rng, [one.encode() for one in EXPRESSIONS]).decode("utf-8", "replace")
            if (wrong := _expression_fails(text)) is not None:
                print(f"input {inputs} of seed {seed}: {wrong}\nexpression {text!r}")
                return 1
            continue
        data, again, with_tables = mutated(rng, seeds), rng.randrange(1 << 32), inputs % 20 == 1
        if (wrong := fails(data, again, with_tables)) is not None:
            small = minimised(data, again, with_tables)
            print(f"input {inputs} of seed {seed}: {wrong}\nsmallest: {fails(small, again, with_tables)}\n{small!r}")
            return 1
    print(f"{inputs} inputs, nothing found")
    return 0


def _expression_fails(text: str) -> str | None:
    try:
        return check_expression(text)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
