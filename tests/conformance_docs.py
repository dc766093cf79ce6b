"""`docs/engine-conformance.md` as the table of calls says it; `python -m tests.conformance_docs` rewrites it."""

from __future__ import annotations

from pathlib import Path

from tests.engine.conformance.case import Case
from tests.engine.conformance.table import EVERY, TABLE

PATH = Path(__file__).parents[1] / "docs" / "engine-conformance.md"

HEAD = """\
<!-- Written by `python -m tests.conformance_docs` from tests/engine/conformance: change it there. -->
# The reference engine beside Milvus

One table of calls of pymilvus is made against the engine by the installed pymilvus and by pymilvus 2.3.7, and by the
latter against a real Milvus 2.3.5, whose answers are recorded in `tests/engine/conformance/recorded.json`. Ids, scores
(to four digits), fields and the rows that a filter selects have to be the same; of an error the code. 2.3.5 has several
codes (1, 65535) for a bad request, where the engine has 1100 of later versions; these count as the same.

- *same*: the engine answers as Milvus 2.3.5 did.
- *only newer*: 2.3.5 or its client does not have the call; the answer is what the documentation and rules of later
  versions give, and no server was there to say it.
- All else is a difference, with its reason. The engine has the rules of Milvus 2.6 there.

"""


def text() -> str:
    same = sum(one.is_recorded for one in EVERY)
    differing = sum(bool(one.differs) for one in EVERY)
    counts = f"{len(EVERY)} calls: {same} same, {differing} different, {len(EVERY) - same - differing} only newer.\n"
    parts = [HEAD, counts]
    for area, cases in TABLE.items():
        parts.append(f"\n## {area}\n\n| call | pymilvus | beside Milvus 2.3.5 |\n|---|---|---|\n")
        parts += [f"| {_cell(one.name)} | {_clients(one)} | {_verdict(one)} |\n" for one in cases]
    return "".join(parts)


def _cell(name: str) -> str:
    return name.replace("|", "\\|").replace("``", "an empty text")


def _clients(one: Case) -> str:
    return "2.3, 2.6, 3.0" if one.client == (2, 3) else "2.6, 3.0"


def _verdict(one: Case) -> str:
    return one.differs or ("same" if one.is_recorded else "only newer")


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
