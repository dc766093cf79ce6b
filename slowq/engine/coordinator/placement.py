"""Which query node searches which segment, and which replica is asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from slowq.engine.config import Config
from slowq.engine.querynode import QueryNode
from slowq.engine.schema import Collection
from slowq.engine.segment import Segment

_Replica: TypeAlias = tuple[int, int]  # its number, and how many there are
_Places: TypeAlias = dict[int, int]  # of each sealed segment the place of its node among those of the replica


class Placement:
    """A replica has every replicas-th node. When a segment is asked for the first time, each new one of its collection goes
    to the node of the replica that has the fewest, as with Milvus' balancer by count, and stays there. `searched` says
    which segments a collection has; the others are forgotten then.

    The lock is held for the moment in which a segment gets its node, or a search its turn; after that the node is read
    without it.
    """

    def __init__(self, nodes: Sequence[QueryNode], config: Config, searched: Callable[[int], frozenset[int]]) -> None:
        self.nodes, self._searched = nodes, searched
        self._in_turn = config.text("proxy.replicaSelectionPolicy") == "round_robin"
        self._turn = 0
        self._lock = threading.Lock()
        self._dealt: dict[int, dict[_Replica, _Places]] = {}  # by collection

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
        dealt = self._dealt.get(collection.id, {}).get((replica, replicas), {})
        if segment.id not in dealt:
            there = self._searched(collection.id) | {segment.id}
            with self._lock:
                dealt = _dealt(self._dealt.setdefault(collection.id, {}), (replica, replicas), there, len(own))
        return own[dealt[segment.id]]

    def forget(self, number: int) -> None:
        with self._lock:
            self._dealt.pop(number, None)


def _dealt(replicas: dict[_Replica, _Places], replica: _Replica, there: frozenset[int], nodes: int) -> _Places:
    """The places of all segments in `there` for the replica, which are new values: others read the old ones meanwhile."""
    for known, places in replicas.items():
        replicas[known] = {number: place for number, place in places.items() if number in there}
    dealt = replicas.get(replica, {}).copy()
    has = Counter(dealt.values())
    for number in sorted(there - dealt.keys()):
        dealt[number] = min(range(nodes), key=has.__getitem__)
        has[dealt[number]] += 1
    replicas[replica] = dealt
    return dealt
