"""docs/filter.md and the example in the README, drawn from the code; `python -m tests.docs` rewrites both."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from slowq.filters.lint import LINTS
from slowq.filters.rewrite import FINAL_REWRITES, REWRITES, Rewrite

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "filter.md"
COMMAND = """slowq filter 'tag == "a" or tag == "b" or not (price < 5)' --milvus-version 2.4.5 --schema context.yaml"""
_NOTE = "<!-- Written by `python -m tests.docs` from slowq/filters/lint.py and rewrite.py; change it there. -->"
_INTRODUCTION = """\
`slowq filter 'EXPR'` prints the normal form of a filter (the same for all that differ only in their values), its tree, what is
costly in it, and a filter that selects the same rows for less, with the reason for each step. Nothing is sent anywhere.

| option | |
|---|---|
| `-`, `--file FILE` | expressions, one a line; `#` begins a comment line |
| `--report REPORT` | the patterns of a report of `slowq analyze --format json`; they hold no values, so that nothing is rewritten |
| `--milvus-version VERSION` | what is costly, what an index serves and what the proxy does itself depend on it; of a range the lowest counts; the newest if not given |
| `--schema FILE`, `--collection NAME` | a context file (`docs/context.md`) with the fields, their types and scalar indexes |
| `--fail-on any`, `info`, `warning`, `critical` | exit with 1 if anything costly, or something at least that severe, is found |
| `--format json` | one object: `filters` holds `filter`, `line`, `pattern`, `error`, `normalised`, `costly`, `rewritten`, `selects`, `steps`, `template` each |

Exit codes: 0 nothing to object to, 1 `--fail-on` found something, 2 a wrong option or context file, 3 an expression cannot be read
(also when others could: a check must not pass over it), 70 a bug.

A rewritten filter selects the same rows also where fields are NULL, where JSON paths are missing or hold another type, and where
arrays are short. `slowq/filters/evaluate.py` says what a filter means; tests compare both sides on more than 100,000 random pairs of
filter and row. A name that the schema does not hold may be a dynamic field with values of any type, and is treated so."""  # noqa: E501


def page() -> str:
    return "\n".join([_NOTE, "", "# slowq filter", "", _INTRODUCTION, *_lints(), *_rewrites()]) + "\n"


def _lints() -> Iterator[str]:
    yield from ("", "## What it finds", "", "| lint | severity | |", "|---|---|---|")
    for one in LINTS:
        yield f"| `{one.name}` | {one.severity} | {one.about} |"


def _rewrites() -> Iterator[str]:
    yield from (
        "",
        "## What it rewrites",
        "",
        "| rewrite | | why | holds on | done by the proxy itself |",
        "|---|---|---|---|---|",
    )
    for one in (*REWRITES, *FINAL_REWRITES):
        yield f"| `{one.name}` | {one.about} | {one.because} | {one.holds} | {_proxy(one)} |"


def _proxy(one: Rewrite) -> str:
    return f"from {'.'.join(map(str, one.proxy_from))}" if one.proxy_from else ""


def example() -> str:
    """The block of the README: the command, and what it prints in a pipe."""
    arguments = shlex.split(COMMAND)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "slowq", *arguments],
        cwd=ROOT / "tests" / "data" / "filter",
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    return f"```\n$ {COMMAND}\n{done.stdout.rstrip()}\n```\n"


def rewrite_files() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    written = example()
    block = re.compile(r"```\n\$ slowq filter .*?\n```\n", re.DOTALL)
    readme.write_text(block.sub(lambda _: written, text), encoding="utf-8")
