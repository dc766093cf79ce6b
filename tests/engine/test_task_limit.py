"""`proxy.maxTaskNum`: so many reads are in the proxy at once, also where that is more than other calls have threads."""

from __future__ import annotations

import io
from pathlib import Path

import grpc
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

from slowq.engine import Engine
from slowq.gather import gather
from tests.engine import small

LIMIT = 300


def test_one_more_than_the_limit_is_refused_at_once_and_the_others_are_answered(tmp_path: Path) -> None:
    log = io.StringIO()
    settings = small.config(**{"proxy.maxTaskNum": LIMIT})
    with Engine(tmp_path / "data", settings, cpus=1, tick_interval_s=0.005, log=log) as engine:
        small.create(engine)
        server = engine.serve()
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        asked = milvus_pb2.QueryRequest(collection_name=small.NAME, expr="id >= 0", output_fields=["id"])  # Strong
        engine.pause_ticks()
        waiting = [stub.Query.future(asked, timeout=60) for _ in range(LIMIT)]
        small.until(lambda: engine.proxy.reads == LIMIT)
        refused = stub.Query(asked, timeout=60).status
        others = stub.ShowCollections(milvus_pb2.ShowCollectionsRequest(), timeout=60)
        assert not any(one.done() for one in waiting)
        engine.pause_ticks(False)
        answers = [one.result().status.code for one in waiting]
        channel.close()
        server.stop()
    assert (refused.code, refused.reason, refused.retriable) == (
        4,
        "too many concurrent requests, queue is full[limit=300]",
        True,
    )
    assert list(others.collection_names) == [small.NAME]
    assert answers == [0] * LIMIT
    (tmp_path / "milvus.log").write_text(log.getvalue())
    events = gather([str(tmp_path / "milvus.log")], jobs=1).events
    assert events["what"].tolist().count("queue_full") == 1
