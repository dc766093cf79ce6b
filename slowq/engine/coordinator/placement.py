"""Which query node searches which segment, and which replica is asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from slowq.engine.config import Config
from slowq.engine.querynode import QueryNode
from slowq.engine.schema import Collection
from slowq.engine.segment import Segment


class Placement:
    """A replica has every replicas-th node. A collection's segments are dealt out to its nodes one by one, in the order in
    which they are first asked for: each has as many, as Milvus' balancer by count makes it.

    The lock is held for the moment in which a segment gets its number, or a search its turn; after that the number is read
    without it.
    """

    def __init__(self, nodes: Sequence[QueryNode], config: Config) -> None:
        self.nodes = nodes
        self._in_turn = config.text("proxy.replicaSelectionPolicy") == "round_robin"
        self._turn = 0
        self._lock = threading.Lock()
        self._dealt: dict[int, dict[int, int]] = {}  # by collection: the number of each sealed segment

    def of_replica(self, replica: int, replicas: int) -> Sequence[QueryNode]:
        """All nodes, where a restart has left fewer than there are replicas."""
        return [node for node in self.nodes if node.number % replicas == replica] or self.nodes

    def next_replica(self, replicas: int) -> int:
        """Whose turn it is, or with `look_aside` the one of them all whose nodes have the fewest query vectors to search."""
        with self._lock:
            self._turn += 1
            turn = self._turn % replicas
        if replicas == 1 or self._in_turn:
            return turn
        in_order = [(turn + step) % replicas for step in range(replicas)]
        return min(in_order, key=lambda one: sum(node.unsolved_nq for node in self.of_replica(one, replicas)))

    def node_of(self, collection: Collection, segment: Segment, replica: int, replicas: int) -> QueryNode:
        own = self.of_replica(replica, replicas)
        if segment.state == "growing":
            return own[segment.shard % len(own)]
        dealt = self._dealt.get(collection.id, {})
        if segment.id not in dealt:
            with self._lock:
                dealt = self._dealt.setdefault(collection.id, {})
                dealt.setdefault(segment.id, len(dealt))
        return own[dealt[segment.id] % len(own)]

    def forget(self, number: int) -> None:
        with self._lock:
            self._dealt.pop(number, None)
