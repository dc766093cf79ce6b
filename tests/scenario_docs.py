"""The tables of docs/scenarios.md: what `slowq scenarios run` measured on the engine and on a real Milvus, kept in
docs/scenarios.json and docs/scenarios_milvus.json; and in short, of the engine's green ones, in slowq/repro/catalogue.json,
which is shipped.

slowq scenarios run json_filter large_nq --json > results.json
python -m tests.scenario_docs results.json …     takes these scenarios' results into all of them
python -m tests.scenario_docs                    writes the table again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import proven_catalogue

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "scenarios.md"
_HEAD = """\
| scenario | load | base p99 ms | with the fault | times | first finding | remedies | green |
|---|---|--:|--:|--:|---|---|---|"""


@dataclass(frozen=True)
class Table:
    """One of the page, between its marks, and the file of what it shows."""

    file: Path
    begin: str
    end: str

    def kept(self) -> dict[str, dict[str, Any]]:
        """By scenario, in the order of their names."""
        found: dict[str, dict[str, Any]] = json.loads(self.file.read_text(encoding="utf-8"))
        return found

    def placed(self, page: str, text: str) -> str:
        """The page with this between the marks."""
        before, _, rest = page.partition(self.begin)
        _, found, after = rest.partition(self.end)
        if not found:
            raise ValueError(f"the page has no {self.begin!r} … {self.end!r}")
        return f"{before}{self.begin}\n\n{text}\n\n{self.end}{after}"


ENGINE = Table(
    DOCS / "scenarios.json",
    "<!-- measured: written by `python -m tests.scenario_docs` -->",
    "<!-- end of what was measured -->",
)
MILVUS = Table(
    DOCS / "scenarios_milvus.json",
    "<!-- measured on Milvus: written by `python -m tests.scenario_docs` -->",
    "<!-- end of what was measured on Milvus -->",
)


def table_of(result: Mapping[str, Any]) -> Table:
    """Where one result of `slowq scenarios run --json` belongs."""
    return ENGINE if proven_catalogue.is_of_engine(result) else MILVUS


def short(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the page keeps of one result of `slowq scenarios run --json`."""
    first, last = result["load"]
    return {
        "load": f"{min(first, last):.1f} to {max(first, last):.1f}",
        "base_p99_ms": round(result["base_p99_s"] * 1e3, 1),
        "fault_p99_ms": round(result["fault_p99_s"] * 1e3, 1),
        "times": round(result["fault_times"], 1),
        "first": result["first"],
        "remedies": [
            {
                "key": one["remedy"],
                "outcome": one["outcome"],
                "times_base": None if one["against_base"] is None else round(one["against_base"], 2),
                "recall": None if one["after"]["recall"] is None else round(one["after"]["recall"], 3),
            }
            for one in result["receipts"]
        ],
        "green": result["green"],
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    return "\n".join([_HEAD, *(_row(name, one) for name, one in sorted(results.items()))])


def _row(name: str, one: Mapping[str, Any]) -> str:
    cells = (
        name,
        one["load"],
        f"{one['base_p99_ms']:.1f}",
        f"{one['fault_p99_ms']:.1f}",
        f"{one['times']:.1f}",
        one["first"] or "none",
        "; ".join(map(_remedy, one["remedies"])),
        "yes" if one["green"] else "no",
    )
    return "| " + " | ".join(cells) + " |"


def _remedy(one: Mapping[str, Any]) -> str:
    times = "" if one["times_base"] is None else f", {one['times_base']:.2f} times the base"
    recall = "" if one["recall"] is None else f", recall {one['recall']:.2f}"
    return f"{one['key']}: {one['outcome']}{times}{recall}"


def main(files: Sequence[str]) -> None:
    results = {one: one.kept() for one in (ENGINE, MILVUS)}
    for file in files:
        for one in json.loads(Path(file).read_text(encoding="utf-8")):
            if "receipts" not in one:
                sys.exit(f"{file}: {one['scenario']} was not measured: {one.get('trouble') or one.get('skipped')}")
            results[table_of(one)][one["scenario"]] = short(one)
    page = PAGE.read_text(encoding="utf-8")
    for where, found in results.items():
        where.file.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", encoding="utf-8")
        page = where.placed(page, table(found))
    PAGE.write_text(page, encoding="utf-8")
    proven_catalogue.main(files)


if __name__ == "__main__":
    main(sys.argv[1:])
