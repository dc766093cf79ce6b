from __future__ import annotations

import random

import pytest

from bench import fuzz


def test_a_second_of_random_input_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--seconds", "1", "--seed", "7"]) == 0
    seed, found = capsys.readouterr().out.splitlines()
    assert seed.startswith("seed 7, ")
    assert found.endswith(" inputs, nothing found")


def test_what_is_found_is_told_with_the_smallest_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(data: bytes, _: random.Random, __: bool = False) -> str | None:
        return "holds what it may not" if b"[nq=" in data else None

    monkeypatch.setattr(fuzz, "check", check)
    assert fuzz.main(["--seconds", "60", "--seed", "7"]) == 1
    assert capsys.readouterr().out.endswith("holds what it may not\nsmallest: holds what it may not\nb'[nq='\n")
