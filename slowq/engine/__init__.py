"""A reference vector engine with Milvus' architecture: small, real, and honest about what each request cost.

    with Engine("data") as engine:
        server = engine.serve(port=19530, metrics_port=9091)

It speaks Milvus' gRPC protocol, writes Milvus' log lines and shows Milvus' metrics, so that slowq reads it as it reads a
cluster. docs/engine.md has the request path and how it differs from Milvus.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TextIO

from slowq.engine.access import AccessLog
from slowq.engine.clock import Oracle
from slowq.engine.config import DEFAULTS, Config, configure, load_config
from slowq.engine.coordinator import Coordinator
from slowq.engine.events import Events, form_of
from slowq.engine.faults import StoreError, invalid
from slowq.engine.gauges import measure
from slowq.engine.indexes import create_index
from slowq.engine.meta import Meta
from slowq.engine.metrics import Metrics
from slowq.engine.mutation import Writer
from slowq.engine.objects import Objects
from slowq.engine.proxy import Proxy
from slowq.engine.querynode import QueryNode
from slowq.engine.reading import Books
from slowq.engine.requests import Caller, Freshness, Mutation, Query
from slowq.engine.rows import keys_of
from slowq.engine.scalar import PredicateWork, evaluate
from slowq.engine.scalar.shown import shown
from slowq.engine.schema import Collection
from slowq.engine.search import by_key, keys_named
from slowq.engine.segment import row_count

if TYPE_CHECKING:
    from slowq.engine.server import Server

__all__ = ["DEFAULTS", "Config", "Engine", "configure", "load_config"]

_SWITCH_S = 0.0005  # a busy Python thread must not hold up a search for the default 5 ms


class Engine:
    """An engine on a folder, which no other process may use meanwhile.

    `nodes` query nodes of `cpus` CPUs each; `log` and `access` take lines, None keeps none; `version` is the Milvus whose
    log lines it writes. `tick_interval_s` is that of the time tick, by default `proxy.timeTickInterval`.
    """

    def __init__(
        self,
        root: Path | str,
        config: Config | None = None,
        *,
        nodes: int = 1,
        cpus: int | None = None,
        version: str = "2.6.10",
        log: TextIO | None = None,
        access: TextIO | None = None,
        tick_interval_s: float | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.config = config or Config()
        form = form_of(version)
        self.version = form.version
        self._root = Path(root)
        self._lock = _locked(self._root)
        sys.setswitchinterval(_SWITCH_S)
        self.metrics = Metrics(self.version)
        self._events = Events(form, log, now_s)
        self._access = AccessLog(access, now_s)
        interval_s = tick_interval_s or self.config.number("proxy.timeTickInterval") / 1000
        with ExitStack() as undo:  # a folder that cannot be opened is let go of
            undo.callback(os.close, self._lock)
            self.meta = Meta(self._root / "meta.db")
            undo.callback(self.meta.close)
            self._objects = Objects(self._root / "objects")
            cpus = cpus or os.cpu_count() or 1
            self._nodes = [QueryNode(number, cpus, self.config, self.metrics, self._events) for number in range(nodes)]
            for node in self._nodes:
                undo.callback(node.close)
            self.coordinator = self._coordinator(Oracle(now_s), interval_s, cpus)
            undo.pop_all()
        books = Books(self.config, self.metrics, self._events, self._access)
        self.proxy = Proxy(self.coordinator, self.config, self.metrics, self._events, books)
        self.writer = Writer(self.coordinator, self.metrics)
        self._events.started(1)

    def _coordinator(self, oracle: Oracle, interval_s: float, cpus: int) -> Coordinator:
        return Coordinator(
            self._root,
            self.meta,
            self._objects,
            oracle,
            self.config,
            self.metrics,
            self._events,
            self._nodes,
            interval_s,
            cpus,
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all threads. What was acknowledged is on disk already."""
        self.proxy.close()
        self.coordinator.close()
        for node in self._nodes:
            node.close()
        self.meta.close()
        os.close(self._lock)

    def serve(self, host: str = "127.0.0.1", port: int = 0, metrics_port: int = 0) -> Server:
        from slowq.engine.server import Server

        return Server(self, host, port, metrics_port)

    @property
    def warnings(self) -> list[str]:
        """What was found amiss at a start and mended, such as a torn end of a log."""
        return self.meta.notes()

    @property
    def failures(self) -> list[str]:
        """Errors of tasks in the background, and of calls that met a mistake, the latest hundred; they are in the log too."""
        return list(self._events.failures)

    def failed(self, call: str, error: BaseException) -> None:
        """A call met an error that is a mistake of the engine; it is kept among the failures, and in the log."""
        self._events.answered_badly(call, error)

    def pause_ticks(self, paused: bool = True) -> None:
        """Holds the time tick back: a stall of everything that waits for it."""
        for channel in self.coordinator.channels:
            (channel.paused.set if paused else channel.paused.clear)()

    def create_index(self, collection: Collection, field: str, name: str, params: Mapping[str, str]) -> None:
        create_index(self.coordinator, collection, field, name, params)

    def delete(
        self,
        database: str,
        name: str,
        text: str,
        templates: Mapping[str, object],
        partitions: Sequence[str],
        caller: Caller,
    ) -> Mutation:
        """Deletes what the filter finds; by primary keys without looking, as Milvus does."""
        if not text.strip():
            raise invalid("delete expression is empty")
        collection = self.coordinator.catalog.collection(database, name)
        compiled = self.proxy.planner.filter(collection, text, templates)
        assert compiled is not None  # noqa: S101 - it is not empty
        primary = collection.primary
        named = keys_named(compiled.tree, primary.name, textual=primary.type == "VARCHAR")
        if named is not None and not partitions:
            return self.writer.delete(collection, named)
        strong = Freshness("Strong", uses_default=False)
        request = Query(
            database,
            name,
            text,
            templates,
            partitions,
            (collection.primary.name,),
            None,
            freshness=strong,
            label="delete_query",
        )
        answer, _ = self.proxy.query(request, caller)
        column = answer.columns[collection.primary.name]
        return self.writer.delete(collection, keys_of(column))

    def row_count(self, collection: Collection, partition: str = "") -> int:
        """Stored rows, as Milvus counts them: deleted ones too until compaction takes them; plus what is growing."""
        stored = sum(one.rows for one in self.meta.segments(collection.id) if partition in ("", one.partition))
        shards = self.coordinator.catalog.shards_of(collection)
        return stored + row_count(
            one for shard in shards for one in shard.view.growing if partition in ("", one.partition)
        )

    def explain(
        self, database: str, name: str, text: str, templates: Mapping[str, object] = MappingProxyType({})
    ) -> list[PredicateWork]:
        """Per segment and predicate: which index served it, rows scanned and passed. A filter that only names primary keys
        is one predicate, which the lookup of the segment's keys serves."""
        collection = self.coordinator.catalog.collection(database, name)
        chosen = self.proxy.planner.filter(collection, text, templates)
        if chosen is None:
            return []
        work: list[PredicateWork] = []
        for shard in self.coordinator.catalog.shards_of(collection):
            for one in shard.snapshot():
                named = by_key(one, chosen)
                if named is not None:
                    work.append(PredicateWork(shown(chosen.tree), "primary key", rows_passed=int(named.sum())))
                    continue
                columns = {field: one.rows.columns[field] for field in chosen.fields}
                work += evaluate(chosen, columns, len(one), one.scalar_indexes)[1]
        return work

    def metrics_text(self) -> bytes:
        measure(self)
        return self.metrics.text()

    @property
    def nodes(self) -> Sequence[QueryNode]:
        return self._nodes


def _locked(root: Path) -> int:
    """A handle that holds the folder for this process."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"Cannot use the folder {root}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreError(
            f"The folder {root} is in use by another engine", hint="stop it, or choose another --data"
        ) from error
    return handle
