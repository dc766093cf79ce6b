"""GitLab's code quality report: a JSON list of issues, each with a fingerprint that is the same in the next run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slowq.policy import Judgement
from slowq.report import ci
from slowq.report import text as say
from slowq.report.text import Document

_SEVERITIES = {"critical": "critical", "warning": "major", "info": "info"}


def render(document: Document, judgement: Judgement) -> list[dict[str, Any]]:
    """Findings and failures that a file and a line can be given of; GitLab shows no others."""
    issues = []
    for one in say.findings(document):
        cites = [cite for item in one["evidence"] for cite in item["cites"] if "path" in cite]
        blamed = sorted(one["culprits"] or one["victims"])
        issues.append(_issue(one["sub_cause"], one["summary"], _SEVERITIES[one["severity"]], cites, blamed))
    for line in judgement.failed:
        cites = [cite for cite in line.cites if "path" in cite]
        issues.append(_issue(line.id, line.says, "blocker", cites, [line.pattern or ""]))
    return [one for one in issues if one]


def _issue(
    name: str, text: str, severity: str, cites: list[Mapping[str, Any]], blamed: list[str]
) -> dict[str, Any] | None:
    if not cites:
        return None
    path, line = ci.file_and_line(cites[0])
    return {
        "check_name": ci.line(name),
        "description": ci.line(text),
        "severity": severity,
        "fingerprint": ci.fingerprint(name, *blamed),
        "location": {"path": path, "lines": {"begin": line}},
    }
