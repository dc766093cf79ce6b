"""Asking a Milvus that refuses, hangs, is newer than slowq, or means harm."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from slowq.context import live, load, loads
from slowq.context.live import Login, Question, server, text_of
from slowq.errors import ServerError, UsageError
from slowq.facts import NO_INDEX, Context, IndexFacts, SegmentFacts
from tests.context.fake_milvus import (
    GIB,
    ID,
    Handler,
    Type,
    answer,
    collection,
    fake,
    index,
    indexes,
    loaded,
    node,
    pairs,
    refused,
    scalar,
    segments,
    stored,
    system,
    system_text,
    vector,
)

ASKER = Login()


@pytest.fixture(autouse=True)
def no_page_of_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake server is on this machine, where port 9091 would be asked too."""
    monkeypatch.setattr(live.Address, "is_loopback", False)


def told(question: Question | None = None, **changed: Handler | None) -> tuple[Context, tuple[str, ...]]:
    """What is read again of the file that is written, and what could not be had."""
    with fake(**changed) as milvus:
        asked = live.ask(milvus.uri, question, ASKER)
    return loads(text_of(asked), "milvus"), asked.trouble


def only(context: Context) -> Any:
    (one,) = context.collections
    return one


def test_the_file_holds_what_the_contract_names() -> None:
    context, trouble = told()
    assert trouble == ()
    assert context.milvus == {"version": "2.4.5", "deployment": "cluster"}
    assert context.hardware == {"query_nodes": 1, "cpus_per_node": 8.0, "memory_gib_per_node": 32.0}
    assert context.totals == {"databases": 1, "collections": 1, "partitions": 4, "segments": 0}
    assert context.observations_per_node == ({"node": "querynode1", "cpu_share": 0.975, "memory_share": 0.5},)
    one = only(context)
    assert (one.name, one.database, one.rows, one.partitions, one.shards) == ("products", "default", 12_000_000, 4, 2)
    assert (one.loaded, one.replicas, one.consistency) == (True, 1, "Bounded")
    key, vec = one.fields
    assert (key.name, key.type, key.primary, key.index) == ("id", "INT64", True, NO_INDEX)
    assert (vec.name, vec.type, vec.dim) == ("vec", "FLOAT_VECTOR", 768)
    assert vec.index == IndexFacts(type="HNSW", metric="COSINE", params={"M": 16})


def test_the_text_is_the_same_whenever_the_answers_are() -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=["b", "a"])
    backwards = milvus_pb2.ShowCollectionsResponse(collection_names=["a", "b"])
    texts = []
    for found in (names, backwards):
        with fake(ShowCollections=answer(found)) as milvus:
            texts.append(text_of(live.ask(milvus.uri, login=ASKER)).split("\n", 1)[1])
    assert texts[0] == texts[1]


def test_what_a_version_does_not_know_is_asked_once_and_named() -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=[f"c{number}" for number in range(30)])
    with fake(ShowCollections=answer(names), GetPersistentSegmentInfo=None, GetMetrics=None, Connect=None) as milvus:
        asked = live.ask(milvus.uri, login=ASKER)
    assert milvus.asked("GetPersistentSegmentInfo") <= 8  # as many as are under way at once
    assert asked.trouble == (
        "the deployment: this version knows no such call",
        "the nodes: this version knows no such call",
        "the stored segments of c0, c1, c10, c11, c12 and 25 more: this version knows no such call",
    )


def test_what_a_user_may_not_see_is_left_out_and_named() -> None:
    denied = milvus_pb2.GetCollectionStatisticsResponse(status=refused("permission deny"))
    context, trouble = told(GetCollectionStatistics=answer(denied))
    assert only(context).rows is None
    assert trouble == ("the rows of products: permission deny",)


def test_totals_are_of_the_whole_or_not_told() -> None:
    denied = milvus_pb2.ListDatabasesResponse(status=refused("permission deny"))
    assert told(ListDatabases=answer(denied))[0].totals == {}
    assert told(Question(databases=("default",)))[0].totals == {}
    assert told(Question(collections=("products",)))[0].totals["collections"] == 1
    unseen = milvus_pb2.ShowCollectionsResponse(status=refused("permission deny"))
    assert told(ShowCollections=answer(unseen))[0].totals == {}


def test_of_collections_that_were_not_all_described_only_the_number_is_told() -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=["products", "other"])
    context, _ = told(Question(collections=("products",)), ShowCollections=answer(names))
    assert context.totals == {"databases": 1, "collections": 2}


@pytest.mark.parametrize("reason", ["index not found[collection=products]", "index doesn't exist", "IndexNotExist"])
def test_a_collection_without_an_index_is_said_to_have_none(reason: str) -> None:
    context, trouble = told(DescribeIndex=answer(milvus_pb2.DescribeIndexResponse(status=refused(reason))))
    assert only(context).fields[1].index == NO_INDEX
    assert trouble == ()


def test_indexes_that_may_not_be_seen_are_unknown_and_not_none() -> None:
    context, trouble = told(DescribeIndex=answer(milvus_pb2.DescribeIndexResponse(status=refused("permission deny"))))
    assert [one.index for one in only(context).fields] == [None, None]
    assert trouble == ("the indexes of products: permission deny",)


def test_an_index_that_is_not_done_or_failed_says_so() -> None:
    building = index(state=2, pending_index_rows=500, params={"index_type": "IVF_FLAT", "nlist": "16"})
    assert only(told(DescribeIndex=indexes(building))[0]).fields[1].index == IndexFacts(
        type="IVF_FLAT", params={"nlist": 16}, state="building", pending_rows=500
    )
    failed = index(state=4, index_state_fail_reason="out of memory: [x]")
    found = only(told(DescribeIndex=indexes(failed))[0]).fields[1].index
    assert (found.state, found.failed) == ("failed", "out of memory: [x]")


def test_an_index_without_a_type_is_one_that_milvus_chose() -> None:
    context, _ = told(
        DescribeCollection=answer(collection(ID, scalar("tag"))), DescribeIndex=indexes(index("t", "tag", params={}))
    )
    assert only(context).fields[1].index == IndexFacts(type="AUTOINDEX")


def test_a_json_field_may_have_an_index_for_each_path() -> None:
    def of(path: str) -> Any:
        return index(path, "meta", params={"index_type": "INVERTED", "json_path": path, "json_cast_type": "DOUBLE"})

    paths = ("meta['b']", "meta['a']")
    context, _ = told(
        DescribeCollection=answer(collection(ID, scalar("meta", Type.JSON))), DescribeIndex=indexes(*map(of, paths))
    )
    meta = only(context).fields[1]
    found = [dict(one.params)["json_path"] for one in (meta.index, *meta.more_indexes)]
    assert found == sorted(paths)


def test_mmap_of_an_index_is_its_own_and_that_of_values_may_be_the_collections() -> None:
    described = collection(
        ID, vector("vec", mmap__enabled="false"), scalar("tag"), properties=pairs(mmap__enabled="true")
    )
    context, _ = told(
        DescribeCollection=answer(described),
        DescribeIndex=indexes(index(params={"index_type": "HNSW", "mmap__enabled": "true"})),
    )
    _, vec, tag = only(context).fields
    assert (vec.mmap, vec.index.mmap, tag.mmap) == (False, True, True)


def test_fields_of_structs_and_what_a_field_is() -> None:
    described = collection(
        ID,
        scalar("day", is_partition_key=True, nullable=True),
        scalar("tags", Type.Array, element_type=Type.Int64),
        scalar("hidden", Type.JSON, is_dynamic=True),
    )
    part = described.schema.struct_array_fields.add(name="clips")
    part.fields.append(schema_pb2.FieldSchema(name="emb", data_type=Type.ArrayOfVector))
    context, _ = told(DescribeCollection=answer(described))
    _, day, tags, emb = only(context).fields
    assert (day.partition_key, day.nullable) == (True, True)
    assert (tags.type, tags.element) == ("ARRAY", "INT64")
    assert (emb.name, emb.type) == ("clips[emb]", "ARRAY_OF_VECTOR")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Type.VarChar, "VARCHAR"),
        (Type.SparseFloatVector, "SPARSE_FLOAT_VECTOR"),
        (Type.BFloat16Vector, "BFLOAT16_VECTOR"),
        (Type.Int8Vector, "INT8_VECTOR"),
        (Type.BinaryVector, "BINARY_VECTOR"),
        (Type.JSON, "JSON"),
        (999, None),
    ],
)
def test_types_are_spelled_as_pymilvus_does_and_those_of_newer_servers_left_out(kind: int, name: str | None) -> None:
    context, _ = told(DescribeCollection=answer(collection(ID, scalar("x", kind))))
    assert only(context).fields[1].type == name


def test_enum_values_of_newer_servers_are_left_out() -> None:
    context, _ = told(
        DescribeCollection=answer(collection(consistency_level=99)),
        DescribeIndex=indexes(index(state=99)),
        GetLoadState=answer(milvus_pb2.GetLoadStateResponse(state=99)),
        **segments(loaded(1, 5000, state=99), stored(1, 5000, state=99)),
    )
    one = only(context)
    assert (one.consistency, one.fields[1].index.state, one.segments.loaded) == (None, None, 0)


def test_segments_are_those_that_are_searched() -> None:
    big = 1024 * 1024 // 3  # rows of 768 floats that fill a GiB
    context, _ = told(
        **segments(
            loaded(1, big, index_name="vec"),
            loaded(1, big, index_name="vec"),  # the other replica's
            loaded(2, 2000),
            loaded(3, 500),  # too few rows for an index
            loaded(4, 100, state=2, mem_size=GIB // 2),
            stored(1, big),
            stored(2, 2000),
            stored(3, 500),
            stored(9, 10, level=1),  # only deletes
            stored(8, 10, state=6),  # dropped
        )
    )
    assert only(context).segments == SegmentFacts(
        sealed=3, growing=1, indexed=2, small=0, rows=big + 2600, loaded=4, stored=3, memory_gib=0.5
    )


def test_segments_are_small_where_compaction_could_merge_them() -> None:
    def small(*found: Any) -> int | None:
        return only(told(**segments(*found))[0]).segments.small

    assert small(loaded(1, 100), loaded(2, 100)) == 0  # one a shard
    assert small(*(loaded(number, 100) for number in range(5))) == 5
    assert small(*(loaded(number, 100, partitionID=number) for number in range(5))) == 0
    shards = [stored(number, 100, insert_channel=f"v{number % 2}") for number in range(4)]
    assert small(*(loaded(number, 100) for number in range(4)), *shards) == 4
    assert small(*(loaded(number, 100) for number in range(2)), *shards[:2]) == 0


def test_what_is_small_is_not_told_where_the_size_of_a_row_or_segment_is_not_known() -> None:
    found = segments(*(loaded(number, 100) for number in range(5)))
    assert only(told(GetMetrics=system(), **found)[0]).segments.small is None
    sparse = collection(ID, scalar("vec", Type.SparseFloatVector))
    assert only(told(DescribeCollection=answer(sparse), **found)[0]).segments.small is None


def test_a_collection_that_is_not_loaded_is_asked_for_what_is_stored() -> None:
    with fake(GetLoadState=answer(milvus_pb2.GetLoadStateResponse(state=2)), **segments(stored(1, 9000))) as milvus:
        asked = live.ask(milvus.uri, login=ASKER)
    assert (milvus.asked("GetReplicas"), milvus.asked("GetQuerySegmentInfo")) == (0, 0)
    one = only(loads(text_of(asked), "milvus"))
    assert (one.loaded, one.segments) == (False, SegmentFacts(sealed=1, growing=0, small=0, rows=9000, stored=1))


NONSENSE = (4, {"memory": "x", "cpu_core_count": -1, "cpu_core_usage": [1]}, {"memory": True})


@pytest.mark.parametrize(
    "text",
    [
        *("", "not JSON", "[]", "null", '{"nodes_info": 5}', '{"nodes_info": [null, 3, {"infos": []}]}', "[" * 100_000),
        *(
            f'{{"nodes_info": [{{"infos": {{"type": "querynode", "hardware_infos": {json.dumps(one)}}}}}]}}'
            for one in NONSENSE
        ),
    ],
)
def test_nodes_that_tell_nonsense_tell_nothing(text: str) -> None:
    context, _ = told(GetMetrics=system_text(text), Connect=None)
    assert "cpus_per_node" not in context.hardware
    assert context.observations_per_node == ()


def test_what_differs_between_nodes_is_left_out() -> None:
    nodes = [node("querynode", number, cpu_core_count=8 * number, memory=32 * GIB) for number in (1, 2)]
    assert told(GetMetrics=system(*nodes))[0].hardware == {"query_nodes": 2, "memory_gib_per_node": 32.0}


ALONE = node("querynode", 1, "STANDALONE", cpu_core_count=8, cpu_core_usage=0, memory=GIB, memory_usage=GIB // 4)


def test_the_cpu_of_a_standalone_is_not_told_as_its_parts_measure_the_same_process() -> None:
    context, _ = told(GetMetrics=system(ALONE))
    assert context.milvus["deployment"] == "standalone"
    assert context.observations_per_node == ({"node": "querynode1", "memory_share": 0.25},)


@dataclass
class Fixed:
    """What measures a load, and is told what a node has."""

    trouble: str | None = None

    def load(self, cores: float | None, memory_bytes: float | None) -> list[dict[str, Any]]:
        return [] if self.trouble else [{"node": "qn-0", "cpu_share": cores and 4 / cores, "memory_share": 0.5}]


def test_what_is_measured_counts_more_than_what_the_coordinators_tell() -> None:
    context, _ = told(Question(gauges=(Fixed(),)))
    assert context.observations_per_node == ({"node": "qn-0", "cpu_share": 0.5, "memory_share": 0.5},)


def test_where_nothing_could_be_measured_the_coordinators_count_and_the_reason_is_told() -> None:
    context, trouble = told(Question(gauges=(Fixed("no answer in time"),)))
    assert [one["node"] for one in context.observations_per_node] == ["querynode1"]
    assert trouble == ("what nodes are busy with: no answer in time",)


def test_the_deployment_may_be_told_when_connecting() -> None:
    hello = milvus_pb2.ConnectResponse()
    hello.server_info.deploy_mode = "STANDALONE"
    denied = milvus_pb2.GetMetricsResponse(status=refused("permission deny"))
    context, _ = told(GetMetrics=answer(denied), Connect=answer(hello))
    assert context.milvus["deployment"] == "standalone"


def test_resource_groups_are_told_where_there_are_some() -> None:
    groups = milvus_pb2.ListResourceGroupsResponse(resource_groups=["b", "a"])
    group = milvus_pb2.DescribeResourceGroupResponse()
    group.resource_group.num_available_node = 2
    replica = milvus_pb2.ReplicaInfo(replicaID=1, resource_group_name="a")
    context, _ = told(
        ListResourceGroups=answer(groups),
        DescribeResourceGroup=answer(group),
        GetReplicas=answer(milvus_pb2.GetReplicasResponse(replicas=[replica])),
    )
    assert context.resource_groups == ({"name": "a", "nodes": 2}, {"name": "b", "nodes": 2})
    assert only(context).resource_groups == ("a",)


def test_a_call_that_hangs_is_bounded_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CALL_S", 2.0)

    def hang(request: Any, of: Any) -> Any:
        given_up = threading.Event()
        of.add_callback(given_up.set)
        given_up.wait(60)
        return milvus_pb2.GetReplicasResponse()

    context, trouble = told(GetReplicas=hang)
    assert trouble == ("the replicas of products: no answer in time",)
    assert only(context).rows == 12_000_000


def test_when_the_time_is_over_nothing_more_is_asked() -> None:
    clock = iter(range(0, 10_000, 10))
    with fake() as milvus:
        asked = live.ask(milvus.uri, Question(timeout_s=25.0), ASKER, now=lambda: float(next(clock)))
    assert "the databases: not asked, for the 25 s for everything were over" in asked.trouble
    assert milvus.asked("ShowCollections") == 0


def test_the_token_is_sent_as_pymilvus_sends_it_and_shown_nowhere() -> None:
    token, sent = "root:s3cret", base64.b64encode(b"root:s3cret").decode()
    parrot = milvus_pb2.GetCollectionStatisticsResponse(status=refused(f"no: {token} s3cret {sent}"))
    with fake(GetCollectionStatistics=answer(parrot)) as milvus:
        asked = live.ask(milvus.uri, login=Login(token))
    assert {metadata["authorization"] for _, metadata in milvus.calls} == {sent}
    for shown in (text_of(asked), repr(asked), repr(Login(token))):
        assert "s3cret" not in shown
        assert sent not in shown


def test_a_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "password").write_text("p\n")
    assert Login.of({}).token is None
    assert Login.of({"SLOWQ_MILVUS_TOKEN": "abc"}).token == "abc"
    assert Login.of({"SLOWQ_MILVUS_TOKEN_FILE": str(tmp_path / "token")}).token == "abc"
    login = {"SLOWQ_MILVUS_USER": "me", "SLOWQ_MILVUS_PASSWORD_FILE": str(tmp_path / "password")}
    assert Login.of(login).token == "me:p"
    assert Login.of({"MINE": "xyz", "SLOWQ_MILVUS_TOKEN": "abc"}, token_env="MINE").token == "xyz"
    with pytest.raises(UsageError, match="no such variable"):
        Login.of({}, token_env="MINE")
    with pytest.raises(UsageError, match="go together"):
        Login.of({"SLOWQ_MILVUS_CERT": "x"})


HOSTILE = "x\n- evil: true # \u202e\x1b[31m: [} *a &b !!python \u2028 'q' \"d\" \\ \x85 \U000e0041"


def test_hostile_names_stay_values() -> None:
    described = collection(ID, scalar(HOSTILE), name=HOSTILE)
    with fake(
        ShowCollections=answer(milvus_pb2.ShowCollectionsResponse(collection_names=[HOSTILE])),
        DescribeCollection=answer(described),
        DescribeIndex=indexes(index(HOSTILE, HOSTILE, params={"index_type": HOSTILE, "params": '{"x": {"y": [1]}}'})),
        GetCollectionStatistics=answer(milvus_pb2.GetCollectionStatisticsResponse(status=refused(HOSTILE))),
    ) as milvus:
        asked = live.ask(milvus.uri, login=ASKER)
    text = text_of(asked)
    one = only(loads(text, "milvus"))
    assert (one.name, one.fields[1].name, one.fields[1].index.type) == (HOSTILE, HOSTILE, HOSTILE)
    assert all(line.startswith("# ") for line in text.splitlines()[:2])
    assert not set(text) & set("\u202e\x1b\u2028\x85\U000e0041")


@pytest.mark.parametrize(
    "name", ["null", "true", "No", "~", "", "1", "1e3", "0x1f", "2026-11-26", "a: b", "#x", "-", "日本", "(x)", "on"]
)
def test_names_that_yaml_would_read_otherwise_are_read_as_they_are(name: str) -> None:
    context, _ = told(DescribeCollection=answer(collection(ID, scalar(name))))
    assert only(context).fields[1].name == name


def test_a_collection_that_is_not_there_is_said() -> None:
    context, trouble = told(Question(collections=("gone", "products")))
    assert trouble == ("the description of gone: there is no such collection",)
    assert [one.name for one in context.collections] == ["products"]


def test_a_database_may_stand_in_the_uri() -> None:
    with fake() as milvus:
        asked = live.ask(f"{milvus.uri}/shop", login=ASKER)
    assert milvus.asked("ListDatabases") == 0
    assert asked.facts["collections"][0]["database"] == "shop"


def test_of_thousands_the_first_are_described_and_the_rest_is_counted() -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=[f"c{number:04}" for number in range(2000)])
    context, trouble = told(Question(most_collections=3), ShowCollections=answer(names))
    assert [one.name for one in context.collections] == ["c0000", "c0001", "c0002"]
    assert trouble == (
        "the collections: 3 of 2,000 were described, in the order of their names; name others with --collection",
    )


def test_of_many_only_the_collections_of_slow_requests_are_described() -> None:
    def names(number: int) -> Handler:
        listed = [f"c{at:03}" for at in range(number)]
        return answer(milvus_pb2.ShowCollectionsResponse(collection_names=listed))

    slow = Question(slow=frozenset(("c007", "c150", "of another Milvus")))
    context, trouble = told(slow, ShowCollections=names(201))
    assert [one.name for one in context.collections] == ["c007", "c150"]
    assert context.totals == {"databases": 1, "collections": 201}
    assert trouble == ("the collections: of 201 the 2 that slow requests are on were described",)
    assert len(told(slow, ShowCollections=names(200))[0].collections) == 200


def test_a_file_is_never_larger_than_what_is_read_again(tmp_path: Path) -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=[f"c{number}" for number in range(60)])
    wide = collection(ID, *(scalar("f" * 250 + str(number)) for number in range(500)))
    with fake(ShowCollections=answer(names), DescribeCollection=answer(wide)) as milvus:
        text = text_of(live.ask(milvus.uri, login=ASKER))
    path = tmp_path / "context.yaml"
    path.write_text(text)
    kept = len(load(str(path)).collections)
    assert 0 < kept < 60
    assert f"# {60 - kept} more collections were left out" in text


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda request, of: of.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure"), "auth check failure"),
        (answer(milvus_pb2.GetVersionResponse(status=refused("not ready"))), "not ready"),
        (None, "knows no such call"),
    ],
)
def test_a_server_that_does_not_let_in_cannot_be_used(handler: Handler | None, said: str) -> None:
    with fake(GetVersion=handler) as milvus, pytest.raises(ServerError, match=said):
        live.ask(milvus.uri, login=ASKER)


def test_grpc_that_is_no_milvus_is_told_apart() -> None:
    other = grpc.server(live.ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    try:
        with pytest.raises(ServerError, match=r"no Milvus|knows no such call"):
            live.ask(f"127.0.0.1:{port}", login=ASKER)
    finally:
        other.stop(0).wait()


def test_a_refused_port_is_said_at_once() -> None:
    begin = time.monotonic()
    with pytest.raises(ServerError, match="connection refused"):
        live.ask("http://127.0.0.1:1", login=ASKER)
    assert time.monotonic() - begin < 3


def test_a_host_that_is_not_known_is_said_at_once() -> None:
    with pytest.raises(ServerError, match="the name of the host is not known"):
        live.ask("http://nowhere.invalid:19530", login=ASKER)


@pytest.mark.parametrize(
    "uri", ["ftp://x", "http://", "http://x:99999", "http://x:0", "http://me:s3cret@x", "http://[::1"]
)
def test_what_is_no_uri_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as error:
        live.ask(uri, login=ASKER)
    assert "s3cret" not in error.value.message


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("http://milvus:19530", ("milvus", 19530, False)),
        ("milvus", ("milvus", 19530, False)),
        ("https://in03.cloud.zilliz.com", ("in03.cloud.zilliz.com", 443, True)),
        ("tcp://[::1]:5", ("[::1]", 5, False)),
    ],
)
def test_what_a_uri_means(uri: str, target: tuple[str, int, bool]) -> None:
    address = live.Address.of(uri)
    assert (address.host, address.port, address.secure) == target
