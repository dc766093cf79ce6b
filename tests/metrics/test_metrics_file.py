from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from slowq.errors import UsageError
from slowq.metrics.file import load

GOOD = {
    "start": 0,
    "end": 2,
    "step": 2,
    "series": [{"metric": {"__name__": "process_cpu_seconds_total"}, "values": [[0, "1"], [2, "3"]]}],
}


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
def test_a_file_is_read_plain_and_compressed(tmp_path: Path, pack) -> None:
    path = tmp_path / "metrics.json"  # the name need not tell
    path.write_bytes(pack(json.dumps(GOOD).encode()))
    assert load(str(path)).families["process_cpu_seconds_total"].values.tolist() == [[1, 3]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no list of series"),
        (b'{"series": 3}', "no list of series"),
        (b'{"series": []}', "no key 'start'"),
        (b'{"series": [], "start": "x", "end": 1, "step": 1}', "could not convert"),
        (b'{"series": [], "start": 5, "end": 1, "step": 1}', "do not make a range"),
        (b'{"series": [1], "start": 1, "end": 1, "step": 1}', "series 1: expected"),
        (gzip.compress(json.dumps(GOOD).encode())[:-12], "cut off"),
        (b"\x1f\x8b\x08\x00garbage that is not deflated", "cannot read"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_name(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "m.json.gz"
    path.write_bytes(data)
    with pytest.raises(UsageError) as error:
        load(str(path))
    assert str(path) in error.value.message
    assert said in error.value.message


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="No such file"):
        load("/nowhere/metrics.json")
