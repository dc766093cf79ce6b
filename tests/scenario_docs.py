"""The table of docs/scenarios.md: what `slowq scenarios run` measured, kept in docs/scenarios.json; and in short, of the
green ones, in slowq/repro/catalogue.json, which is shipped.

slowq scenarios run json_filter large_nq --json > results.json
python -m tests.scenario_docs results.json …     takes these scenarios' results into all of them
python -m tests.scenario_docs                    writes the table again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import proven_catalogue

DOCS = Path(__file__).parents[1] / "docs"
PAGE, KEPT = DOCS / "scenarios.md", DOCS / "scenarios.json"
BEGIN, END = "<!-- measured: written by `python -m tests.scenario_docs` -->", "<!-- end of what was measured -->"
_HEAD = """\
| scenario | load | base p99 ms | with the fault | times | first finding | remedies | green |
|---|---|--:|--:|--:|---|---|---|"""


def kept() -> dict[str, dict[str, Any]]:
    """By scenario, in the order of their names."""
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


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


def placed(page: str, text: str) -> str:
    """The page with this between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the page has no {BEGIN!r} … {END!r}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(files: Sequence[str]) -> None:
    results = kept()
    for file in files:
        for one in json.loads(Path(file).read_text(encoding="utf-8")):
            if "receipts" not in one:
                sys.exit(f"{file}: {one['scenario']} was not measured: {one.get('trouble') or one.get('skipped')}")
            results[one["scenario"]] = short(one)
    KEPT.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(placed(PAGE.read_text(encoding="utf-8"), table(results)), encoding="utf-8")
    proven_catalogue.main(files)


if __name__ == "__main__":
    main(sys.argv[1:])
