# ruff: noqa: E501 (log lines are longer than code lines)
"""Writes Milvus logs of any size for benchmarks and tests: seeded, realistic in shape and mix, a few 100 MB/s.

    python -m bench.generate --size 1GiB --slow-share 0.01 --output big.log
    python -m bench.generate --slow-share 1 --slow-lines 500000 --distinct-filters all | slowq analyze -

The lines that are not slow follow a real 2.3 standalone: the same messages in about the same proportions, in groups that
share trace, segment, build and plan ids as they do in reality; mean length about 280 bytes, as measured there. The slow
lines have the fields and the caller of the version asked for: 30 patterns over 8 collections, mixed nq, guarantee
timestamps that fit time and consistency level, durations in every form that Go prints. Times never go back.

Durations below Milvus' default threshold occur, as with the threshold turned down. Two things of real logs are left out,
so that `grep -cF 'slow"]'` counts slow requests exactly: requeries, and the message "GC Tune done, and the gc is slow".
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

START_MS = 1_762_128_000_000  # 2025/11/03 00:00:00 UTC
MEAN_GAP_MS = 25  # 1 GiB at 1 % slow spans about a day
LINES_IN_BLOCK = 8192
BLOCKS = 6
SLOW_BYTES = 690  # a first guess at the mean, corrected as lines are written
ALL_DISTINCT = 0

Version = tuple[int, ...]


class Collection(NamedTuple):
    """A collection as the proxy (name, dimension) and the coordinators (ids, channel) speak of it."""

    name: str
    dim: int
    id: int
    shard: int


COLLECTIONS = {
    collection.name: collection
    for collection in (
        Collection("products", 768, 457801322190301184, 0),
        Collection("product_images", 512, 457801322190514422, 1),
        Collection("articles_en", 1024, 457801322195180033, 2),
        Collection("support_tickets", 384, 457801322198860817, 3),
        Collection("user_profiles", 128, 457801322203411920, 4),
        Collection("code_snippets", 1536, 457801322207733105, 5),
        Collection("ad_targets", 256, 457801322211029674, 6),
        Collection("chat_history", 1024, 457801322219475538, 7),
    )
}

# --- The slow lines ---------------------------------------------------------------------------------------------------

# Line of the `Info(` call in internal/proxy/impl.go for Search, HybridSearch, Query, by the first version that has it.
_CALLERS = """
2.2.6 2789 0 3056    2.2.12 3034 0 3307    2.3.0 2661 0 2852      2.3.2 2567 0 2836      2.3.3 2567 0 2822
2.3.4 2573 0 2834    2.3.5 2578 0 2839     2.3.6 2580 0 2841      2.3.13 2583 0 2848     2.3.18 2591 0 2857
2.3.21 2610 0 2876   2.4.0 2753 2928 3199  2.4.1 2883 3082 3371   2.4.2 2969 3168 3457   2.4.5 2970 3170 3460
2.4.7 2971 3170 3443   2.4.8 2978 3177 3450   2.4.10 2979 3178 3451  2.4.11 2976 3167 3439  2.4.12 2978 3165 3435
2.4.14 2977 3164 3434  2.4.18 3098 3307 3577  2.4.22 3100 3309 3579  2.5.0 3128 3345 3630   2.5.5 3131 3364 3649
2.5.8 3131 3367 3655   2.5.11 3132 3368 3656  2.5.12 3134 3370 3658  2.5.13 3138 3374 3662  2.5.15 3139 3375 3663
2.5.16 3141 3377 3665  2.5.18 3081 3317 3605  2.6.0 3137 3373 3661   2.6.1 2794 3003 3253   2.6.2 2801 3010 3260
2.6.3 2817 3043 3310   2.6.6 2820 3047 3314   2.6.7 2822 3049 3316   2.6.8 2982 3209 3614   2.6.9 2982 3209 3631
2.6.10 2986 3223 3666  2.6.11 3058 3295 3738  2.6.12 3064 3301 3744  2.6.14 3066 3303 3746  2.6.15 3067 3304 3753
2.6.16 3068 3305 3754  2.6.17 3084 3326 3795  3.0.0 2967 3199 3665
"""

SEARCH, HYBRID, QUERY = "Search", "HybridSearch", "Query"


class Pattern(NamedTuple):
    """A kind of request that the application sends again and again; `{i}` and `{many}` in its filter vary."""

    weight: int
    kind: str
    collection: str
    filter: str
    nq: tuple[int, ...]
    top_k: int
    params: str
    output: str
    level: str
    median_s: float


# `nq` is drawn evenly from its tuple; `level` "Default" leaves the choice to the collection (Bounded), and prints Strong.
# fmt: off
PATTERNS = (
    Pattern(9, SEARCH, "products", "", (1, 1, 1, 2), 10, "ef=64", "id,title,price", "Bounded", 1.4),
    Pattern(8, SEARCH, "products", 'category == "c{i}" && price < 250', (1,), 20, "ef=128", "id,title", "Default", 2.1),
    Pattern(5, SEARCH, "products", "brand_id in [{many}]", (1, 4), 50, "ef=256", "id", "Default", 3.8),
    Pattern(2, SEARCH, "products", "shop_id == {i} || shop_id == 7 || shop_id == 11 || shop_id == 19 || shop_id == 23", (1,), 10, "ef=64", "id,title", "Bounded", 4.4),
    Pattern(1, SEARCH, "products", "", (1000, 4000, 16000), 10, "ef=64", "id", "Bounded", 6.5),
    Pattern(3, QUERY, "products", "id in [{many}]", (1,), 0, "", "id,title,price,stock", "Default", 1.9),
    Pattern(1, HYBRID, "products", 'category == "c{i}"', (1, 2), 20, "", "id,title", "Bounded", 2.9),
    Pattern(7, SEARCH, "product_images", "", (1, 8, 16), 100, "nprobe=64", "id,url", "Eventually", 1.2),
    Pattern(3, SEARCH, "product_images", "uploaded_at > {i} and width >= 640", (1, 2), 100, "nprobe=256", "id,url", "Bounded", 5.2),
    Pattern(1, SEARCH, "product_images", "product_id == {i}", (1,), 16384, "nprobe=1024", "*", "Bounded", 11.0),
    Pattern(7, SEARCH, "articles_en", 'title like "%{i}%"', (1,), 10, "ef=100", "id,title,author", "Default", 4.9),
    Pattern(4, SEARCH, "articles_en", 'TEXT_MATCH(body, "w{i}") and lang == "en"', (1,), 10, "ef=100", "id,title", "Bounded", 2.4),
    Pattern(3, QUERY, "articles_en", 'url == "https://example.org/a/{i}"', (1,), 0, "", "id,title,body", "Strong", 1.7),
    Pattern(2, HYBRID, "articles_en", "published_at >= {i}", (1,), 30, "", "id,title", "Default", 3.3),
    Pattern(6, SEARCH, "support_tickets", 'tenant == "t{i}" and status in ["open", "pending"]', (1, 1, 3), 5, "search_list=100", "id,subject", "Strong", 2.2),
    Pattern(3, SEARCH, "support_tickets", 'meta["priority"] > 3 && meta["customer"]["id"] == {i}', (1,), 5, "search_list=100", "id,subject,meta", "Strong", 6.1),
    Pattern(2, QUERY, "support_tickets", 'json_contains(meta["tags"], "k{i}")', (1,), 0, "", "id,meta", "Strong", 5.4),
    Pattern(2, QUERY, "support_tickets", "assignee == {i} and not (closed == true)", (1,), 0, "", "id", "Session", 1.3),
    Pattern(5, SEARCH, "user_profiles", "", (1, 50, 200), 10, "nprobe=16", "user_id", "Eventually", 0.6),
    Pattern(4, SEARCH, "user_profiles", "user_id != {i} and age >= 18", (1,), 200, "nprobe=32", "user_id,name", "Bounded", 1.5),
    Pattern(1, QUERY, "user_profiles", "user_id in [{many}]", (1,), 0, "", "user_id,embedding", "Bounded", 2.7),
    Pattern(4, SEARCH, "code_snippets", 'repo == "org/{i}" && path like "src/%"', (1,), 20, "ef=200", "repo,path,line", "Strong", 3.1),
    Pattern(2, SEARCH, "code_snippets", "", (1, 2, 5), 20, "radius=0.35", "repo,path", "Default", 8.0),
    Pattern(1, HYBRID, "code_snippets", 'repo == "org/{i}"', (1,), 20, "", "repo,path,line", "Strong", 4.0),
    Pattern(4, SEARCH, "ad_targets", "ARRAY_CONTAINS_ANY(geo, [0, {i}]) and ARRAY_CONTAINS_ANY(network, [0, 5]) and os in [0, 1] and not ARRAY_CONTAINS_ANY(blocked, [{i}])", (1, 10), 500, "nprobe=128", "ad_id,bid", "Eventually", 2.6),
    Pattern(2, SEARCH, "ad_targets", "campaign in [{many}] and budget > 0", (1,), 500, "nprobe=128", "ad_id,bid", "Eventually", 3.0),
    Pattern(1, QUERY, "ad_targets", "budget - spent > 100 and campaign == {i}", (1,), 0, "", "ad_id", "Bounded", 1.8),
    Pattern(4, SEARCH, "chat_history", 'session == "s{i}"', (1,), 8, "ef=32", "id,text,at", "Session", 0.9),
    Pattern(2, SEARCH, "chat_history", 'at > {i} && role == "assistant" && length(text) > 20', (1, 2), 8, "ef=32", "id,text,at", "Strong", 1.6),
    Pattern(1, QUERY, "chat_history", 'session == "s{i}" and at > 1760000000', (1,), 0, "", "id,text,at", "Session", 1.1),
)
# fmt: on

_METRICS = {"user_profiles": "L2", "ad_targets": "IP"}
_RAW_GUARANTEE = {"Strong": 0, "Eventually": 1, "Bounded": 2, "Default": 2}  # what clients send; logged up to 2.4.6
_BEHIND_MS = {"Strong": 0, "Bounded": 5000, "Default": 5000, "Session": 900}


class Draft(NamedTuple):
    """A slow line of one pattern and nq, in which time, trace, filter, guarantee and durations are still open."""

    text: str
    nq: int
    level: str
    raw_guarantee: int | None
    median_s: float
    filter: "Filter"


class SlowLines:
    """Slow lines in the layout of `version`; `distinct_filters` bounds how many filter texts there are in all."""

    def __init__(self, rng: np.random.Generator, version: str, distinct_filters: int) -> None:
        self._rng = rng
        varying = sum("{" in pattern.filter for pattern in PATTERNS)
        each = -(-distinct_filters // varying)
        drafts = [_drafts(pattern, parse_version(version), each) for pattern in PATTERNS]
        self._drafts = [draft for group in drafts for draft in group]
        shares = np.array([p.weight / len(g) for p, g in zip(PATTERNS, drafts, strict=True) for _ in g])
        self._edges = np.cumsum(shares / shares.sum())

    def at(self, times_ms: np.ndarray) -> list[bytes]:
        """One line for each moment."""
        count, rng = len(times_ms), self._rng
        stamps = stamp_digits(times_ms).tobytes().decode()
        traces = rng.bytes(16 * count).hex()
        choices = np.minimum(np.searchsorted(self._edges, rng.random(count)), len(self._drafts) - 1).tolist()
        seeds = rng.integers(0, 1 << 31, count).tolist()
        lines = []
        for n, (choice, took_ns, seed, now_ms) in enumerate(
            zip(choices, self._durations_ns(choices), seeds, times_ms.tolist(), strict=True)
        ):
            draft = self._drafts[choice]
            guarantee = draft.raw_guarantee
            if guarantee is None:
                behind_ms = _BEHIND_MS[draft.level] + took_ns // 1_000_000
                guarantee = (now_ms - behind_ms << 18) + seed % 20
            duration = go_duration(took_ns)
            line = draft.text.format(
                stamps[23 * n : 23 * n + 23],
                traces[32 * n : 32 * n + 32],
                draft.filter.text(seed),
                guarantee,
                duration,
                duration if draft.nq == 1 else go_duration(took_ns // draft.nq),
            )
            lines.append(line.encode())
        return lines

    def _durations_ns(self, choices: Sequence[int]) -> list[int]:
        """Log-normal round each pattern's median; a few minutes or hours long, a few in round numbers."""
        rng, count = self._rng, len(choices)
        medians_s = np.array([draft.median_s for draft in self._drafts])[choices]
        seconds = medians_s * np.exp(0.6 * rng.standard_normal(count))
        odd = rng.random(count)
        seconds = np.where(odd < 0.004, seconds * rng.uniform(30, 300, count), seconds)
        seconds = np.where(odd < 0.0001, seconds * 40, seconds)
        nanoseconds = (seconds * 1e9).astype(np.int64)
        rounded: list[int] = np.where(odd > 0.998, np.maximum(nanoseconds // 10**8, 1) * 10**8, nanoseconds).tolist()
        return rounded


class Filter:
    """Filter texts of one pattern, as zap prints them: `each` different ones, or always a new one."""

    def __init__(self, template: str, each: int, wrap: str = "{}") -> None:
        self._template, self._each, self._wrap = template, each, wrap
        self._varies = "{" in template
        self._known: dict[int, str] = {}
        self._next = 0

    def text(self, seed: int) -> str:
        """The text that belongs to `seed`."""
        number = seed % self._each if self._each and self._varies else 0
        if self._each == ALL_DISTINCT and self._varies:
            self._next += 1
            return self._render(self._next)
        if number not in self._known:
            self._known[number] = self._render(number)
        return self._known[number]

    def _render(self, number: int) -> str:
        first = 10_000_000 + number * 2_654_435_761 % (1 << 31)  # an odd factor: different numbers stay different
        many = ", ".join(str(first + 7919 * n) for n in range(8 + number % 17))
        return zap_value(self._wrap.format(self._template.replace("{many}", many).replace("{i}", str(first))))


def _drafts(pattern: Pattern, version: Version, each: int) -> list[Draft]:
    kind = SEARCH if pattern.kind == HYBRID and version < (2, 4) else pattern.kind
    known = version >= (2, 4, 7)
    guarantee = _RAW_GUARANTEE.get(pattern.level) if not known else 1 if pattern.level == "Eventually" else None
    wrap = "[No.0 req, expr: {0}][No.1 req, expr: {0}]" if kind == HYBRID else "{}"
    filters = Filter(pattern.filter, each, wrap)
    return [
        Draft(
            _draft(pattern, kind, version, nq), _total_nq(kind, nq), pattern.level, guarantee, pattern.median_s, filters
        )
        for nq in pattern.nq
    ]


def _total_nq(kind: str, nq: int) -> int:
    return 2 * nq if kind == HYBRID else nq


def _draft(pattern: Pattern, kind: str, version: Version, nq: int) -> str:
    """A format string: {0} time, {1} trace, {2} filter, {3} guarantee timestamp, {4} duration, {5} duration by nq."""
    values = _values(pattern, kind, nq)
    fields = [f"[{key}={values[key]}]" for key in _LAYOUTS[kind](version)]
    caller = _caller(version)[kind]
    head = f'[{{0}} +00:00] [INFO] [proxy/impl.go:{caller}] ["{kind} slow"]'
    if version >= (3, 0):
        fields = ["[module=proxy]", *fields, "[traceID={1}]", "[spanID=00f067aa0ba902b7]"]
    else:
        fields = ["[traceID={1}]", *fields]
    return " ".join((head, *fields)) + "\n"


def _values(pattern: Pattern, kind: str, nq: int) -> dict[str, str]:
    collection = COLLECTIONS[pattern.collection]
    vectors_bytes = nq * (collection.dim * 4 + 4) + 8
    default = pattern.level == "Default"
    values = {
        "role": "proxy",
        "db": "default",
        "collection": collection.name,
        "partitions": zap_value("[]"),
        "len(PlaceholderGroup)": str(vectors_bytes),
        "OutputFields": zap_value(f"[{pattern.output}]"),
        "search_params": zap_value(_search_params(pattern)),
        "ConsistencyLevel": "Strong" if default else pattern.level,
        "useDefaultConsistency": str(default).lower(),
        "queryLabel": "query",
        "travel_timestamp": "0",
        "nq": str(nq),
        "totalNq": str(_total_nq(kind, nq)),
    }
    slots = dict.fromkeys(("dsl", "dsls", "expr"), "{2}")
    slots |= {"guarantee_timestamp": "{3}", "duration": "{4}", "durationPerNq": "{5}"}
    return {key: value.replace("{", "{{").replace("}", "}}") for key, value in values.items()} | slots


def _search_params(pattern: Pattern) -> str:
    metric = _METRICS.get(pattern.collection, "COSINE")
    name, _, value = pattern.params.partition("=")
    inner = {name: json.loads(value)} if name else {}
    pairs = {
        "anns_field": "embedding",
        "topk": str(pattern.top_k),
        "metric_type": metric,
        "round_decimal": "-1",
        "ignore_growing": "False",
        "params": json.dumps(inner, separators=(",", ":")),
    }
    return json.dumps([{"key": key, "value": value} for key, value in pairs.items()], separators=(",", ":"))


_SENT = "role db collection partitions"


def _search_layout(version: Version) -> list[str]:
    if version >= (3, 0):
        return ["guarantee_timestamp", "nq", "duration", "durationPerNq"]
    fields = f"{_SENT} dsl len(PlaceholderGroup) OutputFields search_params".split()
    if version < (2, 3):
        fields.append("travel_timestamp")
    fields += _consistency(version)
    if version >= (2, 3, 4):
        fields.append("nq")
    return [*fields, "duration", "durationPerNq"] if version >= (2, 5, 13) else [*fields, "duration"]


def _query_layout(version: Version) -> list[str]:
    if version >= (3, 0):
        return ["expr", "OutputFields", "travel_timestamp", "guarantee_timestamp", "duration"]
    said = [key for key in _consistency(version) if key != "guarantee_timestamp"]
    if version >= (2, 6, 15):
        said.append("queryLabel")
    return [*_SENT.split(), *said, *["expr", "OutputFields", "travel_timestamp", "guarantee_timestamp", "duration"]]


def _hybrid_layout(version: Version) -> list[str]:
    if version >= (3, 0):
        return ["guarantee_timestamp", "totalNq", "duration", "durationPerNq"]
    fields = [*_SENT.split(), "OutputFields", *_consistency(version)]
    if version >= (2, 5, 5):
        fields.insert(-1, "dsls")
    return [*fields, "totalNq", "duration", "durationPerNq"] if version >= (2, 6, 10) else [*fields, "duration"]


def _consistency(version: Version) -> list[str]:
    if version >= (2, 4, 7):
        return ["ConsistencyLevel", "useDefaultConsistency", "guarantee_timestamp"]
    if (2, 3, 18) <= version < (2, 4) or version >= (2, 4, 5):
        return ["guarantee_timestamp", "useDefaultConsistency"]
    return ["guarantee_timestamp"]


_LAYOUTS: dict[str, Callable[[Version], list[str]]] = {
    SEARCH: _search_layout,
    HYBRID: _hybrid_layout,
    QUERY: _query_layout,
}


def _caller(version: Version) -> dict[str, int]:
    """Line numbers in impl.go by kind of request; those of the version itself, or of the last one before it."""
    words = _CALLERS.split()
    rows = [(parse_version(words[n]), words[n + 1 : n + 4]) for n in range(0, len(words), 4)]
    lines = [lines for first, lines in rows if first <= version]
    if not lines:
        raise ValueError(f"Milvus {'.'.join(map(str, version))} writes no slow lines; the first that does is 2.2.6")
    return dict(zip((SEARCH, HYBRID, QUERY), map(int, lines[-1]), strict=True))


def parse_version(text: str) -> Version:
    """`2.5.16` as numbers."""
    return tuple(int(part) for part in text.removeprefix("v").split("."))


def zap_value(text: str) -> str:
    """A field's value as zap's text encoder prints it: quoted and escaped where it holds one of its own marks."""
    if re.search(r'[\x00-\x20\\"\[\]=]', text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def go_duration(nanoseconds: int) -> str:
    """What Go's `time.Duration.String()` prints: `1.2s`, `12ms`, `823.443µs`, `5m12.002784545s`, `1h0m3.5s`."""
    if nanoseconds >= 1_000_000_000:
        minutes, rest = divmod(nanoseconds, 60_000_000_000)
        seconds = _decimal(rest, 9) + "s"
        if not minutes:
            return seconds
        return f"{minutes}m{seconds}" if minutes < 60 else f"{minutes // 60}h{minutes % 60}m{seconds}"
    if nanoseconds >= 1_000_000:
        return _decimal(nanoseconds, 6) + "ms"
    if nanoseconds >= 1_000:
        return _decimal(nanoseconds, 3) + "µs"
    return f"{nanoseconds}ns" if nanoseconds else "0s"


def _decimal(value: int, places: int) -> str:
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0") if part else str(whole)


# --- Everything else --------------------------------------------------------------------------------------------------

# Groups of lines that belong together, each under its weight: how many of it stand in a few thousand groups. A name in
# braces is the same throughout a group; {dN} is N digits, new each time; {ts}, {at} and {unixms} tell the line's time.
_GROUPS = r"""
400
[INFO] [querynodev2/services.go:1424] ["QueryNode received worker delete request"] [traceID={trace}] [collectionID={collection}] [channel=] [segmentID={segment}] [scope=UnKnown]

420
[INFO] [datacoord/index_service.go:513] ["receive DescribeIndex request"] [traceID={trace}] [collectionID={collection}] [indexName=] [timestamp=0]
[INFO] [datacoord/index_service.go:449] ["completeIndexInfo success"] [collectionID={collection}] [indexID={index}] [totalRows={d7}] [indexRows={d7}] [pendingIndexRows=0] [state=Finished] [failReason=]
[INFO] [datacoord/index_service.go:560] ["DescribeIndex success"] [traceID={trace}] [collectionID={collection}] [indexName=]

60
[INFO] [datacoord/index_builder.go:186] ["index builder task schedule"] ["task num"={d1}]
[INFO] [indexnode/indexnode_service.go:216] ["Get Index Job Stats"] [traceID={trace}] [unissued=0] [active=1] [slot=0]
[INFO] [datacoord/index_builder.go:194] ["there is no idle indexing node, wait a minute..."]
[INFO] [datacoord/index_builder.go:257] ["index builder peek client error, there is no available"]

300
[INFO] [proxy/meta_cache.go:846] ["no shard cache for collection, try to get shard leaders from QueryCoord"] [traceID={trace}] [collectionName={name}] [collectionID={collection}]
[INFO] [querycoordv2/services.go:871] ["get shard leaders request received"] [traceID={trace}] [collectionID={collection}]

30
[INFO] [proxy/meta_cache.go:852] ["expire all shard leader cache"] [database=default] [collections="[{name}]"]

260
[INFO] [task/scheduler.go:566] ["processed tasks"] [nodeID={d1}] [toProcessNum=1] [committedNum=1] [toRemoveNum=0]
[INFO] [task/scheduler.go:572] ["process tasks related to node done"] [nodeID={d1}] [processingTaskNum=1] [waitingTaskNum=0] [segmentTaskNum=1] [channelTaskNum=0]

340
[INFO] [gc/gc_tuner.go:90] ["GC Tune done"] ["previous GOGC"=200] ["heapuse "={d3}] ["total memory"={d4}] ["next GC"={d3}] ["new GOGC"=200] [gc-pause={d3}.{d3}µs] [gc-pause-end={unixms}{d6}]

40
[INFO] [pipeline/insert_node.go:80] ["pipeline fetch insert msg"] [collectionID={collection}] [segmentID={segment}] [insertRowNum={d4}] [timestampMin={ts}] [timestampMax={ts}]
[INFO] [pipeline/delete_node.go:57] ["pipeline fetch delete msg"] [collectionID={collection}] [partitionID={collection}] [insertRowNum={d3}] [timestampMin={ts}] [timestampMax={ts}]

240
[INFO] [datacoord/services.go:174] ["handle assign segment request"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [channelName={channel}] [count={d4}] [isImport=false] ["import task ID"=0]
[INFO] [datacoord/meta.go:938] ["meta update: add allocation - complete"] [segmentID={segment}]
[INFO] [datacoord/services.go:213] ["success to assign segments"] [traceID={trace}] [collectionID={collection}] [assignments="[{\"SegmentID\":{segment},\"NumOfRows\":{d4},\"ExpireTime\":{ts}}]"]

200
[WARN] [checkers/index_checker.go:113] ["failed to get indexInfo for segment"] [collectionID={collection}] [segmentID={segment}] [error="index not found[segmentID={segment}]"]

150
[INFO] [datanode/flow_graph_insert_buffer_node.go:286] ["segment buffer status"] [no.=0] [segmentID={segment}] [channel={channel}] [size={d5}] [limit=14927] [memorySize={d7}]
[INFO] [datanode/channel_meta.go:608] ["updated segment num row"] [segmentID={segment}] [addedNumRows={d4}] [numRowsSum={d6}]
[INFO] [datanode/channel_meta.go:634] ["updated segment memorySize"] [segmentID={segment}] [memorySize={d7}]

165
[INFO] [querynodev2/services.go:1370] ["sync action"] [traceID={trace}] [collectionID={collection}] [channel={channel}] [currentNodeID={d1}] [Action=UpdateVersion] [TargetVersion={unixms}{d6}]
[INFO] [delegator/distribution.go:294] ["Update readable segment version"] [oldVersion={unixms}{d6}] [newVersion={unixms}{d6}] [growingSegmentNum={d1}] [sealedSegmentNum={d2}]
[INFO] [observers/target_observer.go:473] ["observer trigger update current target"] [collectionID={collection}]
[INFO] [datacoord/services.go:757] ["get recovery info request received"] [traceID={trace}] [collectionID={collection}] [partitionIDs="[]"]
[INFO] [datacoord/handler.go:116] [GetQueryVChanPositions] [collectionID={collection}] [channel={channel}] [numOfSegments={d2}] ["indexed segment"={d2}]
[INFO] [datacoord/handler.go:299] ["channel seek position set from channel checkpoint meta"] [channel={channel}] [posTs={ts}] [posTime={at} +00:00]
[INFO] [datacoord/services.go:772] ["datacoord append channelInfo in GetRecoveryInfo"] [traceID={trace}] [collectionID={collection}] [partitionIDs="[]"] [channel={channel}] ["# of unflushed segments"={d1}] ["# of flushed segments"={d2}] ["# of dropped segments"=0] ["# of indexed segments"=0]

120
[INFO] [datacoord/meta.go:1341] ["UpdateChannelCheckpoint done"] [vChannel={channel}] [ts={ts}] [msgID="\u000e\u0005,.\ufffd\ufffd\ufffd\u0006"] [time={at} +00:00]

60
[INFO] [rootcoord/root_coord.go:1155] ["received request to describe collection"] [traceID={trace}] [collectionName={name}] [dbName=default] [id=0] [ts={ts}] [allowUnavailable=false]
[INFO] [querycoordv2/services.go:57] ["show collections request received"] [traceID={trace}] [collections="[{collection}]"]

60
[WARN] [grpcclient/client.go:407] ["call received grpc error"] [clientRole=querynode-{d1}] [error="rpc error: code = Unknown desc = node not match[expectedNodeID={d1}][actualNodeID={d1}]"]
[WARN] [grpcclient/client.go:486] ["start to reset connection because of specific reasons"] [traceID={trace}] [client_role=datanode-{d1}] [error="rpc error: code = Unknown desc = node not match[expectedNodeID={d1}][actualNodeID={d1}]"]
[INFO] [grpcclient/client.go:239] ["previous client closed"] [role=datanode-{d1}] [addr=]

44
[ERROR] [retry/retry.go:46] ["retry func failed"] [traceID={trace}] ["retry time"=0] [error="rpc error: code = Unknown desc = node not match[expectedNodeID={d1}][actualNodeID={d1}]"] [stack="github.com/milvus-io/milvus/pkg/util/retry.Do\n\t/go/src/github.com/milvus-io/milvus/pkg/util/retry/retry.go:46\ngithub.com/milvus-io/milvus/internal/util/grpcclient.(*ClientBase[...]).call\n\t/go/src/github.com/milvus-io/milvus/internal/util/grpcclient/client.go:475\ngithub.com/milvus-io/milvus/internal/util/grpcclient.(*ClientBase[...]).Call\n\t/go/src/github.com/milvus-io/milvus/internal/util/grpcclient/client.go:548\ngithub.com/milvus-io/milvus/internal/distributed/querynode/client.wrapGrpcCall[...]\n\t/go/src/github.com/milvus-io/milvus/internal/distributed/querynode/client/client.go:89\ngithub.com/milvus-io/milvus/internal/distributed/querynode/client.(*Client).GetMetrics\n\t/go/src/github.com/milvus-io/milvus/internal/distributed/querynode/client/client.go:245\ngithub.com/milvus-io/milvus/internal/querycoordv2/session.(*QueryCluster).GetMetrics.func1\n\t/go/src/github.com/milvus-io/milvus/internal/querycoordv2/session/cluster.go:208\nruntime.goexit\n\t/usr/local/go/src/runtime/asm_amd64.s:1594"]

16
[INFO] [balance/utils.go:70] ["create segment task"] [collection={collection}] [segmentID={segment}] [replica={replica}] [channel={channel}] [from=-1] [to=3]
[INFO] [task/scheduler.go:269] ["task added"] [task="[id={task}] [type=Grow] [source=segment_checker] [reason=lacks of segment] [collectionID={collection}] [replicaID={replica}] [priority=Normal] [actionsCount=1] [actions={[type=Grow][node=3][streaming=false]}] [segmentID={segment}]"]
[INFO] [task/executor.go:104] ["execute the action of task"] [taskID={task}] [collectionID={collection}] [replicaID={replica}] [step=0] [source=segment_checker]
[INFO] [task/executor.go:230] ["load segments..."] [taskID={task}] [collectionID={collection}] [replicaID={replica}] [segmentID={segment}] [node=3] [source=segment_checker] [shardLeader=3]
[INFO] [querynodev2/services.go:420] ["received load segments request"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [shard={channel}] [segmentID={segment}] [currentNodeID=3] [version={unixms}{d6}] [needTransfer=true]
[INFO] [segments/segment_loader.go:496] ["start loading remote..."] [traceID={trace}] [collectionID={collection}] [segmentIDs="[{segment}]"] [segmentNum=1]
[INFO] [segments/segment_loader.go:786] ["Successfully load pk stats"] [traceID={trace}] [segmentID={segment}] [time={d1}.{d5}ms] [size={d7}]
[INFO] [segments/segment_loader.go:191] ["start loading..."] [traceID={trace}] [collectionID={collection}] [segmentType=Sealed] [segmentNum=1] [afterFilter=1]
[INFO] [segments/segment_loader.go:1010] ["predict memory and disk usage while loading (in MiB)"] [traceID={trace}] [collectionID={collection}] [maxSegmentSize(MB)={d3}.{d14}] [concurrency=1] [committedMemSize(MB)=0] [memLimit(MB)=24105.55859375] [memUsage(MB)={d4}.{d8}] [committedDiskSize(MB)=0] [diskUsage(MB)={d4}.{d12}] [predictMemUsage(MB)={d4}.{d13}] [predictDiskUsage(MB)={d4}.{d12}] [mmapEnabled=false]
[INFO] [segments/segment_loader.go:408] ["request resource for loading segments (unit in MiB)"] [traceID={trace}] [segmentIDs="[{segment}]"] [memory={d3}.{d14}] [committedMemory={d3}.{d14}] [disk=0] [committedDisk=0]
[INFO] [segments/segment.go:193] ["create segment"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [segmentType=Sealed]
[INFO] [segments/segment_loader.go:542] ["start loading segment files"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [shard={channel}] [segmentID={segment}] [rowNum={d6}] [segmentType=Sealed]
[INFO] [segments/segment_loader.go:584] ["load fields..."] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [shard={channel}] [segmentID={segment}] [indexedFields="[105]"]
[INFO] [segments/segment.go:929] ["updateSegmentIndex done"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=105]
[INFO] [segments/segment_loader.go:697] ["load field binlogs done for sealed segment with index"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [rowCount={d6}] [fieldID=105] [binlog="[{\"entries_num\":{d6},\"timestamp_from\":{ts},\"timestamp_to\":{ts},\"log_path\":\"files/insert_log/{collection}/{collection}/{segment}/105/{log}\",\"log_size\":{d8}},{\"entries_num\":{d6},\"timestamp_from\":{ts},\"timestamp_to\":{ts},\"log_path\":\"files/insert_log/{collection}/{collection}/{segment}/105/{log2}\",\"log_size\":{d8}},{\"entries_num\":{d6},\"timestamp_from\":{ts},\"timestamp_to\":{ts},\"log_path\":\"files/insert_log/{collection}/{collection}/{segment}/105/{log3}\",\"log_size\":{d8}}]"]
[INFO] [segments/segment.go:687] ["start loading field data for field"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=100] [rowCount={d6}]
[INFO] [segments/segment.go:687] ["start loading field data for field"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=101] [rowCount={d6}]
[INFO] [segments/segment.go:710] ["submitted loadFieldData task to dy pool"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=100] [rowCount={d6}]
[INFO] [segments/segment.go:710] ["submitted loadFieldData task to dy pool"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=101] [rowCount={d6}]
[INFO] [segments/segment.go:723] ["load field done"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=100] [rowCount={d6}]
[INFO] [segments/segment.go:723] ["load field done"] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [fieldID=101] [rowCount={d6}]
[INFO] [segments/segment_loader.go:667] ["load field binlogs done for sealed segment"] [traceID={trace}] [collection={collection}] [segment={segment}] [len(field)=7] [segmentType=Sealed]
[INFO] [segments/segment_loader.go:625] ["loading delta..."] [traceID={trace}] [collectionID={collection}] [partitionID={collection}] [shard={channel}] [segmentID={segment}]
[INFO] [segments/segment_loader.go:815] ["there are no delta logs saved with segment, skip loading delete record"] [traceID={trace}] [segmentID={segment}] [segmentID={segment}]
[INFO] [segments/segment_loader.go:271] ["load segment done"] [traceID={trace}] [collectionID={collection}] [segmentType=Sealed] [segmentID={segment}]
[INFO] [delegator/delegator_data.go:515] ["load delete done"] [traceID={trace}] [collectionID={collection}] [channel={channel}] [replicaID={replica}]
[INFO] [task/executor.go:243] ["load segments done"] [taskID={task}] [collectionID={collection}] [replicaID={replica}] [segmentID={segment}] [node=3] [source=segment_checker] [shardLeader=3] [elapsed={d1}.{d9}s]
[INFO] [task/scheduler.go:768] ["task removed"] [taskID={task}] [collectionID={collection}] [replicaID={replica}] [status=succeeded] [segmentID={segment}]

100
[INFO] [datanode/flow_graph_insert_buffer_node.go:364] ["(Auto Sync)"] [segmentID={segment}] [numRows={d5}] [limit=14927] [channel={channel}]
[INFO] [datanode/flow_graph_insert_buffer_node.go:478] ["insertBufferNode start syncing bufferData"] [segmentID={segment}] [flushed=false] [dropped=false] [auto=true] [position="channel_name:\"{channel}\" msgID:\"{9,.\\314\\361\\207\\006\" msgGroup:\"datanode-3-{channel}-true\" timestamp:{ts} "] [channel={channel}]
[INFO] [datanode/flush_manager.go:292] ["handling insert task"] [segmentID={segment}] [flushed=false] [dropped=false] [position="channel_name:\"{channel}\" msgID:\"{9,.\\314\\361\\207\\006\" msgGroup:\"datanode-3-{channel}-true\" timestamp:{ts} "]
[INFO] [datanode/flush_manager.go:146] ["new flush task runner created and initialized"] [segmentID={segment}] ["pos message ID"="{9,.\ufffd\ufffd\ufffd\u0006"]
[INFO] [datanode/flush_task.go:136] ["running flush insert task"] [segmentID={segment}] [flushed=false] [dropped=false] [position="channel_name:\"{channel}\" msgID:\"{9,.\\314\\361\\207\\006\" msgGroup:\"datanode-3-{channel}-true\" timestamp:{ts} "] [PosTime={at} +00:00]
[INFO] [datanode/flow_graph_delete_node.go:118] ["DeleteNode receives flush message"] [segIDs="[{segment}]"] [vChannelName={channel}] [posTime={at} +00:00]
[INFO] [datanode/flush_manager.go:563] ["delete blob path"] [path=files/delta_log/{collection}/{collection}/{segment}/{log}]
[INFO] [datanode/flush_manager.go:891] [SaveBinlogPath] [segmentID={segment}] [collectionID={collection}] [vchannel={channel}] [SegmentID={segment}] [startPos=null] [checkPoints="[{\"segmentID\":{segment},\"position\":{\"channel_name\":\"{channel}\",\"msgID\":\"ezksLszxhwY=\",\"msgGroup\":\"datanode-3-{channel}-true\",\"timestamp\":{ts}},\"num_of_rows\":{d6}}]"] ["Length of Field2BinlogPaths"=9] ["Length of Field2Stats"=1] ["Length of Field2Deltalogs"=1]
[INFO] [datacoord/services.go:423] ["receive SaveBinlogPaths request"] [traceID={trace}] [nodeID=3] [collectionID={collection}] [segmentID={segment}] [isFlush=false] [isDropped=false] [startPositions=null] [checkpoints="[{\"segmentID\":{segment},\"position\":{\"channel_name\":\"{channel}\",\"msgID\":\"ezksLszxhwY=\",\"msgGroup\":\"datanode-3-{channel}-true\",\"timestamp\":{ts}},\"num_of_rows\":{d6}}]"]
[INFO] [datacoord/meta.go:621] ["meta update: update flush segments info - update flush segments info successfully"] [segmentID={segment}]
[INFO] [datacoord/services.go:482] ["flush segment with meta"] [traceID={trace}] [nodeID=3] [collectionID={collection}] [segmentID={segment}] [meta="[{\"fieldID\":100,\"binlogs\":[{\"entries_num\":{d5},\"timestamp_from\":{ts},\"timestamp_to\":{ts},\"log_path\":\"files/insert_log/{collection}/{collection}/{segment}/100/{log}\",\"log_size\":{d6}}]},{\"fieldID\":101,\"binlogs\":[{\"entries_num\":{d5},\"timestamp_from\":{ts},\"timestamp_to\":{ts},\"log_path\":\"files/insert_log/{collection}/{collection}/{segment}/101/{log2}\",\"log_size\":{d6}}]},{\"fieldID\":102,\"binlogs\":[{\"entries_num\":{d5},\"timestamp_from\":{ts},\"timestamp_to\":{ts},\"log_path\":\"files/insert_log/{collection}/{collection}/{segment}/102/{log3}\",\"log_size\":{d7}}]}]"]
[INFO] [datanode/segment.go:228] ["evictHistoryInsertBuffer done"] [segmentID={segment}] [ts={at} +00:00] [channel={channel}]
[INFO] [datanode/segment.go:251] ["evictHistoryDeleteBuffer done"] [segmentID={segment}] [ts={at} +00:00] [channel={channel}]
[INFO] [datanode/flush_manager.go:966] ["successfully save binlog"] [segmentID={segment}] [collectionID={collection}] [vchannel={channel}]
[INFO] [datanode/channel_meta.go:493] ["roll pk stats"] [segmentID={segment}]

12
[INFO] [datacoord/index_service.go:54] ["create index for segment"] [segmentID={segment}] [indexID={index}]
[INFO] [datacoord/index_meta.go:220] ["meta update: adding segment index"] [collectionID={collection}] [segmentID={segment}] [indexID={index}] [buildID={build}]
[INFO] [datacoord/index_builder.go:152] ["indexBuilder enqueue task"] [buildID={build}]
[INFO] [datacoord/index_builder.go:321] ["index task assigned successfully"] [buildID={build}] [segmentID={segment}] [nodeID=3]
[INFO] [indexnode/task.go:150] ["IndexNode IndexBuilderTask Enqueue"] [buildID={build}] [segmentID=0]
[INFO] [indexnode/task.go:156] ["Begin to prepare indexBuildTask"] [buildID={build}] [Collection=0] [SegmentID=0]
[INFO] [indexnode/task.go:325] ["index params are ready"] [buildID={build}] ["index params"="{\"M\":\"16\",\"dim\":\"128\",\"efConstruction\":\"100\",\"index_type\":\"HNSW\",\"metric_type\":\"L2\"}"]
[INFO] [indexnode/task.go:363] ["Successfully build index"] [buildID={build}] [Collection={collection}] [SegmentID={segment}] [currentIndexVersion=1]
[INFO] [indexnode/task.go:401] ["Successfully save index files"] [buildID={build}] [Collection={collection}] [partition={collection}] [SegmentId={segment}]
[INFO] [datacoord/index_builder.go:375] ["this task has been finished"] [buildID={build}] ["index state"=Finished]
[INFO] [datacoord/index_meta.go:558] ["finish index task success"] [buildID={build}] [state=Finished] ["fail reason"=] [current_index_version=1]
[INFO] [indexnode/indexnode_service.go:173] ["drop index build jobs"] [traceID={trace}] [clusterID=by-dev] [indexBuildIDs="[{build}]"]
[INFO] [indexnode/taskinfo_ops.go:88] ["delete task infos"] [traceID={trace}] [cluster_id=by-dev] [build_id={build}]

9
[INFO] [datacoord/compaction_trigger.go:910] ["total delete entities is too much, trigger compaction"] [segmentID={segment}] [numRows={d6}] ["deleted rows"={d6}] ["delete log size"={d7}]
[INFO] [datacoord/compaction_trigger.go:662] ["generate a plan for small candidates"] ["plan segmentIDs"="[{segment},{segment2},{segment3}]"] ["target segment row"={d6}] ["target segment size"={d9}]
[INFO] [datacoord/compaction_trigger.go:623] ["generate a plan for priority candidates"] [plan="segmentBinlogs:<segmentID:{segment} fieldBinlogs:<fieldID:103 {binlogs}> > timeout_in_seconds:900 type:MixCompaction channel:\"{channel}\" collection_ttl:9223372036854775807 total_rows:{d6} "]
[INFO] [datacoord/compaction.go:230] ["acquire queue"] [planID={plan}] [nodeID=3]
[INFO] [datanode/compaction_executor.go:94] ["start to execute compaction"] [planID={plan}] [Collection={collection}] [channel={channel}]
[INFO] [datanode/compactor.go:462] ["compact start"] [planID={plan}] ["timeout in seconds"=900]
[INFO] [datanode/compactor.go:577] ["compact inject elapse"] [planID={plan}] [elapse={d2}.{d3}µs]
[INFO] [datanode/compactor.go:173] ["mergeDeltalogs end"] [planID={plan}] ["number of deleted pks to compact in insert logs"=0] [elapse={d3}ns]
[INFO] [datacoord/session_manager.go:201] ["success to execute compaction"] [node=3] [planID={plan}]
[INFO] [datacoord/compaction.go:249] ["start compaction"] [planID={plan}] [nodeID=3]
[INFO] [datanode/compactor.go:420] ["compact merge end"] [planID={plan}] ["remaining insert numRows"={d6}] ["expired entities"=0] ["binlog file number"=11] ["download insert log elapse"={d3}.{d6}ms] ["upload insert log elapse"={d1}.{d9}s] ["merge elapse"={d1}.{d9}s]
[INFO] [datanode/compactor.go:654] ["compact done"] [planID={plan}] [targetSegmentID={target}] [compactedFrom="[{segment},{segment2},{segment3}]"] ["num of binlog paths"=8] ["num of stats paths"=1] ["num of delta paths"=0]
[INFO] [datanode/compactor.go:662] ["compact overall elapse"] [planID={plan}] [elapse={d1}.{d9}s]
[INFO] [datanode/compaction_executor.go:107] ["end to execute compaction"] [planID={plan}]
[INFO] [datacoord/compaction.go:350] ["compaction completed"] [planID={plan}] [nodeID=3]
[INFO] [datacoord/meta.go:1091] ["meta update: prepare for complete compaction mutation - complete"] [collectionID={collection}] [partitionID={collection}] ["new segment ID"={target}] ["new segment num of rows"={d6}] ["compacted from"="[{segment},{segment2},{segment3}]"]
[INFO] [datacoord/meta.go:1193] ["meta update: alter in memory meta after compaction - complete"] ["compact to segment ID"={target}] ["compact from segment IDs"="[{segment},{segment2},{segment3}]"]
[INFO] [datacoord/compaction.go:321] ["handleCompactionResult: success to handle merge compaction result"] [planID={plan}]
[WARN] [delegator/delegator_data.go:702] ["found redundant growing segments"] [growingSegments="[{segment},{segment2},{segment3}]"]

12
[INFO] [task/executor.go:298] ["release segment..."] [taskID={task}] [collectionID={collection}] [replicaID={replica}] [segmentID={segment}] [node=3] [source=segment_checker] [shardLeader=3]
[INFO] [querynodev2/services.go:537] ["received release segment request"] [traceID={trace}] [collectionID={collection}] [shard={channel}] [segmentIDs="[{segment}]"] [currentNodeID=3] [scope=Historical] [needTransfer=true]
[INFO] [segments/segment.go:982] ["delete segment from memory"] [collectionID={collection}] [partitionID={collection}] [segmentID={segment}] [segmentType=Sealed] [insertCount={d5}]
[INFO] [task/executor.go:309] ["release segment done"] [taskID={task}] [collectionID={collection}] [replicaID={replica}] [segmentID={segment}] [node=3] [source=segment_checker] [shardLeader=3] [taskID={task}] ["time taken"={d2}.{d6}ms]

12
[WARN] [server/rocksmq_impl.go:670] ["rocksmq produce too slowly"] [topic={channel}] ["get lock elapse"={d3}] ["alloc elapse"=0] ["write elapse"=0] ["updatePage elapse"=1] ["produce total elapse"={d3}]
[WARN] [rootcoord/timeticksync.go:313] ["rootcoord send tt to all channels too slowly"] [chanNum=8] [span={d3}]

8
[WARN] [tso/tso.go:178] ["clock offset is huge, check network latency and clock skew"] [jet-lag={d3}.{d6}ms] [prev-physical={at} +00:00] [now={at} +00:00]

10
[WARN] [delegator/delegator.go:527] ["delegator search failed to wait tsafe"] [traceID={trace}] [collectionID={collection}] [channel={channel}] [replicaID={replica}] [error="context deadline exceeded"]
[WARN] [querynodev2/handlers.go:227] ["failed to search on delegator"] [traceID={trace}] [msgID={msg}] [collectionID={collection}] [channel={channel}] [scope=All] [error="context deadline exceeded"]
[WARN] [proxy/impl.go:3146] ["Search failed to WaitToFinish"] [traceID={trace}] [role=proxy] [db=default] [collection={name}] [partitions="[]"] [dsl="category == \"c{d6}\""] [len(PlaceholderGroup)=3084] [OutputFields="[id,title]"] [search_params="[{\"key\":\"topk\",\"value\":\"10\"},{\"key\":\"params\",\"value\":\"{\\\"ef\\\":64}\"},{\"key\":\"metric_type\",\"value\":\"COSINE\"},{\"key\":\"anns_field\",\"value\":\"embedding\"}]"] [ConsistencyLevel=Strong] [useDefaultConsistency=false] [guarantee_timestamp={ts}] [nq=1] [error="failed to search: context deadline exceeded"]

1
[INFO] [querycoordv2/services.go:123] ["load collection request received"] [traceID={trace}] [dbID=1] [collectionID={collection}] [replicaNumber=1] [resourceGroups="[]"] [refreshMode=false]
[INFO] [observers/collection_observer.go:214] ["partition load progress"] [collectionID={collection}] [partitionID={collection}] [subChannelCount=1] [loadSegmentCount={d2}]
[INFO] [observers/collection_observer.go:237] ["load status updated"] [collectionID={collection}] [partitionID={collection}] [partitionLoadPercentage=100] [collectionLoadPercentage=100]
[INFO] [querycoordv2/services.go:248] ["release collection request received"] [traceID={trace}] [collectionID={collection}]
[INFO] [querycoordv2/services.go:280] ["collection released"] [traceID={trace}] [collectionID={collection}]
"""

# A compaction plan lists every binlog, and makes the longest lines of a log: some ten thousand bytes.
_BINLOG = (
    r"binlogs:<entries_num:{d5} timestamp_from:{ts} timestamp_to:{ts} "
    r"log_path:\"files/insert_log/{collection}/{collection}/{segment}/103/{log}\" log_size:{d7} > "
)
_BINLOGS = 100
_SLOT = re.compile(r"\{([a-z]+)(\d*)\}")
_ID = "45780"  # how ids begin, 13 digits follow: they are time stamps too, and segments live long
_ID_DIGITS = 13
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_DAY_MS = 86_400_000


def stamp_digits(times_ms: np.ndarray) -> np.ndarray:
    """Times as `2025/11/03 00:00:00.000`, one row of 23 bytes each."""
    rows = np.empty((len(times_ms), 23), np.uint8)
    days, of_day = np.divmod(times_ms, _DAY_MS)
    for day in np.unique(days).tolist():
        text = str(np.datetime64(day, "D")).replace("-", "/") + " 00:00:00.000"
        rows[days == day] = np.frombuffer(text.encode(), np.uint8)
    seconds, ms = np.divmod(of_day, 1000)
    for value, first, width in (
        (seconds // 3600, 11, 2),
        (seconds // 60 % 60, 14, 2),
        (seconds % 60, 17, 2),
        (ms, 20, 3),
    ):
        rows[:, first : first + width] = _digits(value, width)
    return rows


def _digits(values: np.ndarray, width: int) -> np.ndarray:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + 48).astype(np.uint8)


@dataclass(slots=True)
class _Slots:
    """Where in a block's bytes values of one kind go, and what each belongs to: a line, or one of a group's names."""

    width: int
    starts: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Byte positions, a row for each value; and the owner of each row."""
        starts = np.array(self.starts, np.intp).reshape(-1, 1)
        return starts + np.arange(self.width), np.array(self.owners, np.intp)


class Block:
    """Some thousand lines as one run of bytes, made once; each time they are written, what varies is put in anew."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._text = bytearray()
        self._stamps, self._tsos, self._unix_ms = _Slots(23), _Slots(18), _Slots(13)
        self._traces, self._ids = _Slots(32), _Slots(_ID_DIGITS)
        self._fresh: list[int] = []
        self._names: dict[tuple[int, str], int] = {}
        starts = []
        for line, (group, text) in enumerate(_ordered_lines(rng)):
            starts.append(len(self._text))
            self._add(line, group, text)
        self.starts = np.array([*starts, len(self._text)])
        self._bytes = np.frombuffer(self._text, np.uint8)
        slots = (self._stamps, self._tsos, self._unix_ms, self._traces, self._ids)
        self._places = [slot.places() for slot in slots]
        self._fresh_places = np.array(self._fresh, np.intp)
        self._groups = max(group for group, _ in self._names) + 1

    def _add(self, line: int, group: int, text: str) -> None:
        self._text += b"["
        self._slot(self._stamps, line)
        self._text += b" +00:00] "
        at = 0
        for match in _SLOT.finditer(text):
            self._text += text[at : match.start()].encode()
            self._fill(match[1], match[2], line, group)
            at = match.end()
        self._text += text[at:].encode() + b"\n"

    def _fill(self, name: str, number: str, line: int, group: int) -> None:
        by_line = {"at": self._stamps, "ts": self._tsos, "unixms": self._unix_ms}
        if name == "d":
            self._fresh.extend(range(len(self._text), len(self._text) + int(number)))
            self._text += b"0" * int(number)
        elif name in by_line:
            self._slot(by_line[name], line)
        elif name == "trace":
            self._names.setdefault((group, name), len(self._names))
            self._slot(self._traces, group)
        else:
            self._text += _ID.encode()
            self._slot(self._ids, self._names.setdefault((group, name + number), len(self._names)))

    def _slot(self, slots: _Slots, owner: int) -> None:
        slots.starts.append(len(self._text))
        slots.owners.append(owner)
        self._text += b"0" * slots.width

    def write(self, rng: np.random.Generator, times_ms: np.ndarray) -> memoryview:
        """The block's lines at these times, with ids, traces and numbers of their own; valid until the next call."""
        tso = times_ms - 200 << 18
        traces = _HEX[_random_bytes(rng, self._groups * 32) & 15].reshape(-1, 32)
        ids = (_random_bytes(rng, len(self._names) * _ID_DIGITS) % 9 + 49).reshape(-1, _ID_DIGITS)
        values = (stamp_digits(times_ms), _digits(tso, 18), _digits(times_ms, 13), traces, ids)
        for (places, owners), rows in zip(self._places, values, strict=True):
            self._bytes[places] = rows[owners]
        self._bytes[self._fresh_places] = _random_bytes(rng, len(self._fresh_places)) % 9 + 49
        return memoryview(self._text)


def _random_bytes(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.frombuffer(rng.bytes(count), np.uint8)


def _ordered_lines(rng: np.random.Generator) -> list[tuple[int, str]]:
    """(number of the group, text) of a block's lines: groups drawn by weight, begun anywhere, woven into each other."""
    weights, groups = _groups()
    edges = np.cumsum(weights) / np.sum(weights)
    collections = list(COLLECTIONS.values())
    placed: list[tuple[float, int, str]] = []
    number = 0
    while len(placed) < LINES_IN_BLOCK:
        group = groups[min(int(np.searchsorted(edges, rng.random())), len(groups) - 1)]
        collection = collections[int(rng.integers(len(collections)))]
        begin, step = rng.random(), rng.uniform(0.1, 20) / LINES_IN_BLOCK
        placed += [(begin + n * step, number, _of_collection(text, collection)) for n, text in enumerate(group)]
        number += 1
    placed.sort(key=lambda entry: entry[0])
    return [(group, text) for _, group, text in placed[:LINES_IN_BLOCK]]


@cache
def _groups() -> tuple[list[int], list[list[str]]]:
    text = _GROUPS.strip().replace("{binlogs}", _BINLOG * _BINLOGS)
    parts = [part.strip().split("\n") for part in text.split("\n\n")]
    return [int(part[0]) for part in parts], [part[1:] for part in parts]


def _of_collection(text: str, collection: Collection) -> str:
    channel = f"by-dev-rootcoord-dml_{collection.shard}_{collection.id}v0"
    text = text.replace("{collection}", str(collection.id)).replace("{channel}", channel)
    return text.replace("{name}", collection.name)


# --- Both together ----------------------------------------------------------------------------------------------------


def chunks(
    size_bytes: int | None = None,
    slow_lines: int | None = None,
    slow_share: float = 0.01,
    *,
    seed: int = 1,
    version: str = "2.5.16",
    distinct_filters: int = 5000,
) -> Iterator[bytes]:
    """Whole lines, in pieces of some MB, up to about `size_bytes` or to exactly `slow_lines`; without either, for ever.

    With both, that many slow lines are spread evenly over that size. `slow_share` is the share of lines that are slow
    where the two do not settle it. `distinct_filters` is the number of filter texts; 0 gives each line its own.
    """
    rng = np.random.default_rng(seed)
    slow = SlowLines(rng, version, distinct_filters)
    blocks: list[Block] = []
    plan = _Plan(size_bytes, slow_lines, slow_share)
    now_ms, number = START_MS, 0
    while not plan.done():
        block = None
        if plan.needs_background():
            if len(blocks) < BLOCKS:
                blocks.append(Block(rng))
            block = blocks[number % len(blocks)]
        background = LINES_IN_BLOCK if block else 0
        slow_count = plan.slow_lines_beside(len(block.starts) - 1 if block else 0, block.starts[-1] if block else 0)
        times_ms = now_ms + np.cumsum(rng.exponential(MEAN_GAP_MS, background + slow_count)).astype(np.int64)
        now_ms, number = int(times_ms[-1]), number + 1
        is_slow = np.zeros(len(times_ms), bool)
        is_slow[rng.choice(len(times_ms), slow_count, replace=False)] = True
        lines = slow.at(times_ms[is_slow])
        before = np.flatnonzero(is_slow) - np.arange(slow_count)  # background lines that come first
        yield plan.take(_woven(block, rng, times_ms[~is_slow], lines, before) if block else lines, lines)


def _woven(
    block: Block, rng: np.random.Generator, times_ms: np.ndarray, lines: list[bytes], before: np.ndarray
) -> list[bytes | memoryview]:
    text = block.write(rng, times_ms)
    pieces: list[bytes | memoryview] = []
    at = 0
    for line, cut in zip(lines, block.starts[before].tolist(), strict=True):
        pieces += (text[at:cut], line)
        at = cut
    return [*pieces, text[at:]]


class _Plan:
    """How much is still to be written, and how many slow lines the next piece gets."""

    def __init__(self, size_bytes: int | None, slow_lines: int | None, slow_share: float) -> None:
        if not 0 <= slow_share <= 1:
            raise ValueError(f"the share of slow lines is {slow_share}, and must be from 0 to 1")
        self._bytes_left, self._slow_left, self._share = size_bytes, slow_lines, slow_share
        self._owed = 0.0
        self._slow_bytes = float(SLOW_BYTES)

    def done(self) -> bool:
        if self._bytes_left is not None:
            return self._bytes_left <= 0
        return self._slow_left is not None and self._slow_left <= 0

    def needs_background(self) -> bool:
        return self._share < 1 or (self._bytes_left is not None and self._slow_left is not None)

    def slow_lines_beside(self, lines: int, lines_bytes: int) -> int:
        """The number of slow lines for a piece that has `lines` others."""
        if not lines:
            self._owed = float(LINES_IN_BLOCK)
        elif self._bytes_left is not None and self._slow_left is not None:
            others_left = max(self._bytes_left - self._slow_left * self._slow_bytes, lines_bytes)
            self._owed += self._slow_left * min(lines_bytes / others_left, 1)
        else:
            self._owed += lines * self._share / (1 - self._share)
        count = round(self._owed) if self._slow_left is None else min(round(self._owed), self._slow_left)
        self._owed -= count
        return count

    def take(self, pieces: Sequence[bytes | memoryview], slow: list[bytes]) -> bytes:
        """Join what is to be written, cut at a line end where the size is reached, and count it."""
        if slow:
            self._slow_bytes = sum(map(len, slow)) / len(slow)
        text = b"".join(pieces)
        exact = self._slow_left is not None
        if self._slow_left is not None:
            self._slow_left -= len(slow)
        if self._bytes_left is None:
            return text
        if len(text) > self._bytes_left and not (exact and slow):
            text = text[: text.find(b"\n", self._bytes_left - 1) + 1]
        self._bytes_left = max(self._bytes_left - len(text), 1 if self._slow_left else 0)
        return text


def lines(
    count: int,
    slow_share: float = 0.01,
    *,
    seed: int = 1,
    version: str = "2.5.16",
    distinct_filters: int = 5000,
) -> Iterator[bytes]:
    """The first `count` lines of such a log, each with its line feed; for tests."""
    for chunk in chunks(slow_share=slow_share, seed=seed, version=version, distinct_filters=distinct_filters):
        for line in chunk.splitlines(keepends=True)[:count]:
            yield line
            count -= 1
        if not count:
            return


def parse_size(text: str) -> int:
    """`1GiB`, `128MiB`, `64KiB` or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])i?)?B?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 1GiB")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def _parse_distinct(text: str) -> int:
    return ALL_DISTINCT if text == "all" else int(text)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write a Milvus log, or a log of the same size for one of the peers.")
    parser.add_argument("--size", type=parse_size, help="like 1GiB")
    parser.add_argument("--slow-share", type=float, default=0.01, help="share of the lines that are slow, 0 to 1")
    parser.add_argument("--slow-lines", type=int, help="exactly so many slow lines (for peers: entries)")
    parser.add_argument("--distinct-filters", type=_parse_distinct, default=5000, help="a number, or all")
    parser.add_argument("--version", default="2.5.16", help="the Milvus version whose slow lines to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default="-", help="a file, or - for standard output")
    peers = parser.add_mutually_exclusive_group()
    peers.add_argument("--pgbadger", action="store_true", help="write a PostgreSQL log on stderr's form instead")
    peers.add_argument("--mysql-slow", action="store_true", help="write a MySQL slow query log instead")
    arguments = parser.parse_args(given)
    if arguments.size is None and arguments.slow_lines is None:
        parser.error("give --size, --slow-lines or both")
    if (arguments.pgbadger or arguments.mysql_slow) and arguments.slow_lines is None:
        parser.error("give --slow-lines: the number of entries in a peer's log")
    return arguments


def _asked_for(arguments: argparse.Namespace) -> Iterator[bytes]:
    if arguments.pgbadger or arguments.mysql_slow:
        from bench import peers

        write = peers.postgres_log if arguments.pgbadger else peers.mysql_log
        return write(arguments.slow_lines, arguments.seed, arguments.distinct_filters)
    return chunks(
        arguments.size,
        arguments.slow_lines,
        arguments.slow_share,
        seed=arguments.seed,
        version=arguments.version,
        distinct_filters=arguments.distinct_filters,
    )


def main(given: Sequence[str] | None = None) -> int:
    """Write what the command line asks for."""
    arguments = _arguments(given)
    to_stdout = arguments.output == "-"
    try:
        with nullcontext(sys.stdout.buffer) if to_stdout else Path(arguments.output).open("wb") as output:
            for chunk in _asked_for(arguments):
                output.write(chunk)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads has had enough
        sys.stderr.close()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
