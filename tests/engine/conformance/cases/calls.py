"""Collections, partitions, aliases, indexes, writes, searches and queries through the ORM, which all versions have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymilvus import Collection, DataType, FieldSchema, db, utility

from tests.engine.conformance.case import Case
from tests.engine.conformance.rows import PLANE
from tests.engine.conformance.world import PREFIX, World, hits, ids, key, vector, wait

QUERY = [[1.5, 0.5], [4.0, -9.0]]


def _search(metric: str = "L2", limit: int = 4, **how: Any) -> Callable[[World], Any]:
    param = {"metric_type": metric, "params": how.pop("params", {}), **how.pop("param", {})}
    fields = how.get("output_fields", ())
    return lambda w: hits(w.plane(metric).search(how.get("data", QUERY), "v", param, limit, **_without(how)), *fields)


def _without(how: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in how.items() if name != "data"}


def _small(w: World, name: str, **how: Any) -> Collection:
    fields = [key(), FieldSchema("n", DataType.INT64), vector(dim=2)]
    rows = [{"id": at, "n": at % 3, "v": [float(at), 1.0]} for at in range(6)]
    return w.collection(name, fields, how.pop("rows", rows), **how)


def _kept(found: Collection) -> Any:
    return ids(found.query("id >= 0", output_fields=["id"]))


def _deleted(text: str) -> Callable[[World], Any]:
    def call(w: World) -> Any:
        found = _small(w, "deleting")
        found.delete(text)
        return _kept(found)

    return call


def _upserted(w: World) -> Any:
    found = _small(w, "upserting")
    made = found.upsert([{"id": 2, "n": 77, "v": [2.0, 2.0]}, {"id": 9, "n": 78, "v": [9.0, 9.0]}])
    rows = found.query("n > 70", output_fields=["n", "v"])
    return [
        made.upsert_count,
        sorted((one["id"], one["n"], [float(x) for x in one["v"]]) for one in rows),
        len(_kept(found)),
    ]


def _described(w: World) -> Any:
    schema = w.numbers.schema
    fields = [[one.name, one.dtype.name, one.is_primary, {k: v for k, v in one.params.items() if "max" in k or k == "dim"}]
              for one in schema.fields]  # fmt: skip
    return [fields, schema.enable_dynamic_field, w.numbers.primary_field.name]


def _partitions(w: World) -> Any:
    found = _small(w, "parts", load=False)
    found.create_partition("a").insert([{"id": 50, "n": 1, "v": [5.0, 5.0]}])
    found.load()
    inside = ids(found.query("id >= 0", partition_names=["a"], output_fields=["id"]))
    names = sorted(one.name for one in found.partitions)
    found.release()
    found.drop_partition("a")
    return [inside, names, found.has_partition("a"), sorted(one.name for one in found.partitions)]


def _aliases(w: World) -> Any:
    found = _small(w, "aliased")
    alias = PREFIX + "alias"
    utility.create_alias(found.name, alias)
    through = len(Collection(alias).query("id >= 0", output_fields=["id"]))
    known = list(utility.list_aliases(found.name))
    utility.drop_alias(alias)
    return [through, [one.removeprefix(PREFIX) for one in known], utility.has_collection(alias)]


def _renamed(w: World) -> Any:
    found = _small(w, "before", load=False)
    utility.drop_collection(PREFIX + "after")
    utility.rename_collection(found.name, PREFIX + "after")
    return [utility.has_collection(PREFIX + "before"), utility.has_collection(PREFIX + "after")]


def _indexed(w: World) -> Any:
    found = _small(w, "indexed", load=False)
    found.flush()
    utility.wait_for_index_building_complete(found.name, "v")
    progress = utility.index_building_progress(found.name, "v")
    made = [
        [one.field_name, one.index_name, one.params["index_type"], one.params["metric_type"]] for one in found.indexes
    ]
    found.drop_index(index_name="v")
    return [made, progress["total_rows"], progress["indexed_rows"], len(found.indexes)]


def _loaded(w: World) -> Any:
    found = _small(w, "loading", load=False)
    states = [utility.load_state(found.name).name]
    found.load()
    states += [utility.load_state(found.name).name, utility.loading_progress(found.name)["loading_progress"]]
    found.release()
    return [*states, utility.load_state(found.name).name, utility.load_state(PREFIX + "nothing").name]


def _counted(w: World) -> Any:
    found = _small(w, "counted")
    found.delete("id in [0, 1]")
    found.flush()
    return [
        found.query("", output_fields=["count(*)"])[0]["count(*)"],
        found.query("n == 2", output_fields=["count(*)"])[0]["count(*)"],
    ]


def _databases(w: World) -> Any:
    name = PREFIX + "db"
    if name in db.list_database():
        db.drop_database(name)
    db.create_database(name)
    there = name in db.list_database()
    db.drop_database(name)
    return [there, name in db.list_database()]


def _compacted(w: World) -> Any:
    found = _small(w, "compacted")
    found.flush()
    found.compact()
    wait(lambda: found.get_compaction_state().state.name == "Completed")
    return _kept(found)


def _segments(w: World) -> Any:
    found = _small(w, "segments", load=False)
    found.flush()
    found.load()
    return sum(one.num_rows for one in utility.get_query_segment_info(found.name))


def _iterated(w: World) -> Any:
    pages, walk = [], w.plane().query_iterator(batch_size=7, expr="id >= 0", output_fields=["id"])
    while page := walk.next():
        pages.append(ids(page))
    walk.close()
    return pages


def _walked(w: World) -> Any:
    pages, walk = (
        [],
        w.plane().search_iterator(QUERY[:1], "v", {"metric_type": "L2", "params": {}}, batch_size=6, limit=15),
    )
    while page := walk.next():
        pages.append([one.id for one in page])
    walk.close()
    return [one for page in pages for one in page]


def _strings(w: World) -> Any:
    fields = [key(kind=DataType.VARCHAR, max_length=10), vector(dim=2)]
    found = w.collection("texts", fields, [{"id": name, "v": [1.0, at]} for at, name in enumerate("abc")])
    found.delete("id in ['b']")
    return _kept(found)


def _auto(w: World) -> Any:
    found = w.collection("auto", [key(auto_id=True), vector(dim=2)], [{"v": [1.0, at]} for at in range(3)])
    return len(_kept(found))


def _routed(w: World) -> Any:
    fields = [key(), FieldSchema("owner", DataType.VARCHAR, max_length=8, is_partition_key=True), vector(dim=2)]
    rows = [{"id": at, "owner": "xyz"[at % 3], "v": [1.0, at]} for at in range(9)]
    return ids(w.collection("routed", fields, rows, num_partitions=4).query("owner == 'y'", output_fields=["id"]))


def _binary(metric: str) -> Callable[[World], Any]:
    def call(w: World) -> Any:
        rows = [{"id": at, "b": bytes([2**at - 1, 255])} for at in range(9)]
        index = {"index_type": "BIN_FLAT", "metric_type": metric, "params": {}}
        found = w.collection(
            f"bits_{metric.lower()}", [key(), vector("b", DataType.BINARY_VECTOR, 16)], rows, index=index
        )
        return hits(found.search([bytes([0, 255])], "b", {"metric_type": metric, "params": {}}, 4))

    return call


def _new(*fields: FieldSchema, name: str = "refused", **how: Any) -> Callable[[World], Any]:
    return lambda w: w.collection(name, fields, index=None, **how).name


def _inserting(row: dict[str, Any]) -> Callable[[World], Any]:
    return lambda w: w.made("refusing", lambda w: _small(w, "refusing")).insert([row]).insert_count


def _of_nothing(call: Callable[[Any, str], Any]) -> Callable[[World], Any]:
    """A call of the connection itself, for a collection that is not there."""
    from pymilvus import connections

    return lambda w: call(connections._fetch_handler("default"), PREFIX + "nothing")


SEARCHES = [
    *(Case(f"search: {metric}", _search(metric)) for metric in ("L2", "IP", "COSINE")),
    Case("search: filter", _search(expr="colour == 'red'")),
    Case("search: filter that nothing passes", _search(expr="id > 100")),
    Case("search: output fields", _search(output_fields=["colour", "v"])),
    Case("search: all fields", _search(output_fields=["*", "colour"])),
    Case("search: unknown output field", _search(output_fields=["nope"])),
    Case("search: offset", _search(param={"offset": 3})),
    Case("search: more than there are", _search(limit=50)),
    Case("search: range, L2", _search(params={"radius": 20.0, "range_filter": 2.0}, limit=20)),
    Case("search: range, IP", _search("IP", params={"radius": 1.0, "range_filter": 9.0}, limit=20)),
    Case("search: range, COSINE", _search("COSINE", params={"radius": 0.3, "range_filter": 0.9}, limit=20)),
    Case("search: range upside down", _search(params={"radius": 2.0, "range_filter": 20.0})),
    Case("search: rounded scores", _search(round_decimal=1)),
    Case("search: limit 0", _search(limit=0)),
    Case("search: limit 16385", _search(limit=16385)),
    Case("search: offset and limit beyond the window", _search(param={"offset": 16384})),
    Case("search: wrong dimension", _search(data=[[1.0, 2.0, 3.0]])),
    Case("search: wrong kind of vector", _search(data=[bytes([1])])),
    Case("search: metric that is not the index's", lambda w: hits(w.plane().search(QUERY, "v", {"metric_type": "IP"}, 3))),
    Case("search: field that is none", lambda w: hits(w.plane().search(QUERY, "nope", {"metric_type": "L2"}, 3))),
    Case("search: field without vectors", lambda w: hits(w.plane().search(QUERY, "colour", {"metric_type": "L2"}, 3))),
    Case("search: unknown partition", _search(partition_names=["nope"])),
    Case("search: filter that is none", _search(expr="colour ==")),
    Case("search: iterator", _walked),
    Case("search: BINARY_VECTOR, HAMMING", _binary("HAMMING")),
    Case("search: BINARY_VECTOR, JACCARD", _binary("JACCARD")),
    Case("query: limit", lambda w: ids(w.plane().query("id >= 5", limit=3, output_fields=["id"]))),
    Case("query: limit and offset", lambda w: ids(w.plane().query("id >= 5", limit=3, offset=4, output_fields=["id"]))),
    Case("query: fields", lambda w: w.plane().query("id == 3", output_fields=["colour"])),
    Case("query: JSON and dynamic fields", lambda w: w.numbers.query("id == 8", output_fields=["meta", "loose", "other", "words"])),
    Case("query: no filter and no limit", lambda w: ids(w.plane().query("", output_fields=["id"]))),
    Case("query: unknown output field", lambda w: ids(w.plane().query("id == 3", output_fields=["nope"]))),
    Case("query: unknown partition", lambda w: ids(w.plane().query("id == 3", partition_names=["nope"]))),
    Case("query: iterator", _iterated),
    Case("query: count", _counted),
]  # fmt: skip

DEFINITIONS = [
    Case("database: create, list, drop", _databases),
    Case("database: drop one that is not there", lambda w: db.drop_database(PREFIX + "nothing")),
    Case("collection: describe", _described),
    Case("collection: rename", _renamed),
    Case("collection: drop one that is not there", _of_nothing(lambda c, name: c.drop_collection(name))),
    Case("collection: describe one that is not there", _of_nothing(lambda c, name: c.describe_collection(name))),
    Case("collection: load one that is not there", _of_nothing(lambda c, name: c.load_collection(name))),
    Case("collection: insert into one that is not there", _of_nothing(lambda c, name: c.insert_rows(name, [{"id": 1}]))),
    Case("collection: load, release and their states", _loaded),
    Case("collection: load without an index", lambda w: _small(w, "bare", index=None).load()),
    Case("collection: search one that is not loaded", lambda w: hits(_small(w, "idle", load=False).search([[1.0, 1.0]], "v", {"metric_type": "L2"}, 1))),
    Case("collection: query one that is not loaded", lambda w: ids(_small(w, "idle", load=False).query("id >= 0"))),
    Case("collection: bad name", _new(key(), vector(), name="a-b")),
    Case("collection: bad field name", _new(key(), vector("a-b"))),
    Case("collection: the same field twice", _new(key(), vector(), vector())),
    Case("collection: no vector field", _new(key(), FieldSchema("n", DataType.INT64))),
    Case("collection: dimension too large", _new(key(), vector(dim=40000))),
    Case("collection: binary dimension no multiple of 8", _new(key(), vector(kind=DataType.BINARY_VECTOR, dim=12))),
    Case("collection: VARCHAR too long", _new(key(), FieldSchema("s", DataType.VARCHAR, max_length=70000), vector())),
    Case("collection: array too long", _new(key(), FieldSchema("t", DataType.ARRAY, element_type=DataType.INT8, max_capacity=5000), vector())),
    Case("collection: too many shards", _new(key(), vector(), num_shards=100)),
    Case("partitions", _partitions),
    Case("partition: drop the default one", lambda w: _small(w, "parted", load=False).drop_partition("_default")),
    Case("partition: bad name", lambda w: _small(w, "parted", load=False).create_partition("a-b").name),
    Case("partition: load one that is not there", lambda w: _small(w, "parted", load=False).load(["nope"])),
    Case("partition key", _routed),
    Case("aliases", _aliases),
    Case("alias: of a collection that is not there", lambda w: utility.create_alias(PREFIX + "nothing", PREFIX + "x")),
    Case("alias: drop one that is not there", lambda w: utility.drop_alias(PREFIX + "nothing")),
    Case("index: build, progress, describe, drop", _indexed),
    Case("index: unknown type", lambda w: _small(w, "bare", index=None).create_index("v", {"index_type": "NOPE", "metric_type": "L2", "params": {}}).code),
    Case("index: unknown metric", lambda w: _small(w, "bare", index=None).create_index("v", {"index_type": "FLAT", "metric_type": "NOPE", "params": {}}).code),
    Case("index: unknown field", lambda w: _small(w, "bare", index=None).create_index("nope", {"index_type": "FLAT", "metric_type": "L2", "params": {}}).code),
    Case("index: M out of its range", lambda w: _small(w, "bare", index=None).create_index("v", {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 99999, "efConstruction": 10}}).code),
    Case("index: of a loaded collection, dropped", lambda w: _small(w, "held").drop_index(index_name="v")),
]  # fmt: skip

WRITES = [
    Case("insert: auto id", _auto),
    Case("insert: VARCHAR keys, and deleting by one", _strings),
    Case("insert: wrong dimension", _inserting({"id": 1, "n": 1, "v": [1.0]})),
    Case("insert: a field is missing", _inserting({"id": 1, "v": [1.0, 1.0]})),
    Case("insert: a field is too many", _inserting({"id": 1, "n": 1, "v": [1.0, 1.0], "more": 1})),
    Case("insert: wrong type", _inserting({"id": "x", "n": 1, "v": [1.0, 1.0]})),
    Case("insert: unknown partition", lambda w: w.plane().insert(list(PLANE[:1]), partition_name="nope").insert_count),
    Case("insert: text longer than max_length", lambda w: w.plane().insert([{**PLANE[0], "colour": "x" * 17}]).insert_count),
    Case("upsert", _upserted),
    *(Case(f"delete: `{text}`", _deleted(text)) for text in ("id in [1, 2]", "id == 3", "n == 1", "n > 0 and id < 3", "id in [99]", "", "nope == 1", "id ==")),
    Case("flush, compact and its state", _compacted),
    Case("segments in memory", _segments),
]  # fmt: skip

SERVER = [
    Case("resource groups: list", lambda w: utility.list_resource_groups()),
    Case("resource groups: describe the default one", lambda w: utility.describe_resource_group("__default_resource_group").name),
    Case("resource groups: describe one that is not there", lambda w: utility.describe_resource_group("nope").name),
    Case("users: list", lambda w: "root" in utility.list_usernames()),
]  # fmt: skip
