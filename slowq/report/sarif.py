"""SARIF 2.1.0, for GitHub code scanning and other readers.

Results are the findings and what the policy failed on. GitHub takes at most 25,000 results of which it shows 5,000, 100
locations a result, and 20 tags a rule; a report stays far below. An alert is recognised in the next run by its partial
fingerprint, which is made of the rule and the patterns to blame and of nothing that moves.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from slowq import rules
from slowq.findings import cause_of
from slowq.policy import Judgement, Line
from slowq.report import ci
from slowq.report import text as say
from slowq.report.text import Document, words

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_LOCATIONS = 10
MOST_TEXT = 1000
_LEVELS = {"critical": "error", "warning": "warning", "info": "note"}
_POLICY = "policy"


def render(document: Document, judgement: Judgement) -> dict[str, Any]:
    """One run, ready for `json.dumps`."""
    results = [_of_finding(one) for one in say.findings(document)] + [_of_line(one) for one in judgement.failed]
    named = list(dict.fromkeys(str(one["ruleId"]) for one in results))
    causes = {one["sub_cause"]: one["cause"] for one in document["findings"]}
    for one in results:
        one["ruleIndex"] = named.index(str(one["ruleId"]))
    driver = {"name": "slowq", "version": str(document["slowq"]), "rules": [_rule(name, causes) for name in named]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": "slowq/"},
                "originalUriBaseIds": {"SRCROOT": {"description": {"text": "the root of the checkout"}}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _rule(name: str, causes: Mapping[str, str]) -> dict[str, Any]:
    if name == _POLICY:
        says = "The report does not keep to the policy of slowq check."
        return {"id": name, "shortDescription": {"text": says}, "help": {"text": says}}
    tags = {"tags": ["performance", words(causes[name])]}
    if cause_of(name) is None:  # a rule of the user's own, which need not be at hand for a saved report
        says = f"{words(name).capitalize()}, a rule of your own."
        return {"id": name, "shortDescription": {"text": says}, "help": {"text": says}, "properties": tags}
    rule = rules.by_id(name)
    page = inspect.cleandoc(sys.modules[type(rule).__module__].__doc__ or "")
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in name.split("_")),
        "shortDescription": {"text": rule.about.title},
        "fullDescription": {"text": rule.about.title},
        "help": {"text": page, "markdown": _markdown(page)},
        "properties": tags,
    }


def _markdown(page: str) -> str:
    """The rule's own documentation, its headings as such."""
    lines = page.splitlines()
    headings = {at for at, one in enumerate(lines) if one and not one.startswith(" ") and at and not lines[at - 1]}
    return "\n".join(f"### {one}" if at in headings else one.strip() for at, one in enumerate(lines))


def _of_finding(one: Mapping[str, Any]) -> dict[str, Any]:
    cites = [cite for item in one["evidence"] for cite in item["cites"] if "path" in cite]
    text = f"{one['summary']} {' '.join(item['says'] for item in one['evidence'])}"
    if one["remedies"]:
        text += f" Do: {one['remedies'][0]['do']}"
    return {
        "ruleId": one["sub_cause"],
        "level": _LEVELS[one["severity"]],
        "message": {"text": _cut(text)},
        "locations": _locations(cites),
        "partialFingerprints": {
            "slowq/v1": ci.fingerprint(one["sub_cause"], *sorted(one["culprits"] or one["victims"]))
        },
        "properties": {"confidence": one["confidence"], "explains_share": one["explains_share"]},
    }


def _of_line(one: Line) -> dict[str, Any]:
    return {
        "ruleId": _POLICY,
        "level": "error",
        "message": {"text": _cut(f"{one.id}: {one.says}")},
        "locations": _locations(one.cites),
        "partialFingerprints": {"slowq/v1": ci.fingerprint(_POLICY, one.id, one.pattern or "")},
    }


def _cut(text: str) -> str:
    said = ci.line(text)
    return said if len(said) <= MOST_TEXT else said[: MOST_TEXT - 1] + "…"


def _locations(cites: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    places = dict.fromkeys(ci.file_and_line(cite) for cite in cites if "path" in cite)
    return [
        {
            "physicalLocation": {
                "artifactLocation": _artifact(path),
                "region": {"startLine": line},
            }
        }
        for path, line in list(places)[:MOST_LOCATIONS]
    ]


def _artifact(path: str) -> dict[str, str]:
    """A relative path is one of the checkout."""
    uri = {"uri": quote(path, errors="backslashreplace")}
    return uri if path.startswith("/") else {**uri, "uriBaseId": "SRCROOT"}
