"""From files to a case: the same requests and counts however the same lines are stored, cut and read."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import pandas as pd
import pytest
import zstandard

from bench.fuzz import samples
from slowq.errors import InputError
from slowq.facts import Case
from slowq.gather import gather
from slowq.parsers import read as reading
from slowq.report import requests as export

ROOT = Path(__file__).parents[1]
# An entry in pieces, and a header, are told by the lines beside them: such logs may not be cut between two of these.
IN_PIECES = (
    "docker-json-split.log",
    "broken.log",
    "cri-partial.log",
    "0.log",
    "csv.csv",
    "csv-host-service-message.csv",
)
LOGS = {
    str(path.relative_to(ROOT / folder)): path
    for folder in ("sample_logs/formats", "tests/data/bad")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".log", ".csv", ".jsonl") and path.parent.name not in ("pod_describe",)
}
USABLE = [name for name, path in LOGS.items() if b"[20" in path.read_bytes() and path.name != "public-neighbours.log"]


def observed(case: Case) -> dict[str, object]:
    """Everything that must not depend on how the lines are stored."""
    coverage = case.coverage
    counts = (coverage.slow_requests, coverage.other_milvus_lines, coverage.continuation_lines)
    requests = case.requests.drop(columns=["path", "line", "node"]).astype(object)
    return {
        "coverage": (*counts, coverage.unrecognised_lines, coverage.malformed_slow_lines),
        "requests": requests.where(requests.notna(), None).to_dict("records"),
        "patterns": [(pattern.id, pattern.count, pattern.duration_s) for pattern in case.patterns],
        "malformed": [(one.reason, one.excerpt) for one in coverage.malformed],
        "milvus": astuple(case.milvus),
    }


def places(case: Case) -> list[tuple[str, int]]:
    return [*zip(case.requests["path"].astype(str), case.requests["line"], strict=True)]


def pieces_of(data: bytes, number: int, rng: random.Random) -> list[bytes]:
    """The log cut at line ends into so many files, some of them empty."""
    lines = data.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + [lines[-1]] * bool(lines[-1])
    cuts = sorted(rng.randrange(len(lines) + 1) for _ in range(number - 1))
    return [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]


def tarred(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


STORED: dict[str, Callable[[bytes], bytes]] = {
    "log.gz": gzip.compress,
    "log.zst": zst,
    "log.bz2": bz2.compress,
    "log.xz": lzma.compress,
    "tar": lambda data: tarred(("logs/a.log", data)),
    "tgz": lambda data: gzip.compress(tarred(("logs/a.log", data))),
    "tar.gz": lambda data: gzip.compress(tarred(("logs/a.log.gz", gzip.compress(data)))),
    "tar.zst": lambda data: zst(tarred(("a.log.zst", zst(data)), ("empty.log", b""))),
    "zip": lambda data: zipped(("a.log", data)),
    "nested.zip": lambda data: zipped(("logs.tar.gz", gzip.compress(tarred(("a.log.bz2", bz2.compress(data)))))),
}


@pytest.fixture(scope="module")
def everything() -> bytes:
    """The lines of all versions and plain wrappers in one log."""
    paths = [path for name, path in LOGS.items() if path.name not in IN_PIECES and "access" not in name]
    return b"".join(path.read_bytes().removesuffix(b"\n") + b"\n" for path in paths if "pods" not in path.parts)


@pytest.mark.parametrize("kind", STORED)
def test_a_packed_log_gives_what_the_log_gives(tmp_path: Path, everything: bytes, kind: str) -> None:
    plain, packed = tmp_path / "a.log", tmp_path / f"a.{kind}"
    plain.write_bytes(everything)
    packed.write_bytes(STORED[kind](everything))
    whole, unpacked = gather([str(plain)], jobs=1), gather([str(packed)], jobs=1)
    assert observed(unpacked) == observed(whole)
    assert [line for _, line in places(unpacked)] == [line for _, line in places(whole)]


@pytest.mark.parametrize("number", [2, 3, 10])
def test_a_log_in_rotated_files_gives_what_the_log_gives(tmp_path: Path, everything: bytes, number: int) -> None:
    plain, folder = tmp_path / "a.log", tmp_path / "logs"
    folder.mkdir()
    plain.write_bytes(everything)
    for i, piece in enumerate(pieces_of(everything, number, random.Random(number))):
        packed = (bytes, gzip.compress, zst)[i % 3](piece)
        name = f"a-2025-08-23T{i:02}-00-00.000.log" if i < number - 1 else "a.log"
        (folder / name).write_bytes(packed)
    assert observed(gather([str(folder)], jobs=1)) == observed(gather([str(plain)], jobs=1))


@pytest.mark.parametrize("part", [1_000, 4_096, 50_000])
def test_any_number_of_workers_gives_the_same(
    tmp_path: Path, everything: bytes, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PART", part)
    monkeypatch.setattr(reading, "_WORTH_A_POOL", 0)
    for i, piece in enumerate(pieces_of(everything, 3, random.Random(part))):
        (tmp_path / f"{i}.log").write_bytes(piece)
    (tmp_path / "packed.log.gz").write_bytes(gzip.compress(everything))
    one, two, three = (gather([str(tmp_path)], jobs=jobs) for jobs in (1, 2, 3))
    assert observed(two) == observed(three) == observed(one)
    assert places(two) == places(three) == places(one)
    assert two.inputs == three.inputs == one.inputs
    assert two.coverage == three.coverage == one.coverage
    pd.testing.assert_frame_equal(two.requests, one.requests)
    pd.testing.assert_frame_equal(two.events.astype(object), one.events.astype(object))


@pytest.mark.parametrize("name", USABLE)
def test_every_sample_gives_the_same_in_parts_and_packed(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = LOGS[name].read_bytes()
    path = tmp_path / "a.log"
    path.write_bytes(data)
    try:
        whole = gather([str(path)], jobs=1)
    except InputError:
        pytest.skip("holds nothing of Milvus")
    monkeypatch.setattr(reading, "PART", max(200, len(data) // 5))
    monkeypatch.setattr(reading, "_WORTH_A_POOL", 0)
    in_parts = gather([str(path)], jobs=2)
    assert observed(in_parts) == observed(whole)
    assert places(in_parts) == places(whole)
    path.write_bytes(zst(data))
    assert observed(gather([str(path)], jobs=1)) == observed(whole)


def test_standard_input_gives_what_the_file_gives(tmp_path: Path, everything: bytes) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(everything)
    program = (
        "import sys; from slowq.gather import gather; from slowq.report import requests as r; "
        "r.write(gather(sys.argv[1:], jobs=1).requests, 'jsonl', sys.stdout.buffer)"
    )

    def told(*arguments: str, data: bytes | None = None) -> list[bytes]:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], input=data, capture_output=True, check=True, cwd=tmp_path
        )
        return done.stdout.replace(b'"path": "-"', b'"path": "a.log"').split(b"\n")

    whole = told("a.log")
    assert len(whole) > 100
    assert told("-", data=everything) == whole
    assert told("-", data=gzip.compress(everything)) == whole


def test_a_requery_at_the_end_of_one_file_belongs_to_a_search_in_the_next() -> None:
    case = gather([str(ROOT / "sample_logs/formats/wrapped/rotated")], jobs=1)
    assert case.requests["requery_s"].notna().sum() == 1


def test_lines_of_an_archive_are_cited_by_member(tmp_path: Path) -> None:
    data = LOGS["versions/2.5.16.log"].read_bytes()
    packed = tmp_path / "a.tar"
    packed.write_bytes(tarred(("x.log", data), ("x.log", data), ("y/z.log", data)))
    case = gather([str(packed)], jobs=1)
    assert [one.path for one in case.inputs] == [f"{packed}!x.log", f"{packed}!x.log (2)", f"{packed}!y/z.log"]
    assert {path for path, _ in places(case)} == {one.path for one in case.inputs}
    lines = [[line for path, line in places(case) if path == one.path] for one in case.inputs]
    assert lines[0] == lines[1] == lines[2] != []


def test_a_malformed_line_is_shown_with_its_line_in_any_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = next(line for line in LOGS["versions/2.5.16.log"].read_bytes().split(b"\n") if b'"Search slow"' in line)
    lines = [slow] * 60
    for number in (7, 33, 59):
        lines[number - 1] = slow[:200]
    path = tmp_path / "a.log"
    path.write_bytes(b"\n".join(lines) + b"\n")
    monkeypatch.setattr(reading, "PART", 5_000)
    monkeypatch.setattr(reading, "_WORTH_A_POOL", 0)
    for jobs in (1, 2):
        case = gather([str(path)], jobs=jobs)
        assert case.coverage.malformed_slow_lines == 3
        assert [(one.place.path, one.place.line) for one in case.coverage.malformed] == [
            (str(path), 7),
            (str(path), 33),
            (str(path), 59),
        ]


HOSTILE = (
    *(
        "<script>alert(1)</script>",
        "[/red]",
        "{{7*7}}",
        "=cmd|'/c calc'!A1",
        "../../etc/passwd",
        "\x1b]0;x\x07",
        "\u202e",
    ),
    *(
        "\x00",
        "\n[2025/08/23 19:22:19.900 +00:00] [INFO]",
        '"] [duration=1ms]',
        "\ud800",
        "\U0001f600" * 50,
        "a" * 10_000,
    ),
    *(
        '[{"key":"topk","value":"\\ud800"}]',
        '[{"key":"topk","value":"NaN"}]',
        '[{"key":"a","value":1e999},{"key":"b"}]',
    ),
    *(
        '[{"key":"params","value":"{\\"ef\\":Infinity}"}]',
        "[" * 900 + "]" * 900,
        '[{"key":"x","value":"' + "9" * 5000 + '"}]',
    ),
    *(
        '{"\\udc00":{"\\udfff":["\\ud800"]}}',
        '[{"key":"a","value":' + "[" * 500 + "]" * 500 + "}]",
        "[No.0 req, expr: \ud800]",
    ),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_field_comes_out_in_every_format(tmp_path: Path, text: str) -> None:
    from tests.parsers.lines import LAYOUTS, json_line, line

    raw = text.encode("utf-8", "surrogatepass")
    lines = []
    for message, layout in LAYOUTS:
        for hostile in [None, *layout.split()]:
            fields = [
                (name.encode(), b"1.5s" if name.startswith("duration") else raw if hostile in (None, name) else b"1")
                for name in layout.split()
            ]
            lines.append(line([(b"traceID", raw), *fields, (raw or b"x", raw)], message.encode()))
            lines.append(
                json_line([(k.decode(), text) for k, _ in fields if k != b"duration"] + [("duration", "1s")], message)
                if "\ud800" not in text
                else lines[-1]
            )
    lines.append(b"[pod/" + raw.replace(b"/", b"").replace(b"\n", b"")[:50] + b"/c] " + lines[0])
    data = b"\n".join(one.replace(b"\n", b"") for one in lines)
    path = tmp_path / "a.log"
    path.write_bytes(data)
    case = gather([str(path)], jobs=1)
    assert case.coverage.lines == data.count(b"\n") + 1
    assert len(case.requests) > 30
    for name in export.FORMATS:
        out = io.BytesIO()
        export.write(case.requests, name, out)
        if name == "jsonl":
            rows = [json.loads(row, parse_constant=pytest.fail) for row in out.getvalue().split(b"\n") if row]
            assert len(rows) == len(case.requests)


@pytest.mark.parametrize("seed", range(3))
def test_a_case_is_made_of_any_mutated_log(seed: int) -> None:
    from bench.fuzz import fails, mutated

    rng, seeds = random.Random(seed), samples()
    for _ in range(8):
        data, again = mutated(rng, seeds), rng.randrange(1 << 32)
        assert fails(data, again, with_tables=True) is None


# What cannot be used.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "nothing to read in 1 file: empty"),
        (zipped(), "nothing to read in 1 file: empty"),
        (gzip.compress(b""), "nothing to read in 1 file: empty"),
        (b"nothing\nof Milvus\n", "no line of Milvus in 2 lines of 1 file"),
        (b"\n\n\n", "no line of Milvus in 3 lines of 1 file"),
    ],
    ids=["empty", "empty-zip", "empty-gzip", "others", "blank"],
)
def test_an_input_that_is_empty_or_of_someone_else_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        gather([str(path)], jobs=1)
    assert caught.value.message.startswith(message)


def test_trouble_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    data = LOGS["versions/2.5.16.log"].read_bytes()
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(data)[:-20])
    told: list[str] = []
    case = gather([str(tmp_path)], jobs=1, warn=told.append)
    reason = "ends in the middle of its compressed data; what came before it was read"
    assert told == [f"{tmp_path}/b.log.gz: {reason}"]
    assert case.coverage.lines >= data.count(b"\n") * 2 - 1


def test_nothing_is_left_open_and_nothing_is_written(tmp_path: Path, everything: bytes) -> None:
    for kind, store in STORED.items():
        (tmp_path / f"a.{kind}").write_bytes(store(everything[:20_000]))
    before = sorted(path.name for path in tmp_path.iterdir())
    descriptors = len(os.listdir("/proc/self/fd"))
    gather([str(tmp_path)], jobs=1)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("log", "version", "source"),
    [
        ("2.3.5", "2.3.5", "the slow log's source line proxy/impl.go:2578, which only 2.3.5 has"),
        ("2.5.16", "2.5.16-2.5.17", "the slow log's source line proxy/impl.go:3141, which only 2.5.16 to 2.5.17 have"),
    ],
)
def test_how_the_version_was_learnt_is_said_in_words(log: str, version: str, source: str, tmp_path: Path) -> None:
    lines = LOGS[f"versions/{log}.log"].read_bytes().split(b"\n")
    path = tmp_path / "milvus.log"
    path.write_bytes(next(line for line in lines if b'"Search slow"' in line) + b"\n")
    milvus = gather([str(path)], jobs=1).milvus
    assert (milvus.version, milvus.source) == (version, source)


def test_lines_of_two_versions_are_said_to_differ(tmp_path: Path) -> None:
    path = tmp_path / "milvus.log"
    slow = [
        next(line for line in LOGS[f"versions/{log}.log"].read_bytes().split(b"\n") if b'"Search slow"' in line)
        for log in ("2.3.5", "2.5.16")
    ]
    path.write_bytes(b"\n".join(slow) + b"\n")
    milvus = gather([str(path)], jobs=1).milvus
    assert milvus.version == "2.3.5, 2.5.16-2.5.17"
    assert (milvus.source or "").endswith("; it differs between requests")
