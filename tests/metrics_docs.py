"""`docs/metrics.md` as the catalogue says it; `python -m tests.metrics_docs` rewrites it."""

from __future__ import annotations

from pathlib import Path

from slowq.metrics.catalogue import LEFT_OUT, QUANTITIES, Source

PATH = Path(__file__).parents[1] / "docs" / "metrics.md"

HEAD = """\
<!-- Written by `python -m tests.metrics_docs` from slowq/metrics/catalogue/: change it there. -->
# Metrics

`--prometheus URL` works with Prometheus, VictoriaMetrics, and Thanos or Mimir under their path prefix. Series are asked for as
they are stored; rates are made by slowq, which sees restarts and gaps. A query that is refused as too expensive is asked again
for each half of the time. What could not be had is named in the report, and a missing metric is unknown, never zero.

| environment | |
|---|---|
| `SLOWQ_PROMETHEUS_URL` | the server, where `--prometheus` names none |
| `SLOWQ_PROMETHEUS_TOKEN`, `SLOWQ_PROMETHEUS_TOKEN_FILE` | a bearer token, or the file that holds it |
| `SLOWQ_PROMETHEUS_USER`, `SLOWQ_PROMETHEUS_PASSWORD`, `SLOWQ_PROMETHEUS_PASSWORD_FILE` | basic authentication |
| `SLOWQ_PROMETHEUS_CA` | certificates to trust |
| `SLOWQ_PROMETHEUS_CERT`, `SLOWQ_PROMETHEUS_KEY` | the client's certificate and key, for mTLS |

None of them is ever shown; a URL with a password in it is refused.

## What is read as what

A quantity is what slowq speaks of. Its sources are tried in order, and the first that has a series is used. Phases that
have no metric are derived, and marked so: the wait of a search on the query node that no metric of searches shows, and
before 2.4.7 the filter. Nodes are told apart wherever several are measured; collections only in whole searches and, from
2.6.15, in requeries, since no metric of a query node's phases names one.

A p99 is that of Prometheus' `histogram_quantile`. Where it lies in the last bucket of its histogram, which has no end, only the
bound below is known: reports say *over 2 m 11 s*, and the JSON has `p99_at_least: true` beside that `p99_s`.

| quantity | is | unit | metric | versions |
|---|---|---|---|---|
"""

TAIL = """
## What is not asked for

Other metrics of Milvus tell nothing of slow searches that these do not. A name that ends in `*` stands for all that begin so.

| metric | why |
|---|---|
"""


def text() -> str:
    rows = []
    for one in QUANTITIES:
        sources = "<br>".join(f"`{source.text}`".replace("|", "\\|") for source in one.sources)
        versions = "<br>".join(_versions(source) for source in one.sources)
        rows.append(f"| {one.name} | {one.says} | {one.unit} | {sources} | {versions} |\n")
    left_out = [f"| {', '.join(f'`{name}`' for name in names)} | {why} |\n" for names, why in LEFT_OUT]
    return HEAD + "".join(rows) + TAIL + "".join(left_out)


def _versions(source: Source) -> str:
    since, before = (".".join(map(str, version)) if version else "" for version in (source.since, source.before))
    return f"{since or '2.2'} to {before}" if before else f"from {since or '2.2'}"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
