import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slowq.context import file as contract
from slowq.context import load
from slowq.errors import UsageError
from slowq.facts import (
    NO_INDEX,
    CollectionFacts,
    Context,
    EventFacts,
    FieldFacts,
    IndexFacts,
    Place,
    RequestFacts,
    SegmentFacts,
)

DATA = Path(__file__).parent / "data"

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write_context(text: str) -> str:
        Path("facts.yaml").write_text(text, encoding="utf-8")
        return "facts.yaml"

    return write_context


def refusal(path: str) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    return caught.value.message, caught.value.hint


def test_every_key_of_the_contract_is_read() -> None:
    context = load(str(DATA / "every_key.yaml"))
    lines = dict(context.lines)
    assert context == Context(
        milvus={"version": "2.4.5", "deployment": "cluster"},
        hardware={"query_nodes": 2, "cpus_per_node": 8.0, "memory_gib_per_node": 32.0, "disk": "nvme"},
        config={"queryNode.mmap.mmapEnabled": True},
        collections=(
            CollectionFacts(
                name="products",
                database="default",
                rows=12_000_000,
                partitions=16,
                shards=2,
                replicas=1,
                consistency="Bounded",
                fields=(
                    FieldFacts(
                        name="embedding",
                        type="FLOAT_VECTOR",
                        dim=768,
                        index=IndexFacts("HNSW", "COSINE", {"M": 16, "efConstruction": 200}, mmap=False),
                    ),
                    FieldFacts(name="tag", type="VARCHAR", index=NO_INDEX),
                    FieldFacts(name="meta", type="JSON", index=None),
                ),
                segments=SegmentFacts(sealed=40, growing=3, indexed=38, small=12),
                key="collections[0]",
            ),
        ),
        totals={"collections": 3000, "partitions": 12000, "segments": 50000},
        dependencies={
            "message_queue": "pulsar",
            "object_storage": "minio",
            "meta": "etcd",
            "state": {"message_queue": "lagging", "meta": "unavailable"},
            "clock_offset_s": -0.5,
        },
        client={
            "p50_s": 0.8,
            "p99_s": 4.2,
            "sdk": "pymilvus 2.4.4",
            "language": "python",
            "where": "same_host",
            "connection_per_request": False,
            "cpu_share": 0.5,
        },
        server={"p50_s": 0.01, "p99_s": 0.02},
        observations={
            "cpu_share": 0.95,
            "memory_share": 0.5,
            "disk_util_share": 0.25,
            "qps": 350.0,
            "concurrency": 64.0,
            "writes_per_s": 2000.0,
            "deletes_per_s": 0.0,
            "wait_tsafe_s": 0.2,
            "queue_s": 0.1,
            "scalar_filter_s": 0.3,
            "vector_search_s": 0.4,
            "reduce_s": 0.05,
        },
        observations_per_node=({"node": "querynode-1", "cpu_share": 0.98, "segments": 400},),
        events=(EventFacts("2025-08-23T19:20:00Z", "upgrade", "querynode-1", "2.3.3 to 2.3.5", key="events[0]"),),
        pattern={
            "only_first_searches": True,
            "only_with_filter": False,
            "only_after": "upgrade",
            "periodic_s": 3600.0,
            "all_collections": True,
            "min_duration_s": 0.2,
        },
        requests=(
            RequestFacts(
                kind="search",
                nq=1,
                top_k=10,
                offset=0,
                filter="price < 5",
                in_list_length=100,
                consistency="Strong",
                duration_s=5.2,
                fast_duration_s=0.02,
                search_params={"ef": 64, "iterator": False},
                output_fields=("id", "vec"),
                sub_requests=2,
                partitions=("p1",),
                rows_returned=7,
                timeout=False,
                key="requests[0]",
            ),
        ),
        notes=("whatever else was said",),
        path=str(DATA / "every_key.yaml"),
        lines=lines,
    )


def test_the_same_facts_in_json_are_the_same_context(write: Write) -> None:
    facts = yaml.safe_load((DATA / "every_key.yaml").read_text())
    written = load(write(json.dumps(facts, indent="\t", default=datetime.isoformat)))
    original = load(str(DATA / "every_key.yaml"))
    assert {name: getattr(written, name) for name in contract._SECTIONS} == {
        name: getattr(original, name) for name in contract._SECTIONS
    }


def test_every_section_of_a_context_has_a_reader() -> None:
    assert set(contract._SECTIONS) == {one.name for one in fields(Context)} - {
        "path",
        "lines",
        "sources",
        "asked",
        "asked_at",
        "trouble",
    }


@pytest.mark.parametrize("name", sorted(one.name for one in DATA.glob("*.yaml")))
def test_what_reporters_write_loads_and_every_key_has_its_line(name: str) -> None:
    path = DATA / name
    context = load(str(path))
    text = path.read_text().splitlines()
    for key, line in context.lines.items():
        word = key.rpartition(".")[2].partition("[")[0] if not key.endswith("]") else ""
        assert word in text[line - 1], key


def test_a_report_of_a_range_search_keeps_that_a_radius_was_used() -> None:
    context = load(str(DATA / "range_search.yaml"))
    assert context.requests == (
        RequestFacts(
            kind="search",
            nq=1,
            top_k=10000,
            search_params={"nprobe": 128, "radius": "(not stated)"},
            key="requests[0]",
        ),
    )


def test_lines_are_those_of_the_keys(write: Write) -> None:
    path = write(
        "milvus:\n"
        "  version: 2.4.5\n"
        "collections:\n"
        "- name: a\n"
        "  fields:\n"
        "  - {name: v, type: FLOAT_VECTOR}\n"
        "  - name: tag\n"
        "    index:\n"
        "      null\n"
        "requests: [{search_params: {ef: 64}}, {output_fields: [id,\n"
        "  vec]}]\n"
    )
    assert load(path).lines == {
        "milvus": 1,
        "milvus.version": 2,
        "collections": 3,
        "collections[0]": 4,
        "collections[0].name": 4,
        "collections[0].fields": 5,
        "collections[0].fields[0]": 6,
        "collections[0].fields[0].name": 6,
        "collections[0].fields[0].type": 6,
        "collections[0].fields[1]": 7,
        "collections[0].fields[1].name": 7,
        "collections[0].fields[1].index": 8,
        "requests": 10,
        "requests[0]": 10,
        "requests[0].search_params": 10,
        "requests[0].search_params.ef": 10,
        "requests[1]": 10,
        "requests[1].output_fields": 10,
        "requests[1].output_fields[0]": 10,
        "requests[1].output_fields[1]": 11,
    }


def test_a_key_that_is_not_there_is_cited_by_its_nearest_parent(write: Write) -> None:
    context = load(write("notes: []\ncollections:\n- name: a\n\n- name: b\n  rows: 5\n"))
    cited = {
        key: context.cite(key)
        for key in (
            "collections[1].rows",
            "collections[0].rows",
            "collections[0].fields[2].index",
            "collections[7].rows",
            "observations_per_node[0].cpu_share",
        )
    }
    assert cited == {
        "collections[1].rows": Place("facts.yaml", 6),
        "collections[0].rows": Place("facts.yaml", 3),
        "collections[0].fields[2].index": Place("facts.yaml", 3),
        "collections[7].rows": Place("facts.yaml", 2),
        "observations_per_node[0].cpu_share": Place("facts.yaml", 1),
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n", "null", "{}", "\ufeff"])
def test_an_empty_file_is_an_empty_context(write: Write, text: str) -> None:
    assert load(write(text)) == Context(path="facts.yaml")


def test_sections_without_content_are_unknown(write: Write) -> None:
    context = load(write("milvus:\ncollections:\nrequests: null\nconfig: ~\nevents: []\nserver: {}\n"))
    lines = {"milvus": 1, "collections": 2, "requests": 3, "config": 4, "events": 5, "server": 6}
    assert context == Context(path="facts.yaml", lines=lines)


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("2.4.5", "2.4.5"),
        ("2.3", "2.3"),
        ("2.10", "2.10"),
        ("'2.10'", "2.10"),
        ("2", "2"),
        ("2.0-dev (2021-05)", "2.0-dev (2021-05)"),
        ("master-20250421-ac1e0437", "master-20250421-ac1e0437"),
    ],
)
def test_a_version_keeps_its_text(write: Write, written: str, version: str) -> None:
    assert load(write(f"milvus: {{version: {written}}}")).milvus == {"version": version}


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2025-08-23T19:20:00Z", "2025-08-23T19:20:00Z"),
        ("2025-08-23 21:20:00.5 +02:00", "2025-08-23T19:20:00.500000Z"),
        ("2025-08-23T19:20:00", "2025-08-23T19:20:00"),
        ("2025-08-23 19:20", "2025-08-23T19:20:00"),
        ("'2025-08-23'", "2025-08-23"),
        ("2025-08-23", "2025-08-23"),
        ("(not stated)", None),
    ],
)
def test_the_time_of_an_event_is_iso_text(write: Write, written: str, at: str | None) -> None:
    assert load(write(f"events:\n- at: {written}\n")).events == (EventFacts(at=at, key="events[0]"),)


@pytest.mark.parametrize(
    ("index", "facts"),
    [
        ("index: null", NO_INDEX),
        ("index:", NO_INDEX),
        ("dim: 4", None),
        ("index: (not stated)", IndexFacts()),
        ("index: {}", IndexFacts()),
        ("index: {type: (not stated), params: {nlist: (not stated)}}", IndexFacts(params={"nlist": "(not stated)"})),
    ],
)
def test_no_index_an_unknown_index_and_an_unknown_field_differ(
    write: Write, index: str, facts: IndexFacts | None
) -> None:
    [collection] = load(write(f"collections:\n- fields:\n  - name: v\n    {index}\n")).collections
    assert collection.fields[0].index == facts


def test_a_placeholder_is_unknown_but_keeps_the_use_of_a_parameter(write: Write) -> None:
    path = write(
        "hardware: {query_nodes: (not stated), cpus_per_node: (not stated), disk: (not stated)}\n"
        "observations: {cpu_share: (not stated)}\n"
        "requests:\n"
        "- {nq: (not stated), filter: (not stated), timeout: (not stated), partitions: (not stated), "
        "search_params: {radius: (not stated)}}\n"
    )
    context = load(path)
    assert (context.hardware, context.observations, context.requests) == (
        {},
        {},
        (RequestFacts(filter="(not stated)", search_params={"radius": "(not stated)"}, key="requests[0]"),),
    )


def test_search_params_hold_any_key_with_numbers_as_numbers(write: Write) -> None:
    path = write(
        "requests:\n"
        "- search_params: {nprobe: 16, drop_ratio_search: 0.2, eps: 1e-3, id: 007, quoted: '16', on: on,\n"
        "    iterator: True, radius: null, hints: iterative_filter, params: {ef: 64, x: null}, list: [1, a, null],\n"
        "    big: 1_000, inf: 1e999}\n"
    )
    assert load(path).requests[0].search_params == {
        "nprobe": 16,
        "drop_ratio_search": 0.2,
        "eps": 0.001,
        "id": "007",
        "quoted": "16",
        "on": "on",
        "iterator": True,
        "hints": "iterative_filter",
        "params": {"ef": 64},
        "list": [1, "a", None],
        "big": 1000,
        "inf": "1e999",
    }


def test_settings_nested_as_in_milvus_yaml_get_dotted_keys(write: Write) -> None:
    context = load(write("config:\n  queryNode:\n    mmap:\n      mmapEnabled: true\n    x: 1\n  common.y: null\n"))
    assert context.config == {"queryNode.mmap.mmapEnabled": True, "queryNode.x": 1}
    assert context.cite("config.queryNode.mmap.mmapEnabled") == Place("facts.yaml", 4)


def test_words_are_spelled_as_in_the_contract_whatever_their_case(write: Write) -> None:
    path = write(
        "milvus: {deployment: Standalone}\n"
        "dependencies: {message_queue: Pulsar, state: {message_queue: LAGGING}}\n"
        "collections: [{consistency: bounded}]\n"
        "requests: [{kind: hybrid-search, consistency: STRONG}]\n"
        "events: [{what: Index build}]\n"
        "pattern: {only_after: Index build}\n"
    )
    context = load(path)
    assert (
        context.milvus["deployment"],
        context.dependencies,
        context.collections[0].consistency,
        context.requests[0].kind,
        context.requests[0].consistency,
        context.events[0].what,
        context.pattern,
    ) == (
        "standalone",
        {"message_queue": "pulsar", "state": {"message_queue": "lagging"}},
        "Bounded",
        "hybrid_search",
        "Strong",
        "index_build",
        {"only_after": "index_build"},
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("\nmilvuss: {}", "facts.yaml:2: unknown key 'milvuss'", "did you mean 'milvus'?"),
        (
            "milvus:\n  Version: 1\n",
            "facts.yaml:2: unknown key 'Version' in 'milvus'",
            "did you mean 'version'?",
        ),
        (
            "server:\n  throughput: 1\n",
            "facts.yaml:2: unknown key 'throughput' in 'server'",
            "the keys allowed here: p50_s, p99_s",
        ),
        (
            "collections:\n- rowz: 5\n",
            "facts.yaml:2: unknown key 'rowz' in 'collections[0]'",
            "did you mean 'rows'?",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(write: Write, text: str, message: str, hint: str | None) -> None:
    assert refusal(write(text)) == (message, hint)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "collections:\n- rows: many\n",
            "facts.yaml:2: 'collections[0].rows': expected a number of rows (integer), got 'many'",
            None,
        ),
        (
            "collections:\n- rows: -1\n",
            "facts.yaml:2: 'collections[0].rows': expected a number of rows (integer), got '-1'",
            None,
        ),
        (
            "collections:\n- rows: '12'\n",
            "facts.yaml:2: 'collections[0].rows': expected a number of rows (integer), got '12'",
            "write it without quotes",
        ),
        (
            "requests:\n- nq: 1.5\n",
            "facts.yaml:2: 'requests[0].nq': expected a number of query vectors (integer), got '1.5'",
            None,
        ),
        (
            "requests:\n- {duration_s: 5s}\n",
            "facts.yaml:2: 'requests[0].duration_s': expected seconds (number), got '5s'",
            None,
        ),
        (
            "requests: [{duration_s: .inf}]\n",
            "facts.yaml:1: 'requests[0].duration_s': expected seconds (number), got '.inf'",
            None,
        ),
        (
            "observations: {cpu_share: 95}",
            "facts.yaml:1: 'observations.cpu_share': expected a share from 0 to 1 (number), got '95'",
            "write 95 % as 0.95",
        ),
        (
            "pattern: {only_with_filter: perhaps}",
            "facts.yaml:1: 'pattern.only_with_filter': expected true or false, got 'perhaps'",
            None,
        ),
        (
            "milvus: {deployment: gpu}",
            "facts.yaml:1: 'milvus.deployment': expected standalone, cluster, lite or cloud, got 'gpu'",
            None,
        ),
        (
            "requests: [{consistency: Strongly}]",
            "facts.yaml:1: 'requests[0].consistency': expected Strong, Session, Bounded or Eventually, got 'Strongly'",
            "did you mean Strong?",
        ),
        (
            "requests: [{kind: [search]}]",
            "facts.yaml:1: 'requests[0].kind': expected search, query or hybrid_search, got a list",
            None,
        ),
        (
            "dependencies: {state: {meta: fine}}",
            "facts.yaml:1: 'dependencies.state.meta': expected lagging or unavailable, got 'fine'",
            None,
        ),
        (
            "hardware: {disk: {type: ssd}}",
            "facts.yaml:1: 'hardware.disk': expected nvme, ssd, hdd or network, got a mapping",
            None,
        ),
        (
            "events: [{what: reboot}]",
            (
                "facts.yaml:1: 'events[0].what': expected restart, load, release, upgrade, compaction, index_build, "
                "balance, flush, import, delete, scale or config, got 'reboot'"
            ),
            None,
        ),
        (
            "events: [{at: yesterday}]",
            (
                "facts.yaml:1: 'events[0].at': expected a date or a time in ISO 8601, "
                "such as 2025-08-23T19:20:00Z, got 'yesterday'"
            ),
            None,
        ),
        (
            "events: [{at: 0001-01-01T00:00:00+14:00}]",
            (
                "facts.yaml:1: 'events[0].at': expected a time between the years 1 and 9999, "
                "got '0001-01-01T00:00:00+14:00'"
            ),
            None,
        ),
        ("notes: slow", "facts.yaml:1: 'notes': expected a list of texts, got 'slow'", None),
        ("notes: [[slow]]", "facts.yaml:1: 'notes[0]': expected a text, got a list", None),
        ("collections: {name: a}", "facts.yaml:1: 'collections': expected a list of collections, got a mapping", None),
        (
            "milvus: 2.4.5",
            "facts.yaml:1: 'milvus': expected a mapping with keys such as version, deployment, got '2.4.5'",
            None,
        ),
        (
            "requests: [{search_params: ef=64}]",
            "facts.yaml:1: 'requests[0].search_params': expected a mapping, got 'ef=64'",
            None,
        ),
        (
            "- a",
            "facts.yaml:1: expected a mapping with keys such as milvus, hardware, config, collections, got a list",
            None,
        ),
        (
            f"milvus: {'x' * 1000}",
            f"facts.yaml:1: 'milvus': expected a mapping with keys such as version, deployment, got '{'x' * 59}\u2026'",
            None,
        ),
        ("? [a]\n: 1", "facts.yaml:1: a key must be a word, not a mapping or a list", None),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(
    write: Write, text: str, message: str, hint: str | None
) -> None:
    assert refusal(write(text)) == (message, hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("milvus: {}\nserver: {}\nmilvus: {}\n", "facts.yaml:3: 'milvus' is given twice, in line 1 and in line 3"),
        (
            '{"server": {"p50_s": 1,\n"p50_s": 1}}',
            "facts.yaml:2: 'server.p50_s' is given twice, in line 1 and in line 2",
        ),
        (
            "requests:\n- search_params:\n    ef: 1\n    ef: 2\n",
            "facts.yaml:4: 'requests[0].search_params.ef' is given twice, in line 3 and in line 4",
        ),
        (
            "config:\n  a: {b: 1}\n  a.b: 2\n",
            "facts.yaml:3: 'config.a.b' is given twice, in line 2 and in line 3",
        ),
    ],
)
def test_a_key_given_twice_is_refused_with_both_lines(write: Write, text: str, message: str) -> None:
    assert refusal(write(text)) == (message, "keep one of them")


@settings(deadline=None)
@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_no_bytes_raise_anything_but_a_usage_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    _load_or_refuse(path)


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.text(), st.just("(not stated)")
)
_KEYS = st.sampled_from(
    sorted({key.rpartition(".")[2].partition("[")[0] for key in load(str(DATA / "every_key.yaml")).lines})
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(contract._SECTIONS)), _TREES, max_size=4))
def test_no_value_under_a_known_key_raises_anything_but_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "facts.yaml"
    path.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8", errors="replace")
    _load_or_refuse(path)


def _load_or_refuse(path: Path) -> None:
    try:
        said = load(str(path)).path
    except UsageError as error:
        said = error.message
    assert str(path) in str(said)
