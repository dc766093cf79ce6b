"""The channels, and the shards that write through them: the root coordinator's `dml_channels.go` in Milvus."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from slowq.engine.channel import Channel
from slowq.engine.clock import Oracle
from slowq.engine.coordinator.losses import Losses
from slowq.engine.events import Events
from slowq.engine.faults import StoreError
from slowq.engine.interim import InterimIndexes
from slowq.engine.meta import Meta
from slowq.engine.objects import Objects
from slowq.engine.schema import Collection
from slowq.engine.shard import Delta, Shard

CHANNELS = 4  # 16 in Milvus (rootCoord.dmlChannelNum), where they are topics and not threads


class Channels:
    """They are made once, and each shard belongs to one of them for its life: there is nothing here to lock."""

    def __init__(
        self,
        root: Path,
        meta: Meta,
        objects: Objects,
        oracle: Oracle,
        losses: Losses,
        events: Events,
        tick_interval_s: float,
        interim: InterimIndexes,
    ) -> None:
        self._logs = root / "wal"
        self._meta, self._objects, self._oracle = meta, objects, oracle
        self._losses, self._events, self._interim = losses, events, interim
        self._all = [Channel(f"channel-{number}", tick_interval_s, self._tick_late) for number in range(CHANNELS)]

    def _tick_late(self, span_s: float) -> None:
        self._events.tick_late(CHANNELS, span_s)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._all)

    def of(self, shard: Shard) -> Channel:
        return self._all[(shard.collection.id + shard.number) % len(self._all)]

    def open(self, collection: Collection) -> list[Shard]:
        """The shards of a collection, with all that their logs hold. Raises StoreError where a log is damaged."""
        return [self._opened(collection, number) for number in range(collection.shards)]

    def _opened(self, collection: Collection, number: int) -> Shard:
        first = self._meta.checkpoint(collection.id, number)
        folder = self._logs / f"{collection.id}-{number}"
        shard = Shard(collection, number, folder, self._oracle, first, self._interim)
        for delta in self._meta.deltas(collection.id, number):
            try:
                shard.deltas.append(Delta(*self._objects.read_deltas(delta)))
            except StoreError as error:
                self._losses.add(collection, None, str(error))
        shard.recover(lambda text: self._meta.note(self._oracle.now_s(), text))
        self.of(shard).add(shard)
        return shard

    def remove(self, shard: Shard) -> None:
        """Ends a shard and removes its log, behind the writes that wait and the tasks that run."""
        self.of(shard).retire(shard).result()
        with shard.flush_lock, shard.compact_lock:
            shard.remove_log()

    def logs(self) -> list[Path]:
        """The folder of each shard that was written to."""
        return sorted(self._logs.glob("*"))

    def sweep(self, collections: Sequence[Collection]) -> None:
        """Removes the logs of all other collections: they were dropped."""
        there = {f"{one.id}-{shard}" for one in collections for shard in range(one.shards)}
        for folder in self._logs.glob("*"):
            if folder.name not in there:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        for channel in self._all:
            channel.close()
