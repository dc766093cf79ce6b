"""The messages beside the slow ones that say what else went on: failures, waits, loads, builds, compactions, restarts.

`SPECS` says for each message what it means, which field names the thing it is about (so that a start finds its end), and
which field holds a duration. Messages and fields are those of Milvus 2.0 to 3.0, read in the source of 2.2.16, 2.3.5, 2.3.22,
2.4.15, 2.4.24, 2.5.16, 2.5.27, 2.6.10, 2.6.18 and 3.0-beta, as written at INFO and above; where versions differ, a comment says
which write it. A line that is not listed is no evidence, and is merely counted.

    [2026/11/21 05:03:27.428 +00:00] [INFO] [indexnode/task.go:363] ["Successfully build index"] [buildID=470610545674767827]
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spec:
    """What a message means. `unit_s` is the seconds that one unit of a bare number in `duration` stands for.

    A line counts only where it has one of the fields in `needs`, and where the first of them says `value`, if that is given.
    `also` is another entry of KNOWN: the line means that as well.
    """

    what: str
    state: str = "point"
    subject: bytes = b""
    collection: bytes = b"collectionID"
    duration: bytes = b""
    unit_s: float = 1.0
    detail: tuple[bytes, ...] = ()
    needs: tuple[bytes, ...] = ()
    value: bytes = b""
    also: bytes = b""


def _failed(what: str = "request_failed") -> Spec:
    return Spec(what, "point", b"collection", b"collection", detail=(b"error", b"err"))


_TSAFE = Spec("tsafe_wait", subject=b"channel", detail=(b"error",))
# A load is over when all of it is there. Until then the same message says how far it is, but for "load collection done" of
# 2.6 and later, which is no evidence: it says that the load was accepted.
_LOADED = Spec("load", "done", b"collectionID", needs=(b"collectionLoadPercentage", b"loadPercentage"), value=b"100")
_SESSION = Spec("session", subject=b"key", detail=(b"value",), also=b"a role registered")
_EXPIRED = Spec("meta_failed", detail=(b"error",))

SPECS: dict[bytes, Spec] = {
    # Requests that failed (internal/proxy/impl.go).
    **{
        method + b" failed to " + step: _failed()
        for method in (b"Search", b"Query", b"HybridSearch")
        for step in (b"WaitToFinish", b"enqueue")
    },
    b"failed to search on delegator": _failed("node_failed"),
    b"failed to query on delegator": _failed("node_failed"),
    # Waiting for tSafe (querynodev2/delegator; querynode in 2.2; query_collection.go in 2.0).
    b"delegator search failed to wait tsafe": _TSAFE,
    b"delegator query failed to wait tsafe": _TSAFE,
    b"guarantee and serviceable ts larger than MaxLag": Spec("tsafe_lag", subject=b"channel", duration=b"lag"),
    b"tsafe stall detected, fast-fail to allow proxy failover": Spec("tsafe_lag", subject=b"channel", duration=b"lag"),
    b"downgrade tsafe": Spec("tsafe_lag", subject=b"channel"),
    b"readable growing segment lost, consume from dml seems too slow": Spec("tsafe_lag", subject=b"segmentID"),
    b"query node::receiveQueryMsg: add to unsolvedMsg": Spec("tsafe_parked", subject=b"msgID"),
    b"query node::doUnsolvedMsg: add to unsolvedMsg": Spec("tsafe_parked", subject=b"msgID"),
    b"get query message from unsolvedMsg": Spec("tsafe_parked", "done", b"msgID"),
    # The message queue, the time tick, the WAL.
    b"rootcoord send tt to all channels too slowly": Spec("timetick_slow", duration=b"span", unit_s=1e-3),
    b"rocksmq produce too slowly": Spec("mq_slow", subject=b"topic", duration=b"produce total elapse", unit_s=1e-3),
    b"rocksmq consume too slowly": Spec("mq_slow", subject=b"topic", duration=b"total consume elapse", unit_s=1e-3),
    b"consume msg failed": Spec("mq_slow", subject=b"topic", detail=(b"error",)),
    b"append message into wal too slow": Spec("mq_slow", subject=b"channel", duration=b"duration"),
    b"failed to updateTimeTick": Spec("timetick_lost", detail=(b"error",)),  # until 2.5
    b"session idle for long time": Spec("timetick_idle", subject=b"idle list", duration=b"idle time", unit_s=1e-3),
    b"clock offset is huge, check network latency and clock skew": Spec("clock_jump", duration=b"jet-lag"),
    # The meta store: timestamps cannot be saved, and the lease of a node runs out, upon which it ends (rootcoord/root_coord.go,
    # util/sessionutil/session_util.go, which spells it so).
    b"failed to update tso": Spec("meta_failed", detail=(b"error",)),
    b"connection lost detected, shuting down": Spec("meta_failed"),  # until 2.5
    # From 2.6 on.
    b"confirm the lease is not found, the session is expired without activing closing": _EXPIRED,
    b"confirm the lease is expired, the session is expired without activing closing": _EXPIRED,
    b"session expired at client side, the session is expired without activing closing": _EXPIRED,
    # Search without an index.
    b"search growing/sealed segments without indexes": Spec("no_index_search", subject=b"segmentIDs"),
    b"there are no indexes on this segment": Spec("no_index_search"),
    # Until 2.2, at DEBUG, for each segment of each search.
    b"do search on segment done": Spec("no_index_search", subject=b"segmentID", needs=(b"loadIndex",), value=b"false"),
    # The machine under it.
    b"lock takes too long": Spec("lock_slow", subject=b"lockName", duration=b"time_cost"),
    b"GC Tune done, and the gc is slow": Spec("gc_slow", duration=b"gc-pause"),
    b"Balance check too slow": Spec("balance", duration=b"duration"),
    # Index building.
    b"index builder task schedule": Spec("index_queue", duration=b"task num"),
    b"task scheduler": Spec("index_queue", duration=b"task num"),
    # 2.4 and 2.5 ask every second how a build is going, 2.6 and later only tell its end here, which other lines do too.
    b"query task index info successfully": Spec(
        "index_build", "start", b"taskID", needs=(b"result state",), value=b"InProgress"
    ),
    b"IndexNode building index ...": Spec("index_build", "start", b"indexBuildID"),
    b"Begin to prepare indexBuildTask": Spec("index_build", "start", b"buildID", b"Collection"),
    b"Successfully build index": Spec("index_build", "done", b"buildID", b"Collection"),
    b"finish index task success": Spec("index_build", "done", b"buildID"),
    b"CreateIndex received": Spec("create_index", "point", b"field", b"collection", detail=(b"extra_params",)),
    b"CreateIndex done": Spec("create_index", "point", b"field", b"collection", detail=(b"extra_params",)),
    b"DropIndex received": Spec("drop_index", "point", b"field", b"collection"),
    # Compaction.
    b"start compaction": Spec("compaction", "start", b"planID"),
    b"compaction completed": Spec("compaction", "done", b"planID"),
    b"start to execute compaction": Spec("compaction", "start", b"planID", b"Collection"),
    b"end to execute compaction": Spec("compaction", "done", b"planID", b"Collection"),
    b"compact overall elapse": Spec("compaction", "done", b"planID", b"collectionID", b"elapse"),
    # Load, release, balance.
    b"load collection request received": Spec("load", "start", b"collectionID", detail=(b"schema",)),
    # The coordinator's; query nodes say the same of each load, and of a new partition in a loaded collection.
    b"received load partitions request": Spec("load", "start", b"collectionID", needs=(b"replicaNumber",)),
    b"load status updated": _LOADED,  # 2.3 and 2.4 until 2.4.15
    b"collection load status updated": _LOADED,  # 2.2, and since
    b"release collection request received": Spec("release", "start", b"collectionID"),
    b"collection released": Spec("release", "done", b"collectionID"),  # until 2.5
    b"release collection done": Spec("release", "done", b"collectionID"),  # from 2.6 on
    b"load segments...": Spec("segment_load", "start", b"taskID"),
    b"load segments done": Spec("segment_load", "done", b"taskID", b"collectionID", b"elapsed"),
    b"release segment...": Spec("segment_release", "start", b"taskID"),
    b"release segment done": Spec("segment_release", "done", b"taskID", b"collectionID", b"time taken"),
    # Writes and deletes, as the query node sees them.
    b"pipeline fetch insert msg": Spec("insert", duration=b"insertRowNum"),
    b"pipeline fetch delete msg": Spec("delete", duration=b"insertRowNum"),
    b"flush segment complete": Spec("flush", subject=b"id"),
    b"found redundant growing segments": Spec("growing_redundant", subject=b"growingSegments"),
    b"total delete entities is too much, trigger compaction": Spec("delete_backlog"),  # until 2.3
    b"total delete entities is too much": Spec("delete_backlog"),  # 2.5
    b"total delete entries size exceeds threshold": Spec("delete_backlog"),  # from 2.6 on
    b"total delta number is too much, trigger compaction": Spec("delete_backlog"),  # until 2.5
    # Start, stop, version. A role registers once, when it starts: query nodes until 2.5 say so in the second line alone.
    b"register session success": Spec("restart", "point", b"role"),  # until 2.5
    b"put session key into etcd": _SESSION,  # until 2.5
    b"put session key into etcd, service registered successfully": _SESSION,  # from 2.6 on
    b"a node down, remove it": Spec("node_down", subject=b"nodeID"),
    b"there are too few available query nodes to balance": Spec("node_down"),
    b"unhealthy node exist, node up will be delayed": Spec("node_down"),  # until 2.5
    b"load segment failed, OOM if load": Spec("memory", detail=(b"error",)),  # from 2.6 on; before, errors say it
    # What a DEBUG log says of one request.
    b"search PreExecute done.": Spec("consistency", detail=(b"consistency level",), duration=b""),
}
# Messages that go on after a fixed beginning.
PREFIXES: tuple[tuple[bytes, Spec], ...] = (
    (b"Slow etcd operation", Spec("meta_slow", subject=b"key", duration=b"time spent")),
    (b"Slow txnTiKV", Spec("meta_slow", subject=b"key", duration=b"time spent")),
    (b"loadBalanceSegmentLoop: there are too few available", Spec("node_down")),
    (b"[CGO Call] slow function", Spec("cgo_slow")),
    (b"load segment failed, OOM", Spec("memory")),
)

# Of what says the same all the time the first of every ten seconds is kept (see `needles.STEADY`).
STEADY_KINDS = frozenset(
    ("index_queue", "insert", "delete", "growing_redundant", "timetick_idle", "flush", "delete_backlog")
)

# What Pulsar's client says where it is turned away (pulsar/producer_partition.go, consumer_partition.go, internal/connection.go).
OF_PULSAR = frozenset(
    b"Failed to " + what for what in (b"create producer", b"create consumer", b"lookup topic", b"connect to broker")
)

# Message and meaning of everything that can be an event, so that a row needs no more than a number.
KNOWN: tuple[tuple[bytes, Spec], ...] = (
    *SPECS.items(),
    *PREFIXES,
    (b"a request timed out", Spec("request_timeout", subject=b"collection", collection=b"collection")),
    (b"the queue is full", Spec("queue_full", collection=b"collection")),
    (b"tSafe is too far behind for a request", Spec("tsafe_lag", collection=b"collection")),
    (b"a role registered", Spec("restart", subject=b"key")),
    (b"memory does not do for a load", Spec("memory")),
    (b"Pulsar turns a client away", Spec("mq_failed")),
)
