"""No regular expression can be made to take forever: time grows with the input, for each pattern and each bad input."""

import importlib
import pkgutil
import re
import time
from pathlib import Path

import pytest

import slowq.parsers
import slowq.sources
from bench.fuzz import scan

# A quadratic pattern takes seconds for the longer of the two.
SHORT, LONG = 20_000, 200_000
MOST_S = 0.5

BEGINNINGS = (
    *(
        "",
        "[",
        "{",
        '"',
        "2025-08-23T19:22:19",
        "2025-08-23T19:22:19.9Z ",
        "2025-08-23T19:22:19Z {",
        "[2025/08/23 19:22:19.",
    ),
    *(
        "Version: ",
        "Version:   1.1.",
        "milvusdb/milvus-",
        "milvusdb/milvus:1.1.",
        "[pod/",
        "a-1 ",
        "Aug 23 19:22:19 a ",
        "a.log-1-",
        "milvus",
        "/",
        "I20250522 09:52:55.7 ",
        'time="2025-08-23T19:22:19Z" level=error msg="',
        'time="2025-08-23T19:22:19Z" level=error msg="" a="pulsar',
        "RPC error: [",
        "RPC error: [search], 'RPC start': '2025-01-20 16:37:4",
    ),
    *(
        '{"level":"INFO","time":"2025/08/23 19:22:19.900 +00:00","caller":"',
        "a_b_",
        "main.",
        "go.a",
        "1.",
        "-",
        "][No.",
        "\\u",
    ),
    *(
        '["Search slow',
        '] ["',
        'message"',
        "1] [nq=1] [duration=",
        "[dsl=",
        '[dsl="',
        '"Version" : "1.1.',
        "proxy-2025-01-01",
    ),
)
UNITS = (
    *(
        "[",
        '"',
        "\\",
        "\\\\",
        '\\"',
        "[a=",
        "] [",
        "1",
        "1.",
        "a",
        "-",
        "_",
        " ",
        "\t",
        "/",
        "a/",
        "_a",
        "{",
        "}",
        "=",
        '""',
    ),
    *(
        '"\\',
        '","',
        '"[expr=x] ',
        " [expr: ",
        " [nq: 1]",
        "\0",
        "\x1b[",
        ".",
        "..",
        "-1",
        "a_0000000",
        "1s",
        "1h",
        "#1 ",
        ": ",
    ),
    *(
        "milvusdb/milvus-",
        "Version: 1.1.",
        "2025-01-01.",
        "[pod/",
        "a-1 ",
        "Aug 23 19:22:19 a ",
        "a.log-1-",
        "\\u0",
        "][No.1",
        '] ["Search slow',
        "\u00e9",
        "proxy",
    ),
)
ENDINGS = ("", "!", "\n", '"', "]")


Pattern = re.Pattern[str] | re.Pattern[bytes]
# The way that the code uses the pattern: one that is only ever matched at a place need not be fit to be searched.
ANYWHERE = ("search", "finditer", "findall", "sub", "split")


def patterns() -> dict[str, tuple[Pattern, tuple[str, ...]]]:
    """Name → the pattern, and how to use it."""
    found = {}
    source = "".join(path.read_text("utf-8") for path in sorted(Path(slowq.parsers.__path__[0]).parent.rglob("*.py")))
    for package in (slowq.parsers, slowq.sources):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                values = value.values() if isinstance(value, dict) else [value]
                for number, one in enumerate(values):
                    if isinstance(one, re.Pattern):
                        is_searched = any(f"{name}.{way}(" in source for way in ANYWHERE)
                        ways = ("search", "match") if is_searched else ("match", "fullmatch")
                        found[f"{info.name}.{name}.{number}"] = one, ways
    return found


PATTERNS = patterns()


def _worst_s(name: str, size: int, texts: list[tuple[str, str, str]]) -> tuple:
    """The longest time, and for what."""
    pattern, ways = PATTERNS[name]
    worst: tuple = (0.0,)
    for beginning, unit, ending in texts:
        text = beginning + unit * (size // len(unit)) + ending
        subject = text.encode() if isinstance(pattern.pattern, bytes) else text
        for way in ways:
            begun = time.process_time()
            getattr(pattern, way)(subject)
            worst = max(worst, (time.process_time() - begun, way, beginning, unit, ending))
    return worst


@pytest.mark.parametrize("name", PATTERNS)
def test_no_input_takes_more_than_linear_time(name: str) -> None:
    texts = [(beginning, unit, ending) for beginning in BEGINNINGS for unit in UNITS for ending in ENDINGS[:2]]
    texts += [("", unit, ending) for unit in UNITS for ending in ENDINGS]
    short = []
    for text in texts:
        took_s, *_ = _worst_s(name, SHORT // 10, [text])
        short.append((took_s, text))
    suspects = [text for _, text in sorted(short, reverse=True)[:12]]
    for size, most_s in ((SHORT, MOST_S / 10), (LONG, MOST_S)):
        worst = _worst_s(name, size, suspects)
        assert worst[0] < most_s, worst


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_no_line_takes_more_than_linear_time(beginning: str) -> None:
    for unit in UNITS:
        line = (beginning + unit * (SHORT // len(unit))).encode()
        for log in (
            line,
            b"[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] " + line,
            line[:100] + b"queue is full" + line,
        ):
            begun = time.process_time()
            scan([log])
            assert time.process_time() - begun < MOST_S, (unit, log[:200])


def test_the_patterns_are_found() -> None:
    assert len(PATTERNS) > 25
