"""The answer never changes by what the engine does with its data on its own."""

from __future__ import annotations

import shutil
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slowq.engine.compaction import CLUSTERING, LEVEL_ZERO, MIX
from tests.engine import small

KEYS = st.integers(0, 30)
VALUES = st.tuples(st.integers(0, 5), st.integers(0, 1000))
BLOCK = 80  # rows: enough for an interim index of two lists
# None: rows are compared one by one until they are sealed. Otherwise how many of two lists a search looks into.
PROBES = st.sampled_from([None, 1, 2])


def settings_of(prune: bool, probes: int | None) -> dict[str, object]:
    return {
        "queryNode.enableSegmentPrune": prune,
        "queryNode.segcore.interimIndex.enableIndex": probes is not None,
        "queryNode.segcore.interimIndex.nlist": 2,
        "queryNode.segcore.interimIndex.nprobe": probes or 2,
        "queryNode.segcore.interimIndex.indexBuildRatio": 0.0,
    }


class Unchanging(RuleBasedStateMachine):
    """An engine beside a dict: whatever is written goes to both, whatever else is done must not be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.known: dict[int, tuple[int, int]] = {}
        self.loaded = True
        self.failures: list[str] = []

    @initialize(shards=st.integers(1, 2), prune=st.booleans(), probes=PROBES)
    def begin(self, shards: int, prune: bool, probes: int | None) -> None:
        self.exact = probes != 1
        self.config = small.config(**settings_of(prune, probes))
        self.engine = small.opened(self.folder, self.config)
        small.create(self.engine, shards=shards, index="IVF_FLAT", nlist="1")  # of one list, so that it is exact

    @rule(values=st.dictionaries(KEYS, VALUES, min_size=1, max_size=12))
    def insert(self, values: dict[int, tuple[int, int]]) -> None:
        fresh = {key: value for key, value in values.items() if key not in self.known}
        if fresh:
            small.insert(self.engine, fresh)
            self.known |= fresh

    @rule(block=st.integers(1, 4), version=st.integers(0, 1000), wait=st.booleans())
    def insert_block(self, block: int, version: int, wait: bool) -> None:
        values = {key: (key % 6, version) for key in range(1000 * block, 1000 * block + BLOCK)}
        if self.known.keys().isdisjoint(values):
            small.insert(self.engine, values)
            self.known |= values
        if wait and self.loaded:
            small.interim_built(self.engine)

    @rule(block=st.integers(1, 4), every=st.integers(2, 5))
    def thin_out(self, block: int, every: int) -> None:
        keys = set(range(1000 * block, 1000 * block + BLOCK, every))
        small.delete(self.engine, keys)
        self.known = {key: value for key, value in self.known.items() if key not in keys}

    @rule(values=st.dictionaries(KEYS, VALUES, min_size=1, max_size=12))
    def upsert(self, values: dict[int, tuple[int, int]]) -> None:
        small.upsert(self.engine, values)
        self.known |= values

    @rule(keys=st.sets(KEYS, min_size=1, max_size=8))
    def delete(self, keys: set[int]) -> None:
        small.delete(self.engine, keys)
        self.known = {key: value for key, value in self.known.items() if key not in keys}

    @rule(wait=st.booleans())
    def flush(self, wait: bool) -> None:
        self.engine.coordinator.upkeep.flush(small.found(self.engine))
        if wait:
            small.settled(self.engine)

    @rule(kind=st.sampled_from([MIX, LEVEL_ZERO, CLUSTERING]), wait=st.booleans())
    def compact(self, kind: str, wait: bool) -> None:
        if wait:
            small.compacted(self.engine, kind)
        else:
            self.engine.coordinator.upkeep.compact(small.found(self.engine), kind)

    @precondition(lambda self: self.loaded)
    @rule()
    def release(self) -> None:
        self.engine.coordinator.loading.release(small.found(self.engine))
        self.loaded = False

    @precondition(lambda self: not self.loaded)
    @rule()
    def load(self) -> None:
        small.loaded(self.engine)
        self.loaded = True

    @rule()
    def index_groups(self) -> None:
        if small.found(self.engine).index_of("group") is None:
            self.engine.create_index(small.found(self.engine), "group", "group", {"index_type": "STL_SORT"})
        else:
            self.engine.coordinator.indexing.drop(small.found(self.engine), "group")

    @rule()
    def restart(self) -> None:
        self.engine.close()
        self.failures += self.engine.failures
        self.engine = small.opened(self.folder, self.config)

    @invariant()
    def the_answer_is_that_of_the_dict(self) -> None:
        if not hasattr(self, "engine") or not self.loaded:
            return
        assert small.answer(self.engine) == self.known
        low = {key: value for key, value in self.known.items() if value[0] <= 2}
        assert small.answer(self.engine, "group <= 2") == low
        self.check_nearest(low)

    def check_nearest(self, low: dict[int, tuple[int, int]]) -> None:
        """Hits are alive, pass, and come in order; the best ones, unless an interim index looks into half of its lists."""
        query = small.vector_of(7, 500)

        def distance(key: int) -> float:
            return sum((a - b) ** 2 for a, b in zip(small.vector_of(key, low[key][1]), query, strict=True))

        found = small.nearest(self.engine, query, 5, "group <= 2")
        near = [distance(key) for key in found]
        assert near == sorted(near)
        assert len(set(found)) == len(found)
        if self.exact:
            assert near == sorted(distance(key) for key in low)[:5]

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.close()
            self.failures += self.engine.failures
        shutil.rmtree(self.folder)
        assert self.failures == []


TestUnchanging = Unchanging.TestCase
TestUnchanging.settings = settings(
    max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
