"""The pages of docs/rules/, drawn from the rules themselves; `python -m tests.docs` rewrites them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from slowq.findings import CAUSES, Remedy
from slowq.rule import Rule
from slowq.rules import ALL, by_id
from tests import filter_docs

FOLDER = Path(__file__).parents[1] / "docs" / "rules"
_NOTE = "<!-- Written by `python -m tests.docs` from slowq/rules/{source}; change it there. -->"


def pages() -> Iterator[tuple[str, str]]:
    """File name → text."""
    yield "README.md", _index()
    for rule in ALL:
        yield f"{rule.about.id}.md", "\n".join(_page(rule)) + "\n"


def _index() -> str:
    lines = [
        _NOTE.format(source=""),
        "",
        "# What slowq looks for",
        "",
        "A rule answers *fired*, *clear* (it had what it needed, and it is not so), *skipped* (it could not judge, and says what",
        "would let it) or *broken* (a bug). `slowq explain RULE` prints the same pages.",
        "",
        "| cause | rule | in the user's words |",
        "|---|---|---|",
    ]
    for cause, names in CAUSES.items():
        lines += [f"| `{cause}` | [`{name}`]({name}.md) | {_cell(by_id(name).about.title)} |" for name in names]
    return "\n".join(lines) + "\n"


def _page(rule: Rule) -> Iterator[str]:
    about = rule.about
    yield from (_NOTE.format(source=f"{about.id}.py"), "", f"# {about.id}", "")
    yield f"{_prose(about.title)} It belongs to the class `{about.cause}`."
    yield from _documentation(rule)
    yield from _thresholds(rule)
    yield from ("", "## What it needs", "")
    yield from (
        f"- {_prose(need.what[:1].upper() + need.what[1:])}. {_prose(need.how_to_supply)}" for need in about.needs
    )
    yield from ("", "## What to do")
    for number, remedy in enumerate(about.remedies, 1):
        yield from _remedy(number, remedy.filled({}))


def _documentation(rule: Rule) -> Iterator[str]:
    """The sections of the rule's docstring, but for its first line, which is the title."""
    text = inspect.cleandoc(sys.modules[type(rule).__module__].__doc__ or "")
    for block in text.split("\n\n")[1:]:
        lines = block.split("\n")
        yield ""
        if not lines[0].startswith(" "):
            yield from (f"## {lines.pop(0)}", "")
        yield _prose(" ".join(line.strip() for line in lines))


def _thresholds(rule: Rule) -> Iterator[str]:
    numbers = [one for one in dataclasses.fields(cast(Any, rule)) if "meaning" in one.metadata]
    if numbers:
        yield from ("", "## Thresholds", "", "| threshold | default | meaning |", "|---|---|---|")
    for one in numbers:
        yield f"| `{one.name}` | {getattr(rule, one.name):,g} | {_cell(one.metadata['meaning'])} |"


def _remedy(number: int, remedy: Remedy) -> Iterator[str]:
    yield from ("", f"### {number}. {_prose(remedy.do)}", "")
    yield f"- *Because:* {_prose(remedy.because)}"
    yield f"- *Cost:* {_prose(remedy.cost)}"
    yield f"- *Verify:* {_prose(remedy.verify)}"
    if bounds := _versions(remedy):
        yield f"- *Versions:* {bounds}"
    if remedy.snippet:
        yield from ("", "```yaml" if remedy.snippet.startswith("# milvus.yaml\n") else "```python")
        yield from (remedy.snippet.rstrip("\n"), "```")


def _versions(remedy: Remedy) -> str:
    since, before = (".".join(map(str, one)) if one else "" for one in (remedy.since, remedy.before))
    words = [f"from {since}"] * bool(since) + [f"before {before}"] * bool(before)
    return "Milvus " + " and ".join(words) + "." if words else ""


_CODE = re.compile(r"(`[^`]*`)")
# What Markdown would take for markup: placeholders in angle brackets, brackets, stars, underscores at a word's edge.
_MARKUP = re.compile(r"([<*\[\]]|(?<!\w)_|_(?!\w))")


def _prose(text: str) -> str:
    """Text with its markup escaped, but not within backticks."""
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in parts)


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for left in {path.name for path in FOLDER.glob("*.md")} - {name for name, _ in pages()}:
        (FOLDER / left).unlink()
    for name, text in pages():
        (FOLDER / name).write_text(text, encoding="utf-8")
    filter_docs.rewrite_files()
