"""What a reporter tells, without any log or metrics, is enough to name the cause where it points at one."""

from __future__ import annotations

from textwrap import dedent

import pytest

from slowq.triage import diagnose
from tests.builders import case

HNSW = "{name: vec, type: FLOAT_VECTOR, dim: 768, index: {type: HNSW, metric: COSINE, params: {M: 16, efConstruction: 200}}}"


def docs(*fields: str, rows: int = 5_000_000, vector: str = HNSW, more: str = "") -> str:
    return f"collections: [{{name: docs, rows: {rows}, {more}fields: [{', '.join((vector, *fields))}]}}]"


def vector(index: str) -> str:
    return f"{{name: vec, type: FLOAT_VECTOR, dim: 768, index: {index}}}"


TWICE = "requests: [{kind: search, duration_s: 2, fast_duration_s: 0.05}]"

CASES = [
    (
        "high_concurrency",
        docs(rows=1_000_000),
        """
        observations: {concurrency: 400, qps: 2500, cpu_share: 0.97}
        requests: [{kind: search, top_k: 10, duration_s: 1.5, fast_duration_s: 0.02}]""",
    ),
    ("large_nq", docs(), "requests: [{kind: search, nq: 2000, top_k: 10, duration_s: 9}]"),
    (
        "large_nq",
        docs(),
        "requests: [{kind: search, nq: 1, duration_s: 0.02}, {kind: search, nq: 5000, duration_s: 30}]",
    ),
    ("large_result", docs(), "requests: [{kind: search, nq: 1, top_k: 16384, duration_s: 4.2}]"),
    (
        "large_result",
        docs(),
        "requests: [{kind: search, nq: 1, top_k: 1000, output_fields: [id, vec], duration_s: 3, fast_duration_s: 0.05}]",
    ),
    (
        "search_fanout",
        docs(),
        "requests: [{kind: hybrid_search, sub_requests: 5, duration_s: 2.5}, {kind: search, duration_s: 0.3}]",
    ),
    (
        "search_fanout",
        docs(),
        "requests: [{kind: search, top_k: 50, search_params: {group_by_field: doc}, duration_s: 3, fast_duration_s: 0.1}]",
    ),
    (
        "search_fanout",
        docs(),
        """
        observations: {cpu_share: 0.05, qps: 8}
        requests: [{kind: search, top_k: 100, search_params: {group_by_field: (not stated)}, duration_s: 0.3}]""",
    ),
    (
        "search_fanout",
        docs(),
        "requests: [{kind: search, search_params: {group_by_field: doc, group_size: 3, strict_group_size: true}, top_k: 50}]",
    ),
    (
        "complex_expression",
        docs("{name: uid, type: INT64, index: null}"),
        "requests: [{kind: search, filter: 'uid in [1, 2, 3]', in_list_length: 30000, duration_s: 3}]",
    ),
    (
        "unindexed_scalar_filter",
        docs("{name: price, type: DOUBLE, index: null}"),
        "requests: [{kind: search, filter: price < 10, duration_s: 2.5, fast_duration_s: 0.03}]",
    ),
    (
        "json_filter",
        docs("{name: meta, type: JSON}"),
        """requests: [{kind: search, filter: 'meta["color"] == "red"', duration_s: 3.1}]""",
    ),
    (
        "json_filter",
        docs("{name: meta, type: JSON}"),
        """
        events: [{what: flush}]
        pattern: {only_after: flush}
        requests: [{kind: search, filter: 'meta["n"] >= 0 and meta["n"] <= 10', duration_s: 35.8, fast_duration_s: 0.16}]""",
    ),
    (
        "pattern_filter",
        docs("{name: title, type: VARCHAR}"),
        """requests: [{kind: search, filter: 'title like "%foo%"', duration_s: 0.085, fast_duration_s: 0.009}]""",
    ),
    (
        "pattern_filter",
        docs("{name: title, type: VARCHAR}"),
        """requests: [{kind: search, filter: '(not stated) like "%foo%"', duration_s: 2, fast_duration_s: 0.1}]""",
    ),
    (
        "consistency_wait",
        docs(),
        "requests: [{kind: search, consistency: Strong, duration_s: 0.4, fast_duration_s: 0.02}]",
    ),
    (
        "consistency_wait",
        docs(more="consistency: Strong, "),
        """
        observations: {wait_tsafe_s: 0.3}
        requests: [{kind: search, duration_s: 0.35}]""",
    ),
    (
        "brute_force",
        docs(rows=10_000_000, vector=vector("{type: FLAT, metric: L2}")),
        TWICE.replace(", fast_duration_s: 0.05", ""),
    ),
    (
        "brute_force",
        docs(rows=3_000_000, vector=vector("null")),
        "requests: [{kind: search, top_k: 10, duration_s: 4}]",
    ),
    (
        "search_params",
        docs(vector=vector("{type: IVF_FLAT, metric: L2, params: {nlist: 4096}}")),
        "requests: [{kind: search, top_k: 10, search_params: {nprobe: 2048}, duration_s: 2.5}]",
    ),
    (
        "disk_bound_index",
        docs(vector=vector("{type: DISKANN, metric: L2}")),
        """
        hardware: {disk: hdd}
        requests: [{kind: search, top_k: 10, duration_s: 3}]""",
    ),
    (
        "disk_bound_index",
        docs(vector=vector("{type: DISKANN, metric: L2}")),
        """
        observations: {cpu_share: 0.1}
        requests: [{kind: search, top_k: 10, duration_s: 1}]""",
    ),
    ("disk_bound_index", docs(vector=vector("{type: IVF_FLAT, mmap: true}")), TWICE),
    (
        "cold_cache",
        docs(vector=vector("{type: FLAT, mmap: true}")),
        """
        pattern: {only_first_searches: true}
        requests: [{kind: search, duration_s: 30, fast_duration_s: 0.05}]""",
    ),
    (
        "binary_vector_index",
        docs(vector="{name: v, type: BINARY_VECTOR, dim: 1024, index: {type: BIN_FLAT, metric: JACCARD}}"),
        "requests: [{kind: search, top_k: 10, duration_s: 2}]",
    ),
    ("growing_segments", docs(), "pattern: {only_while_writing: true}\nobservations: {writes_per_s: 5000}\n" + TWICE),
    (
        "growing_segments",
        docs(more="segments: {sealed: 4, indexed: 4}, "),
        "events: [{what: import, detail: without a flush}]\npattern: {only_after: import}\n" + TWICE,
    ),
    ("growing_segments", docs(more="segments: {indexed: 0}, "), TWICE),
    ("heavy_delete", docs(), "observations: {deletes_per_s: 3000}\n" + TWICE),
    (
        "heavy_delete",
        docs(),
        "events: [{what: delete, detail: most of the rows}]\npattern: {only_while_writing: true}\n" + TWICE,
    ),
    ("compaction", docs(), "events: [{what: compaction}]\n" + TWICE),
    ("index_build", docs(), "events: [{what: index_build}]\nobservations: {cpu_share: 0.98}\n" + TWICE),
    ("segment_load", docs(), "events: [{what: balance}]\n" + TWICE),
    ("disk_saturation", docs(), "observations: {disk_util_share: 0.99, cpu_share: 0.2}\n" + TWICE),
    ("memory_pressure", docs(), "observations: {memory_share: 0.97}\n" + TWICE),
    ("too_many_collections", "totals: {collections: 6000}", "milvus: {version: 2.4.5}\nrequests: [{duration_s: 3}]"),
    (
        "too_many_collections",
        f"collections: [{{fields: [{vector('{type: FLAT}')}]}}]\ntotals: {{collections: 500}}",
        "milvus: {version: 2.2.12}\nrequests: [{duration_s: 20, timeout: true}]",
    ),
    (
        "version_regression",
        docs(),
        "milvus: {version: 2.3.4}\nevents: [{what: upgrade, detail: 2.2.14 to 2.3.4}]\npattern: {only_after: upgrade}\n"
        + TWICE,
    ),
    (
        "timetick_stall",
        docs(more="consistency: Bounded, "),
        """
        dependencies: {message_queue: pulsar, state: {message_queue: lagging}}
        observations: {wait_tsafe_s: 6.0}
        requests: [{kind: search, duration_s: 6.5}]""",
    ),
    ("consistency_wait", docs(), "observations: {wait_tsafe_s: 0.2}\nrequests: [{kind: search}]"),
    (
        "unindexed_scalar_filter",
        docs("{name: tag, type: VARCHAR, index: null}"),
        """
        observations: {scalar_filter_s: 0.024, vector_search_s: 0.004}
        requests: [{kind: search, filter: tag == "a", duration_s: 0.03}]""",
    ),
    # The same batch was faster before.
    (
        "version_regression",
        docs(),
        """
        milvus: {version: 2.2.3}
        events: [{what: upgrade, detail: 2.1.4 to 2.2.3}]
        pattern: {only_after: upgrade}
        requests: [{kind: search, nq: 10000, top_k: 100, duration_s: 33, fast_duration_s: 3}]""",
    ),
    ("clock_skew", docs(), "dependencies: {clock_offset_s: 7}\nrequests: [{duration_s: 7.1, fast_duration_s: 0.05}]"),
    ("storage_stall", docs(), "dependencies: {state: {object_storage: lagging}}\nrequests: [{duration_s: 9}]"),
    ("storage_stall", docs(), "events: [{what: restart, subject: my-etcd-0}]\npattern: {only_after: restart}"),
    (
        "timetick_stall",
        docs(),
        f"events: [{{what: restart, subject: pulsar}}]\npattern: {{only_after: restart}}\n{TWICE}",
    ),
    ("client_or_network", docs(), "client: {p50_s: 0.9}\nserver: {p50_s: 0.02}"),
    ("client_or_network", docs(), "client: {connection_per_request: true}\nrequests: [{kind: search, top_k: 5}]"),
    ("client_or_network", docs(), "client: {p50_s: 93.7}\nrequests: [{kind: search, top_k: 500, duration_s: 1.12}]"),
    # Two factors of one product are no rivals.
    (
        "large_nq",
        docs(vector=vector("{type: IVF_FLAT, params: {nlist: 1024}}")),
        "requests: [{kind: search, nq: 10000, top_k: 10, search_params: {nprobe: 512}, timeout: true}]",
    ),
    # Of what a request asks, all that is told will do.
    ("search_fanout", docs(), "requests: [{kind: search, top_k: 100, search_params: {radius: 0.4}, duration_s: 5}]"),
    ("large_result", docs(), "requests: [{kind: search, output_fields: ['*'], top_k: 1000, duration_s: 3}]"),
    # What it asks, it asked before the upgrade as well (issue #22570).
    (
        "version_regression",
        docs(),
        """
        milvus: {version: 2.2.3}
        pattern: {only_after: upgrade}
        requests: [{kind: search, top_k: 1200, search_params: {ef: 1200}, duration_s: 0.2, fast_duration_s: 0.016}]""",
    ),
    (
        "version_regression",
        docs(),
        "events: [{what: upgrade}]\npattern: {only_after: upgrade}\nrequests: [{kind: search, nq: 10000, top_k: 10}]",
    ),
    # What times out takes longer than what takes milliseconds.
    (
        "search_fanout",
        docs(vector=vector("{type: DISKANN}")),
        "requests: [{kind: search, timeout: true, fast_duration_s: 0.15, search_params: {radius: (not stated)}}]",
    ),
    # The segments of a query node that goes away move to the others.
    (
        "segment_load",
        docs(),
        "events: [{what: restart, subject: one query node}]\npattern: {only_after: restart}\nrequests: [{kind: search}]",
    ),
    # A filter that is not given, or in part, on the only field that it can be on.
    ("json_filter", docs("{name: meta, type: JSON, index: null}"), "requests: [{kind: search, filter: (not stated)}]"),
    (
        "unindexed_scalar_filter",
        docs("{type: ARRAY, index: null}"),
        "requests: [{kind: query, filter: array_contains_any(…)}]",
    ),
    ("pattern_filter", docs(), "requests: [{kind: query, filter: (not stated field) like (not stated)}]"),
    (
        "json_filter",
        docs("{name: id, type: INT64, primary: true}", "{name: meta, type: JSON, index: null}"),
        "requests: [{kind: search, filter: (not stated)}]",
    ),
    # Who tells of a small request and of a large one compares them.
    ("large_result", docs(), "requests: [{kind: search, top_k: 1}, {kind: search, top_k: 1000}]"),
    (
        "large_nq",
        docs(),
        "requests: [{kind: search, nq: 1, top_k: 10}, {kind: search, nq: 10, top_k: 10}, {kind: search, nq: 2000, top_k: 10}]",
    ),
    ("search_fanout", docs(), "requests: [{kind: hybrid_search, sub_requests: 1024}, {kind: search}, {kind: query}]"),
    # Rows came, whatever word somebody has for it.
    ("growing_segments", docs(), "pattern: {only_after: Insert}\nrequests: [{kind: search}]"),
    # Before 2.4 one switch maps fields and indexes.
    (
        "disk_bound_index",
        docs(vector="{name: vec, type: FLOAT_VECTOR, mmap: true, index: {type: IVF_FLAT}}"),
        """
        milvus: {version: 2.3.2}
        events: [{what: config, detail: MMap switched on}]
        pattern: {only_after: config}
        requests: [{kind: search}]""",
    ),
    # A range search goes on whatever nprobe is.
    (
        "search_fanout",
        docs(vector=vector("{type: IVF_PQ, params: {nlist: 1024}}")),
        "requests: [{kind: search, search_params: {nprobe: 512, radius: 0.4}}]",
    ),
    # Half precision without SIMD (issue #34329).
    (
        "version_regression",
        docs(vector="{name: vec, type: FLOAT16_VECTOR, index: {type: HNSW}}"),
        "milvus: {version: 2.4.4}\nrequests: [{kind: search}]",
    ),
    (
        "client_or_network",
        docs(),
        """
        client: {p50_s: 50}
        server: {p50_s: 10}
        requests: [{kind: search, nq: 1000, top_k: 10000, duration_s: 50}]""",
    ),
]


@pytest.mark.parametrize(("cause", "schema", "facts"), CASES, ids=[f"{one[0]}-{at}" for at, one in enumerate(CASES)])
def test_the_cause_that_facts_point_at_is_named(cause: str, schema: str, facts: str) -> None:
    assert diagnose(case(facts=f"{schema}\n{dedent(facts)}")).verdict.sub_cause == cause


@pytest.mark.parametrize(
    "facts",
    [
        # A number alone, and a request that is usual.
        "totals: {collections: 400}\nrequests: [{kind: search, duration_s: 36, fast_duration_s: 0.13}]",
        f"{docs(rows=800, vector='{name: vec, type: FLOAT_VECTOR}')}\nrequests: [{{filter: 'ext in [1, 2]', duration_s: 6}}]",
        f"{docs(vector=vector('{type: DISKANN}'))}\nhardware: {{disk: nvme}}\nrequests: [{{kind: search, duration_s: 2}}]",
        "client: {p50_s: 0.9, where: remote}\nrequests: [{kind: search, duration_s: 0.9}]",
        # Something ran beside it, and nothing says that it did it; several things did.
        "events: [{what: balance}]\nrequests: [{kind: search}]",
        f"events: [{{what: import}}, {{what: index_build}}, {{what: load}}]\n{TWICE}",
        # Something happened to the queue, and not only since then; or to a part of Milvus.
        f"events: [{{what: restart, subject: pulsar}}]\n{TWICE}",
        f"events: [{{what: restart, subject: mixcoord}}]\npattern: {{only_after: restart}}\n{TWICE}",
        # How many requests come at once is told of every benchmark.
        "observations: {concurrency: 50}\nrequests: [{kind: search, nq: 1, top_k: 1}]",
        "observations: {concurrency: 1500}\nrequests: [{kind: search, nq: 1, top_k: 1}]",
        # A filter that is not given, where it can be on another field.
        f"{docs('{name: meta, type: JSON}', '{name: a, type: INT64}')}\nrequests: [{{kind: search, filter: (not stated)}}]",
        # Since mmap was switched on, but for raw vectors that an index is searched in place of.
        f"{docs(vector='{name: vec, type: FLOAT_VECTOR, mmap: true, index: {type: HNSW}}')}\nmilvus: {{version: 2.4.4}}\n{TWICE}",
        # Two things that a request asks.
        "requests: [{kind: search, search_params: {radius: 0.4}, filter: tag == 1, duration_s: 5}]",
    ],
)
def test_where_they_point_nowhere_none_is(facts: str) -> None:
    assert diagnose(case(facts=facts)).verdict.outcome == "undetermined"


def test_the_filter_of_a_hybrid_search_is_told_as_any_other() -> None:
    found = diagnose(
        case(
            facts="""requests: [{kind: hybrid_search, filter: 'title like "%foo%"', duration_s: 3.2, fast_duration_s: 2.5}]"""
        )
    )
    assert {one.sub_cause for one in found.findings} >= {"search_fanout", "pattern_filter"}


def test_what_is_there_all_the_time_does_not_explain_what_comes_and_goes() -> None:
    flat = docs(rows=25_000_000, vector=vector("{type: FLAT}"))
    always, at_first = (
        {one.sub_cause: one.confidence for one in diagnose(case(facts=f"{flat}\n{facts}\n{TWICE}")).findings}
        for facts in ("", "pattern: {only_first_searches: true}")
    )
    assert at_first["brute_force"] <= 0.5 * always["brute_force"] + 0.01


def test_a_contrast_is_told_with_its_line() -> None:
    found = diagnose(case(facts=f"{docs()}\nevents: [{{what: balance}}]\n{TWICE}")).findings[0]
    (evidence,) = [one for one in found.evidence if "at other times" in one.says]
    assert evidence.says == "The same request takes 50 ms at other times and 2.0 s here."
    assert (evidence.value, evidence.threshold) == (2.0, 0.15000000000000002)


@pytest.mark.parametrize(
    ("small", "large", "slow"),
    [
        ("nq: 1", "nq: 10", [False, True]),
        ("nq: 1", "nq: 9", [True, True]),
        ("top_k: 1", "top_k: 1000", [False, True]),
        ("nq: 100, top_k: 1", "nq: 1, top_k: 1000", [True, True]),
        ("top_k: 1, filter: a == 1", "top_k: 1000", [True, True]),
        ("top_k: 1, timeout: true", "top_k: 1000, timeout: true", [True, True]),
        ("nq: 1", "nq: 1, sub_requests: 16", [False, True]),
        ("nq: 1, duration_s: 2", "nq: 1000, duration_s: 3", [True, True]),
    ],
)
def test_of_two_requests_without_a_duration_one_may_be_what_the_other_is_compared_with(
    small: str, large: str, slow: list[bool]
) -> None:
    told = case(facts=f"requests: [{{kind: search, {small}}}, {{kind: search, {large}}}]")
    assert told.requests["slow"].tolist() == slow
