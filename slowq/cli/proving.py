"""`--prove`: the first findings are reproduced before the report is written, and their remedies ordered by what they did."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from slowq.cli import messages
from slowq.errors import SlowqError

if TYPE_CHECKING:
    from slowq.facts import Context

BUDGET_S = 150.0
REMEDIES = 2  # of one finding, side by side in the same rounds
FINDINGS = 2


def prove(document: dict[str, Any], facts: Context | None, budget_s: float, seed: int = 1) -> None:
    """Puts receipts into the document. What could not be run is said, and changes nothing."""
    from slowq.cli.reproduce import known_of, require_engine
    from slowq.cli.reproduce import prove as run
    from slowq.repro.plan import plan
    from slowq.repro.run import Options

    require_engine()
    began = time.monotonic()
    for number, finding in enumerate(document["findings"][:FINDINGS], start=1):
        left = budget_s - (time.monotonic() - began)
        if number > 1 and left < budget_s / 2:
            messages.hint(f"{finding['sub_cause']} was not reproduced: the time is used up; see --prove-seconds")
            continue
        try:
            scenario = plan(document, number, known_of(document, number, facts))
            offered = {one["key"] for one in finding["remedies"]}
            chosen = sorted(scenario.remedies, key=lambda one: one.key not in offered)[:REMEDIES]
            receipts = run(scenario, chosen, Options(seconds=1.5, seed=seed, budget_s=left * 0.7))
        except SlowqError as error:
            messages.hint(f"{finding['sub_cause']} was not reproduced: {error.message}")
            continue
        attach(finding, receipts)


def attach(finding: dict[str, Any], receipts: list[dict[str, Any]]) -> None:
    """The receipts at the finding, each at its remedy; remedies that helped come first, those that did not last. One of a
    remedy that the finding does not offer says so, where the rule has it for other versions."""
    from slowq.rules import ALL

    offered = {one["key"] for one in finding["remedies"]}
    elsewhere = {one.key for rule in ALL if rule.about.id == finding["sub_cause"] for one in rule.about.remedies}
    for receipt in receipts:
        if receipt["remedy"] in elsewhere - offered:
            receipt["note"] = "not in this version of Milvus"
    finding["receipts"] = receipts
    by_key = {one["remedy"]: one for one in receipts}
    for remedy in finding["remedies"]:
        remedy["receipt"] = by_key.get(remedy["key"], remedy["receipt"])

    def rank(remedy: dict[str, Any]) -> tuple[int, float]:
        made = remedy["receipt"]
        if made is None or made["outcome"] == "could not reproduce":
            return (1, 0.0)
        return (0, -(made["impact"] or 0.0)) if made["outcome"] == "confirmed" else (2, 0.0)

    finding["remedies"].sort(key=rank)
