"""How often slowq is right: on incidents recorded on a real Milvus, on public reports, and on evidence made worse.

    python -m bench.accuracy.run [--write] [--quick] [--json FILE] [--verbose]

A few minutes on two cores. `--write` puts the figures into `bench/accuracy/results.json`, the tables into the README and
the plot into `docs/`; without it, they are printed. README.md beside this file says what the parts and figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.accuracy import baselines, reliability, tables
from bench.accuracy.ask import ask_all
from bench.accuracy.cases import HERE, MORE_REPORTS, REPORTS, SECOND_READINGS, Case, find, find_scenarios
from bench.accuracy.conditions import CONDITIONS
from bench.accuracy.scores import Row, baseline, by_cause, confusion, figures, rows

ROOT = HERE.parents[1]
RESULTS = HERE / "results.json"
README = ROOT / "README.md"
PLOT = ROOT / "docs" / "reliability.svg"

EVERYTHING = "everything"
HELD_OUT, TUNED_ON = "recorded, held out", "recorded, tuned on"
OF_REPORTS = {
    REPORTS: "public reports",
    MORE_REPORTS: "more public reports",
    SECOND_READINGS: "some of them, read by others",
}
ON_THE_ENGINE = "made on the bundled engine"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    cases, made = (
        [case for case in some if not options.only or case.id in options.only] for some in (find(), find_scenarios())
    )
    asked = [EVERYTHING] if options.quick else list(CONDITIONS)
    judged = rows(ask_all(cases, asked, options.jobs))
    on_engine = rows(ask_all(made, [EVERYTHING], options.jobs))
    for row in (*judged, *on_engine):
        if options.verbose or row.error or (row.condition == EVERYTHING and not row.judged.fair):
            _say(row)
    results = measure(cases, judged) | {"scenarios": measure_scenarios(on_engine)}
    text = readme(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write(results)
    else:
        print(text)
    return 1 if any(row.error for row in (*judged, *on_engine)) else 0


def group(case: Case) -> str:
    if case.origin == "scenario":
        return ON_THE_ENGINE
    if case.folder.parent in OF_REPORTS:
        return OF_REPORTS[case.folder.parent]
    return HELD_OUT if case.part == "held_out" else TUNED_ON


def measure(cases: Sequence[Case], judged: Sequence[Row]) -> dict[str, Any]:
    """All the figures, as they go into results.json."""
    every = (HELD_OUT, TUNED_ON, *OF_REPORTS.values())
    names = [name for name in every if any(group(case) == name for case in cases)]
    whole = [row for row in judged if row.condition == EVERYTHING]
    parts = {name: [row for row in whole if group(row.case) == name] for name in names}
    recorded = [name for name in names if name in (HELD_OUT, TUNED_ON)]
    conditions = dict.fromkeys(row.condition for row in judged)
    beaten = {name: _baselines([one for one in cases if group(one) == name]) for name in recorded}
    return {
        "cases": {name: len(some) for name, some in parts.items()},
        "parts": {name: figures(some) for name, some in parts.items()},
        "conditions": {
            name: {
                one: figures([row for row in judged if row.condition == one and group(row.case) == name])
                for one in conditions
            }
            for name in recorded
        },
        "baselines": {name: {one: figures(some) for one, some in found.items()} for name, found in beaten.items()},
        "by_cause": {name: by_cause(some) for name, some in parts.items()},
        "confusion": {name: confusion(some) for name, some in parts.items()},
        "reliability": {
            name: [asdict(one) | {"came_true": one.came_true, "holds": one.holds} for one in reliability.bins(some)]
            for name, some in _for_confidence(judged).items()
        },
        "answers": [_kept(row) for row in whole],
    }


def measure_scenarios(judged: Sequence[Row]) -> dict[str, Any]:
    """Apart from all others: who made these faults knew the rules."""
    parts = {
        "the catalogue's faults": [row for row in judged if row.case.truth.cause is not None],
        "their healthy bases": [row for row in judged if row.case.truth.cause is None],
    }
    return {
        "parts": {name: figures(some) for name, some in parts.items()},
        "confusion": confusion(judged),
        "answers": [_kept(row) for row in judged],
    }


def _baselines(cases: Sequence[Case]) -> dict[str, list[Row]]:
    # Also where only some cases were asked about; the causes of many more reports are not those of recordings.
    tune = [case for case in find() if case.part == "tune" and case.folder.parent != MORE_REPORTS]
    say = {
        "always the commonest cause": baselines.commonest(tune),
        "the metric with the largest z-score": baselines.largest_z,
        "a flat table of thresholds": baselines.thresholds,
    }
    return {name: baseline(cases, name, one) for name, one in say.items()}


def _for_confidence(judged: Sequence[Row]) -> dict[str, list[Row]]:
    """A confidence is stated under every condition, so each answer counts, whatever was given."""
    found: dict[str, list[Row]] = {"held out": [], "tuned on": []}
    for row in judged:
        found["held out" if row.case.part == "held_out" else "tuned on"].append(row)
    return found


def _kept(row: Row) -> dict[str, Any]:
    truth, verdict = row.case.truth, row.verdict
    return {
        "case": row.case.id,
        "group": group(row.case),
        "decidable": truth.decidable,
        "truth": [truth.cause, truth.sub_cause],
        "said": [verdict.get("outcome"), verdict.get("cause"), verdict.get("sub_cause")],
        "confidence": verdict.get("confidence"),
        "cause": row.judged.cause,
        "exact": row.judged.exact,
    }


def readme(results: dict[str, Any]) -> str:
    """The README's tables."""
    blocks = [tables.parts(results["parts"]), tables.undecidable(results["parts"])]
    if HELD_OUT in results["parts"]:
        beside = {name: results["baselines"][HELD_OUT][name] for name in results["baselines"][HELD_OUT]}
        blocks.append(tables.parts({"slowq": results["parts"][HELD_OUT], **beside}))
        blocks.append(tables.conditions(results["conditions"]))
        blocks.append(tables.causes(results["by_cause"][HELD_OUT]))
        blocks.append(tables.confusion(results["confusion"][HELD_OUT]))
    blocks.append(tables.reliability(results["reliability"]))
    if results["scenarios"]["answers"]:
        of_engine = {f"{ON_THE_ENGINE}: {name}": one for name, one in results["scenarios"]["parts"].items()}
        blocks.append(tables.parts(of_engine))
    return "\n\n".join(blocks)


def write(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    tables.write(README, readme(results))
    panels = [
        (part, [reliability.Bin(**_fields(one)) for one in some]) for part, some in results["reliability"].items()
    ]
    PLOT.write_text(reliability.drawing([one for one in panels if one[1]]), encoding="utf-8")


def _fields(one: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("low", "high", "n", "right", "stated")}


def _say(row: Row) -> None:
    truth, verdict = row.case.truth, row.verdict
    how = "right" if row.judged.exact else "cause" if row.judged.cause else "fair" if row.judged.fair else "WRONG"
    said = (verdict.get("sub_cause") or verdict.get("outcome") or "no answer", verdict.get("confidence"))
    print(f"{how:5}  {row.case.id:32} {row.condition:26} is {truth.sub_cause}, said {said} {row.error or ''}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write results.json, the README's tables and the plot")
    parser.add_argument("--quick", action="store_true", help="all the evidence only, not the other conditions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--verbose", action="store_true", help="a line for each answer, not for the wrong ones alone")
    parser.add_argument("--only", action="append", metavar="CASE", help="this case only; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
