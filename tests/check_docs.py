"""`docs/check.md` as the declarations of `slowq.config` say it; `python -m tests.check_docs` rewrites it."""

from __future__ import annotations

from pathlib import Path

from slowq.config import KEYS

PATH = Path(__file__).parents[1] / "docs" / "check.md"

HEAD = """\
<!-- Written by `python -m tests.check_docs` from slowq/config.py: change it there. -->
# slowq check and slowq.toml

`slowq check PATH…` reads logs, or a report that `slowq analyze --format json` wrote, and judges them.
`slowq.toml` of the current folder is in force, or the file of `--policy`; a flag stands before the file.
`slowq config show` prints what is in force and where it comes from, `slowq config schema` a JSON schema for
editors.

```toml
[check]
max_p99 = "2s"
fail_on = ["critical", "large_nq"]
baseline = "slowq-baseline.json"

[check.collections.products]
max_p99 = "500ms"

[check.patterns.p0123456789ab]
max_count = 10

[[check.allow]]
cause = "compaction"
owner = "storage team"
reason = "nightly compaction until the new cluster is there"
until = 2026-12-31
```

The exit code is 0 when all is kept, 1 when something failed, 2 when the command line or the file is wrong, 3
when the input is not usable or less of it was understood than `min_coverage`, 4 when nothing failed but the
Prometheus that was asked for could not be used, 70 on a bug in slowq. An
allowance whose last day has passed fails, with its owner.

With a baseline, limits and causes are held against the patterns that are new or worse alone.
`--update-baseline` drops what is gone and lowers numbers, and never takes in what is new or worse; with
`--accept-new` it does, and what it takes in does not fail.

| output | flag |
|---|---|
| SARIF 2.1.0, findings and failures, with stable fingerprints | `--sarif FILE` |
| JUnit XML, a test case for each thing that is asked | `--junit FILE` |
| GitHub annotations (ten at most) and job summary | `--github` |
| GitLab code quality | `--gitlab FILE` |
| the report with the judgement, as JSON; the report as Markdown | `--json FILE`, `--markdown FILE` |

## Keys
"""
_TABLES = {"*": "NAME"}


def text() -> str:
    parts = [HEAD]
    for table, keys in KEYS.items():
        name = ".".join(_TABLES.get(step, step) for step in table.split("."))
        title = f"[[{name[:-2]}]]" if name.endswith("[]") else f"[{name}]"
        parts.append(f"\n### `{title}`\n\n| key | is | what for | if not given |\n|---|---|---|---|\n")
        for key, one in keys.items():
            default = "" if one.default in (None, ()) else f"`{one.default}`"
            parts.append(f"| `{key}` | {one.kind.expected} | {one.says} | {default} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
