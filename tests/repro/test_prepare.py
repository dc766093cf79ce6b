"""Collections as a set-up wants them, on the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from slowq.repro.prepare import Prepared, connect, prepare
from slowq.repro.scenario import Column, Setup
from slowq.repro.target import EngineTarget
from tests.servers import RealMilvus

SETUP = Setup(rows=2_000, dim=8, columns=(Column("tenant", "INT64", distinct=500),), index="FLAT", index_params={})


@contextmanager
def prepared(**change: Any) -> Iterator[tuple[Any, Prepared]]:
    setup = SETUP.changed(change)
    target = EngineTarget(setup)
    client = connect(target.uri)
    try:
        yield client, prepare(client, "mine", setup, seed=1)
    finally:
        client.close()
        target.close()


def test_rows_lie_in_partitions_by_key_and_other_collections_have_as_many() -> None:
    with prepared(partition_key="tenant", partitions=6, other_collections=2) as (client, made):
        assert made.beside == ["mine_beside_0", "mine_beside_1"]
        assert {name: len(client.list_partitions(name)) for name in client.list_collections()} == dict.fromkeys(
            ["mine", *made.beside], 6
        )
        assert [str(client.get_load_state(one)["state"]) for one in made.beside] == ["Loaded", "Loaded"]
        assert client.query("mine", output_fields=["count(*)"])[0]["count(*)"] == 2_000


def test_rows_are_sorted_into_segments_by_the_clustering_key() -> None:
    small = {
        "dataCoord.segment.maxSize": 1,
        "dataCoord.compaction.clustering.preferSegmentSizeRatio": 0.02,
        "queryNode.enableSegmentPrune": True,
    }
    with prepared(clustering_key="tenant", segments=2, config=small) as (client, made):
        assert len(client.list_loaded_segments("mine")) > 2
        few = client.query("mine", filter="tenant < 5", output_fields=["tenant"])
        assert sorted(one["tenant"] for one in few) == sorted(
            value for value in made.rows[0].columns["tenant"] if value < 5
        )


@pytest.mark.real
def test_only_the_collection_itself_is_compacted_on_a_milvus_that_takes_no_name_for_it(milvus: RealMilvus) -> None:
    client = connect(milvus.uri, milvus.root)
    names = ("slowq_repro_theirs", "slowq_repro_mine")

    def segments(name: str) -> dict[int, int]:
        return {one.segment_id: one.num_rows for one in client.list_persistent_segments(name)}

    try:
        setup = SETUP.changed({"index": "IVF_FLAT", "index_params": {"nlist": 8}, "segments": 1})
        prepare(client, names[0], setup, seed=1)
        theirs = segments(names[0])
        made = prepare(client, names[1], setup.changed({"purged": 0.9, "compacted": True}), seed=1)
        assert sum(segments(names[1]).values()) == 200  # and the deleted rows are gone
        assert segments(names[0]) == theirs
        assert made.recall() is not None
    finally:
        for name in names:
            client.drop_collection(name)
        client.close()
