"""The inspector: once a second it looks what is due."""

from __future__ import annotations

import threading
import time

from slowq.engine.compaction import CLUSTERING, LEVEL_ZERO, MIX
from slowq.engine.config import Config
from slowq.engine.coordinator.catalog import Catalog
from slowq.engine.coordinator.indexing import Indexing
from slowq.engine.coordinator.upkeep import Upkeep
from slowq.engine.events import Events
from slowq.engine.faults import RequestFault

_INTERVAL_S = 1.0
_TRIGGERS = (
    (MIX, "dataCoord.compaction.mix.triggerInterval"),
    (LEVEL_ZERO, "dataCoord.compaction.levelzero.triggerInterval"),
    (CLUSTERING, "dataCoord.compaction.clustering.triggerInterval"),
)


class Inspector:
    """A thread from `start` until `stop` is set. It begins tasks and waits for none."""

    def __init__(
        self,
        catalog: Catalog,
        indexing: Indexing,
        upkeep: Upkeep,
        config: Config,
        events: Events,
        stop: threading.Event,
    ) -> None:
        self._catalog, self._indexing, self._upkeep = catalog, indexing, upkeep
        self._config, self._events, self._stop = config, events, stop
        self._thread = threading.Thread(target=self._run, name="inspector", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        last = dict.fromkeys((kind for kind, _ in _TRIGGERS), time.monotonic())
        while not self._stop.wait(_INTERVAL_S):
            due = self._due(last)
            for collection in self._catalog.collections():
                try:
                    self._upkeep.seal(collection)
                    self._indexing.build_missing(collection)
                    for kind in due:
                        self._upkeep.compact_due(collection, kind)
                except RequestFault:  # dropped meanwhile
                    continue
                except Exception as error:  # noqa: BLE001 - the other collections, and the next round, are looked after all the same
                    self._events.task_failed(error)

    def _due(self, last: dict[str, float]) -> list[str]:
        """The kinds of compaction to look after; `last` says when that was done before."""
        config, now = self._config, time.monotonic()
        on = config.flag("dataCoord.enableCompaction") and config.flag("dataCoord.compaction.enableAutoCompaction")
        due = [kind for kind, key in _TRIGGERS if on and now - last[kind] >= config.number(key)]
        last.update(dict.fromkeys(due, now))
        return due
