"""Documents as `slowq analyze --format json` writes them, one for each thing that a report must be able to say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

Document = dict[str, Any]

_LOG = "sample_logs/json_filter/logs/standalone.log.gz"
_BY_SOURCE_LINE = "the slow log's source line proxy/impl.go:2578, which only 2.3.5 has"


def took(*seconds: float) -> dict[str, float | None]:
    """The contract's `duration_s` of these durations."""
    names = ("min", "p50", "p90", "p95", "p99", "max")
    if not seconds:
        return dict.fromkeys((*names, "sum"))
    ordered = sorted(seconds)
    shares = (0, 0.5, 0.9, 0.95, 0.99, 1)
    values = {name: ordered[round((len(ordered) - 1) * at)] for name, at in zip(names, shares, strict=True)}
    return {**values, "sum": sum(ordered)}


def remedy(do: str, because: str, cost: str, verify: str, snippet: str = "", **more: Any) -> dict[str, Any]:
    texts = {"do": do, "because": because, "cost": cost, "verify": verify, "snippet": snippet}
    return {"key": "the_remedy", **texts, "receipt": None, **more}


def evidence(says: str, *cites: tuple[str, int]) -> dict[str, Any]:
    return {"says": says, "value": None, "threshold": None, "cites": [{"path": p, "line": n} for p, n in cites]}


def pattern(name: str, filtered: str | None, durations: list[float], **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "kind": "search",
        "database": "default",
        "collection": "catalog_hnsw",
        "filter": filtered,
        "shape": filtered or "",
        "count": len(durations),
        "duration_s": took(*durations),
        "example": {"path": _LOG, "line": 812, "trace_id": "c372deeec2de8b8bc8f08102a9315946"},
        **more,
    }


def skipped(how: str, needs: str, **rules: str) -> list[dict[str, Any]]:
    """Rules (sub_cause=cause) that lack the same thing."""
    return [{"cause": c, "sub_cause": s, "needs": [needs], "how_to_supply": how} for s, c in rules.items()]


def ruled_out(**rules: tuple[str, str]) -> list[dict[str, str]]:
    """sub_cause=(cause, because)."""
    return [{"cause": cause, "sub_cause": sub, "because": why} for sub, (cause, why) in rules.items()]


def series(start: str, step_s: float, slowest: list[float | None], threshold_s: float = 5.0) -> dict[str, Any]:
    begin = datetime.fromisoformat(start)
    buckets = [
        {
            "at": (begin + timedelta(seconds=step_s * at)).isoformat(),
            "count": 0 if worst is None else 3,
            "max_s": worst,
            "p50_s": worst and worst * 0.6,
        }
        for at, worst in enumerate(slowest)
    ]
    return {"step_s": step_s, "start": start, "buckets": buckets, "threshold_s": threshold_s}


def coverage(slow: int, other: int, *, unrecognised: int = 0, malformed: int = 0) -> dict[str, Any]:
    lines = slow + other + unrecognised + malformed
    return {
        "lines": lines,
        "slow_requests": slow,
        "other_milvus_lines": other,
        "continuation_lines": 0,
        "unrecognised_lines": unrecognised,
        "malformed_slow_lines": malformed,
        "share_understood": 1 - (unrecognised + malformed) / lines if lines else None,
        "malformed": [],
        "first_unrecognised": [],
    }


def document(**given: Any) -> Document:
    """A document in which nothing was slow, but for what is given."""
    empty: Document = {
        "schema": 1,
        "slowq": "0.1.0",
        "inputs": [{"path": _LOG, "format": "gzip/milvus-text", "compressed_bytes": 9, "bytes": 99, "lines": 412}],
        "coverage": coverage(0, 412),
        "window": {"start": None, "end": None},
        "onset": None,
        "milvus": {"version": None, "deployment": None, "source": None},
        "requests": {"count": 0, "by_kind": {}, "duration_s": took(), "nq": took()},
        "patterns": [],
        "phases": None,
        "findings": [],
        "ruled_out": [],
        "skipped": [],
        "broken": [],
        "blind_spots": [],
        "series": None,
        "events": [],
        "verdict": {
            "outcome": "nothing_slow",
            "cause": None,
            "sub_cause": None,
            "confidence": None,
            "summary": "No request took longer than the slow threshold of 5 s.",
        },
    }
    return {**empty, **given}


def since(at: str, deeds: list[tuple[str, str, int]], *latency_s: float) -> dict[str, Any]:
    """When it began, by the latency before and after or else by the log."""
    before, after = latency_s or (None, None)
    return {
        "at": at,
        "known_from": "2026-11-21T04:50:00.000Z",
        "source": "metrics" if latency_s else "log",
        "latency_before_s": before,
        "latency_after_s": after,
        "just_before": [{"at": at, "what": what, "count": count} for at, what, count in deeds],
    }


_METRICS = "add --metrics FILE, or --prometheus URL"
_CONTEXT = "add --context FILE (slowq context --uri http://milvus:19530 writes it)"


def large_nq() -> Document:
    log = "sample_logs/large_nq/logs/standalone.log"
    found = {
        "rule": "large_nq",
        "cause": "heavy_workload",
        "sub_cause": "large_nq",
        "severity": "critical",
        "confidence": 0.93,
        "explains_s": 88.278,
        "explains_share": 1.0,
        "subject": "catalog_hnsw",
        "culprits": ["p-1f0c"],
        "victims": ["p-77aa"],
        "summary": "One search of catalog_hnsw carries 16,000 query vectors and held the query node for 49.6 s; a "
        "single-vector search waited 38.7 s behind it.",
        "evidence": [
            evidence("A search with nq=16000 took 49.6 s: 3.1 ms for each of its vectors.", (log, 1204)),
            evidence("A search with nq=1 took 38.7 s, all of it while the large one ran.", (log, 1177)),
            {
                "says": "Requests waited in the query node's queue for up to 38.2 s.",
                "value": 38.2,
                "threshold": 1.0,
                "cites": [
                    {
                        "metric": "milvus_querynode_sq_queue_latency",
                        "window": ["2026-11-21T04:55:14Z", "2026-11-21T04:56:04Z"],
                    }
                ],
            },
        ],
        "remedies": [
            remedy(
                "Send the 16,000 vectors in batches of 100.",
                "the node then takes other requests between the batches, and each batch ends in about 310 ms",
                "more round trips: about 5 % more time in total for the batch job",
                'the slow log shows no nq over 100, and rate(milvus_proxy_slow_query_count{db="default"}[5m]) is 0',
                "for at in range(0, len(vectors), 100):\n"
                "    hits += client.search('catalog_hnsw', vectors[at : at + 100], limit=500)",
                receipt={"before": {"p99_s": 71.5}, "after": {"p99_s": 0.41}, "on": "the reference engine"},
            ),
            remedy(
                "Cap it at the proxy: quotaAndLimits.limits.maxNQ = 1000.",
                "one client cannot hold the node again",
                "larger requests are refused with an error",
                "a search with nq=2000 is refused",
            ),
        ],
    }
    return document(
        inputs=[{"path": log, "format": "milvus-text", "compressed_bytes": None, "bytes": 9_100_200, "lines": 48_210}],
        coverage=coverage(2, 48_208),
        window={"start": "2026-11-21T04:55:14.450000Z", "end": "2026-11-21T04:56:04.036000Z"},
        onset=since("2026-11-21T04:55:14.450Z", [("2026-11-21T04:55:03.000Z", "release", 1)], 0.018, 44.1),
        milvus={"version": "2.3.5", "deployment": "standalone", "source": _BY_SOURCE_LINE},
        requests={"count": 2, "by_kind": {"search": 2}, "duration_s": took(49.582, 38.696), "nq": took(1, 16000)},
        patterns=[pattern("p-1f0c", "", [49.582]), pattern("p-77aa", "", [38.696])],
        phases={
            "queue": {"mean_s": 19.1, "p99_s": 38.2, "share": 0.43},
            "vector_search": {"mean_s": 24.8, "p99_s": 49.1, "share": 0.56},
            "reduce": {"mean_s": 0.2, "p99_s": 0.4, "share": 0.005},
        },
        findings=[found],
        ruled_out=ruled_out(
            high_concurrency=("heavy_workload", "never more than 2 requests ran at once"),
            consistency_wait=("inefficient_filter", "both requests are at Bounded or weaker"),
            json_filter=("inefficient_filter", "no request has a filter"),
        ),
        skipped=skipped(_CONTEXT, "the index of each field", brute_force="wrong_index", search_params="wrong_index"),
        blind_spots=["Milvus 2.3.5 logs only requests over 5 s; faster ones may be slow as well."],
        series=series("2026-11-21T04:55:14Z", 25.0, [38.696, 49.582]),
        verdict={
            "outcome": "diagnosed",
            "cause": "heavy_workload",
            "sub_cause": "large_nq",
            "confidence": 0.93,
            "summary": found["summary"],
        },
    )


def _long_filter(first: int, last: int) -> str:
    part = '(meta["a"]["b"] == {0} && meta["s"] == "s{0}" && json_contains(meta["t"], {0}))'
    return " || ".join(part.format(at) for at in range(first, last))


def _json_patterns() -> list[dict[str, Any]]:
    shapes = [
        pattern(
            "p-4b1d",
            '(meta["a"]["b"] == ? && meta["s"] == ? && json_contains(meta["t"], ?)) || … (40 like it)',
            [6.0 + 9.1 * math.sin(at * 0.37) ** 2 for at in range(231)],
        ),
        pattern("p-90ce", _long_filter(40, 54), [5.4 + at % 5 for at in range(38)]),
        pattern("p-0a77", "", [5.1 + at * 0.2 for at in range(14)]),
    ]
    small = [
        pattern(f"p-{at:04x}", f'meta["a"]["k{at}"] == ? && price < ?', [5.2 + at / 20, 5.9], kind=kind)
        for at, kind in zip(range(16), ["search", "query"] * 8, strict=True)
    ]
    hybrid = pattern("p-h1", "meta[?] LIKE ?", [7.2, 6.1, 5.0, 5.2], kind="hybrid_search", collection="articles")
    return sorted([*shapes, *small, hybrid], key=lambda one: -one["duration_s"]["sum"])


def _json_findings() -> list[dict[str, Any]]:
    main = {
        "rule": "json_filter",
        "cause": "inefficient_filter",
        "sub_cause": "json_filter",
        "severity": "critical",
        "confidence": 0.9,
        "explains_s": 2891.4,
        "explains_share": 0.92,
        "subject": "catalog_hnsw",
        "culprits": ["p-4b1d", "p-90ce"],
        "victims": ["p-0a77"],
        "summary": "Searches of catalog_hnsw filter on paths of the JSON field meta, which has no path index: Milvus "
        "parses the documents of all 400,000 rows for each request.",
        "evidence": [
            evidence(
                '269 of 319 slow requests filter on meta["a"]["b"], meta["s"] and meta["t"].',
                *[(_LOG, 812 + at * 17) for at in range(269)],
            ),
            evidence(
                "Requests of the same collection without that filter take 18 ms when none of these runs.", (_LOG, 95)
            ),
            evidence(
                "The scalar filter takes 96 % of the time of a search.",
                (_LOG, 840),
                ("sample_logs/json_filter/logs/querynode.log", 77),
            ),
            evidence("Milvus 2.3.5 has no JSON path index; it came with 2.5.11.", (_LOG, 3)),
        ],
        "remedies": [
            remedy(
                'Upgrade to Milvus 2.5.11 or later and build a path index on meta["a"]["b"].',
                "an index answers the predicate without opening a document",
                "an upgrade, then minutes of index building and about 20 MB of memory",
                "Scalar Filter Latency falls below 10 ms and the slow log stays empty for this pattern",
                "index = client.prepare_index_params()\n"
                "index.add_index('meta', index_type='INVERTED', index_name='meta_a_b',\n"
                "                params={'json_path': 'meta[\"a\"][\"b\"]', 'json_cast_type': 'double'})\n"
                "client.create_index('catalog_hnsw', index)",
            ),
            remedy(
                "Until then, keep b, s and t as columns of their own and index those.",
                "scalar columns are indexed in every version of Milvus",
                "a new collection, and the rows inserted again",
                "the same searches on the new collection, side by side, take less than 100 ms",
            ),
            remedy(
                "Write the forty alternatives as one IN list on an indexed column.",
                "one lookup instead of forty comparisons a row",
                "a change of the client",
                "slowq analyze on the next hour's log no longer lists p-4b1d",
            ),
        ],
    }
    chain = {
        **main,
        "rule": "complex_expression",
        "sub_cause": "complex_expression",
        "severity": "warning",
        "confidence": 0.7,
        "explains_s": 2410.0,
        "explains_share": 0.77,
        "summary": "The filters chain 40 alternatives with ||: 120 comparisons for each row.",
        "evidence": [evidence("A filter has 120 comparisons, 40 of them alternatives.", (_LOG, 812), (_LOG, 829))],
        "remedies": [remedy("Replace the OR chain by IN.", "one lookup", "a new client", "the filter is short")],
    }
    crowd = {
        **chain,
        "rule": "high_concurrency",
        "cause": "heavy_workload",
        "sub_cause": "high_concurrency",
        "severity": "info",
        "confidence": 0.35,
        "explains_s": 181.9,
        "explains_share": 0.058,
        "summary": "Up to 61 slow requests ran at once on a machine with 2 cores, so that each waited for the others; "
        "plain searches of the same collection were held up with them.",
        "evidence": [evidence("61 requests overlapped.", (_LOG, 2204))],
        "remedies": [remedy("Bound the number of requests in flight.", "less waiting", "none", "the queue is short")],
    }
    return [main, chain, crowd]


def json_filter() -> Document:
    patterns, findings = _json_patterns(), _json_findings()
    total = sum(one["duration_s"]["sum"] for one in patterns)
    busy = [None if at < 4 else 5 + 10.4 * math.sin(at / 11) ** 2 for at in range(88)]
    return document(
        coverage=_json_coverage(),
        window={"start": "2026-11-21T04:58:58.524000Z", "end": "2026-11-21T05:00:26.395000Z"},
        onset=since("2026-11-21T04:58:58.524Z", []),
        milvus={"version": "2.3.5", "deployment": "standalone", "source": _BY_SOURCE_LINE},
        requests={
            "count": 319,
            "by_kind": {"search": 299, "query": 16, "hybrid_search": 4},
            "duration_s": {**took(5.02, 8.24, 13.9, 14.6, 15.08, 15.4), "sum": total},
            "nq": took(1),
        },
        patterns=patterns,
        findings=findings,
        ruled_out=ruled_out(
            large_nq=("heavy_workload", "no request carries more than 1 query vector"),
            consistency_wait=("inefficient_filter", "all requests are at Bounded or weaker"),
            pattern_filter=("inefficient_filter", "4 of 319 filters use LIKE"),
            version_regression=("runtime_contention", "none is known for 2.3.5"),
            large_result=("heavy_workload", "top-k is at most 10"),
            search_fanout=("heavy_workload", "4 hybrid searches"),
            compaction=("runtime_contention", "none ran in the window"),
            index_build=("runtime_contention", "none ran while requests were slow"),
        ),
        skipped=[
            *skipped(
                _METRICS,
                "Prometheus metrics",
                cpu_saturation="runtime_contention",
                disk_saturation="runtime_contention",
                memory_pressure="runtime_contention",
                timetick_stall="dependency_stall",
                storage_stall="dependency_stall",
                cold_cache="wrong_index",
            ),
            *skipped(
                _CONTEXT,
                "the index of each field",
                brute_force="wrong_index",
                search_params="wrong_index",
                disk_bound_index="wrong_index",
                binary_vector_index="wrong_index",
            ),
        ],
        blind_spots=[
            "Milvus 2.3.5 logs only requests over 5 s; faster ones may be slow as well.",
            "Failed requests are not logged by this version.",
        ],
        series=series("2026-11-21T04:58:58Z", 1.0, busy),
        events=[
            _event("04:59:03", "load", "catalog_hnsw", "load of 4 segments done", 4, 120),
            _event("04:59:31", "flush", "catalog_hnsw", "segment sealed and flushed", 1, 9_204),
            _event("05:00:04", "compaction", "build 4551231", "plan of 3 segments finished", 2, 28_711),
        ],
        verdict={
            "outcome": "diagnosed",
            "cause": "inefficient_filter",
            "sub_cause": "json_filter",
            "confidence": 0.9,
            "summary": findings[0]["summary"],
        },
    )


def _json_coverage() -> dict[str, Any]:
    where = {"path": _LOG}
    return coverage(319, 40_911, unrecognised=3, malformed=2) | {
        "malformed": [
            {**where, "line": 1_877, "reason": "the duration is cut off", "excerpt": '["Search slow"] [durat'},
            {**where, "line": 40_120, "reason": "unbalanced quote", "excerpt": '[2026/11/21 05:00:21.004] ["Sear'},
        ],
        "first_unrecognised": [{**where, "line": 1, "excerpt": "+ exec milvus run standalone"}],
    }


def _event(at: str, what: str, subject: str, detail: str, times: int, line: int) -> dict[str, Any]:
    cites = [{"path": _LOG, "line": line}]
    day = f"2026-11-21T{at}Z"
    return {"at": day, "what": what, "subject": subject, "detail": detail, "count": times, "cites": cites}


def nothing_slow() -> Document:
    return document(
        coverage=coverage(0, 12_804),
        milvus={"version": "2.5.16", "deployment": None, "source": "the start-up banner"},
        skipped=skipped(_METRICS, "Prometheus metrics", client_or_network="outside_milvus"),
        blind_spots=["Requests under proxy.slowQuerySpanInSeconds (5 s as shipped) are not in this log."],
    )


def undetermined() -> Document:
    durations = [1.2 + 0.4 * (at % 7) for at in range(1_204)]
    weak = {
        "rule": "high_concurrency",
        "cause": "heavy_workload",
        "sub_cause": "high_concurrency",
        "severity": "info",
        "confidence": 0.3,
        "explains_s": 610.0,
        "explains_share": 0.21,
        "subject": "querynode-3",
        "culprits": [],
        "victims": [],
        "summary": "Up to 44 slow requests overlapped; whether they queued cannot be told without metrics.",
        "evidence": [evidence("44 requests overlapped at 12:04:11.", ("proxy-0.log!var/log/milvus.log", 88_120))],
        "remedies": [remedy("Add a query node.", "it shares the load", "one more node", "queue latency falls")],
    }
    metrics_only = ("cpu_saturation", "disk_saturation", "memory_pressure", "growing_segments", "heavy_delete")
    return document(
        inputs=[
            {"path": f"proxy-{at}.log", "format": "cri/milvus-text", "compressed_bytes": None, "bytes": 9, "lines": 9}
            for at in range(3)
        ],
        coverage=coverage(1_204, 1_998_112, unrecognised=151),
        window={"start": "2026-03-04T23:10:00Z", "end": "2026-03-05T02:40:12Z"},
        milvus={"version": None, "deployment": "cluster", "source": None},
        requests={
            "count": 1_204,
            "by_kind": {"search": 1_204},
            "duration_s": took(*durations),
            "nq": took(1),
        },
        patterns=[
            pattern("p-1", "tenant == ? && ts > ?", durations[:900], database="shop", collection="orders_v2"),
            pattern("p-2", None, durations[900:], collection=None),
        ],
        findings=[weak],
        ruled_out=ruled_out(large_nq=("heavy_workload", "no request carries more than 1 query vector")),
        skipped=[
            *skipped(_METRICS, "Prometheus metrics", **dict.fromkeys(metrics_only, "runtime_contention")),
            *skipped(_CONTEXT, "the index of each field", brute_force="wrong_index", search_params="wrong_index"),
            *skipped("add the logs of the query nodes", "their log", segment_load="runtime_contention"),
        ],
        broken=[{"cause": "dependency_stall", "sub_cause": "clock_skew", "error": "KeyError: 'guarantee_lag_s'"}],
        blind_spots=["The log does not say which Milvus wrote it, so its slow threshold is not known."],
        series=series(
            "2026-03-04T23:10:00Z", 120.0, [None if at % 9 == 0 else 1.2 + 2 * (at % 5) for at in range(106)], 1.0
        ),
        verdict={
            "outcome": "undetermined",
            "cause": None,
            "sub_cause": None,
            "confidence": None,
            "summary": "The log shows 1,204 slow requests and nothing that tells a full CPU from a full disk or queue.",
        },
    )


HOSTILE = (
    "<script>alert(1)</script> <!-- [/b] [red]x[/red] [link=https://evil.example]y[/link] \x1b[31mred\x1b]0;title\x07 "
    "\u202etxt.exe\u2066\u200b\u200f\ufeff | a || b \\| ` `` ``` ```` ![i](http://evil.example/x.png) @everyone #1 "
    "www.evil.example &lt;b&gt; \r\n# heading\n- item\n| --- |\n~~~ \udc80 \x9b5m :tada: _a_ *b* **c** 名前テーブル"
)


def hostile() -> Document:
    """Every text that can come from a log is as bad as it gets; times and paths as well."""
    name = ("n" * 900) + HOSTILE + ("名" * 300)
    path = f"logs/{HOSTILE}/x.log"
    snippet = f"a = '''{HOSTILE}'''\n```\n````\n# {name}"
    steps = remedy(HOSTILE, HOSTILE, HOSTILE, HOSTILE, snippet, receipt={HOSTILE: name})
    cites = [{"path": path, "line": 1}]
    found = {
        "rule": "large_nq",
        "cause": "heavy_workload",
        "sub_cause": "large_nq",
        "severity": "critical",
        "confidence": 0.99,
        "explains_s": 1e-7,
        "explains_share": 0.001,
        "subject": name,
        "culprits": ["p-x"],
        "victims": ["p-y"],
        "summary": f"The collection {name} is slow. {HOSTILE}",
        "evidence": [evidence(HOSTILE, (path, 1), (name, 2)), evidence(name, (path, 3))],
        "remedies": [steps, steps],
    }
    return document(
        slowq=HOSTILE,
        inputs=[{"path": path, "format": HOSTILE, "compressed_bytes": None, "bytes": 9, "lines": 9}],
        coverage=coverage(2, 0, unrecognised=1, malformed=1)
        | {
            "malformed": [{"path": path, "line": 4, "reason": HOSTILE, "excerpt": HOSTILE}],
            "first_unrecognised": [{"path": path, "line": 5, "excerpt": HOSTILE}],
        },
        window={"start": "1970-01-01T00:00:00Z", "end": "2106-02-07T06:28:15Z"},
        onset=since(HOSTILE, [(HOSTILE, HOSTILE, 2)], 0.1, 1.0),
        milvus={"version": HOSTILE, "deployment": HOSTILE, "source": HOSTILE},
        requests={"count": 2, "by_kind": {HOSTILE: 2}, "duration_s": took(1e-7, 4e9), "nq": took()},
        patterns=[
            pattern("p-x", HOSTILE * 3, [4e9], collection=name, database=HOSTILE, kind=HOSTILE),
            pattern("p-y", name, [1e-7], collection=HOSTILE),
        ],
        phases={HOSTILE: {"mean_s": None, "p99_s": None, "share": None}},
        findings=[found, found],
        ruled_out=[{"cause": "heavy_workload", "sub_cause": HOSTILE, "because": name}],
        skipped=skipped(HOSTILE, HOSTILE, **{HOSTILE: "heavy_workload"}),
        broken=[{"cause": "heavy_workload", "sub_cause": HOSTILE, "error": HOSTILE}],
        blind_spots=[HOSTILE],
        series=series("1970-01-01T00:00:00Z", 4e7, [4e9, None, 1e-7]),
        events=[
            {"at": at, "what": HOSTILE, "subject": name, "detail": HOSTILE, "count": 10**6, "cites": cites}
            for at in ("1969-12-31T00:00:00Z", "2200-01-01T00:00:00Z", HOSTILE, None)
        ],
        verdict={
            "outcome": "diagnosed",
            "cause": "heavy_workload",
            "sub_cause": "large_nq",
            "confidence": 0.99,
            "summary": HOSTILE,
        },
    )


SAMPLES: Mapping[str, Document] = {
    built.__name__: built() for built in (large_nq, json_filter, nothing_slow, undetermined, hostile)
}
