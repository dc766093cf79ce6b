"""Object storage or etcd is slow, and Milvus waits for it.

Symptom
    Searches that read raw data, loads, flushes and meta operations are slow or time out while CPU and the local
    disk are idle. It begins and ends with trouble of MinIO, S3 or etcd, for all collections.

Cause
    A search of loaded, in-memory data needs neither, but it reads object storage for chunks that are not cached
    (raw vectors for output, tiered storage in 2.6), and proxies ask the coordinator, and that etcd, when their
    cache misses. Loads and index files come from object storage. etcd needs a fast fsync: on a shared or network
    disk its leases expire and nodes are taken for dead. Reading vectors remotely for output is a known trap of
    tiered storage (issue #50820).

How we tell
    Lines that name the wait: `Slow etcd operation` and `Slow txnTiKV` (over 2 s). Slow requests overlap them, and the rest
    of the time is fast. Such lines alone are a hint: a store on a machine that lacks cores is slow as well. `failed to
    update tso` says that the coordinator could not save a timestamp, so that no time tick is sent and Strong reads wait;
    `connection lost detected, shuting down` that a node's lease ran out, upon which it ends.
    `dependencies.state.object_storage` or `.meta` in the context file says it outright, and so does a restart of the store
    after which alone it is slow. Where the work of segcore itself takes several times as long as before, or where searches
    queue for the query nodes, cores are what is missing, and a store on the same machine is slow for that reason.

    The metrics are milvus_storage_request_latency, internal_storage_request_latency and
    milvus_meta_request_latency; internal_storage_pool_queue_depth (2.6.16+) and milvus_proxy_apply_timestamp_latency
    tell who waits. Searches in memory do not touch storage, so that without any such line, state or metric the rule
    answers skipped.

Not this when
    The first searches after a load are slow while storage answers in its usual time (cold_cache). The local disk is
    saturated (disk_saturation). The CPU is full (cpu_saturation). The message queue is the one that lags (timetick_stall).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.contention import density, explained
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import search_with
from slowq.wording import count, do, duration
from slowq.workload import logged, stated

_NAMES = {"object_storage": "object storage", "meta": "the meta store"}
_TRACKS = {"object_storage": "storage", "meta": "meta"}
_MENDS = {
    "object_storage": ("repair_storage", "preload", "fewer_output_fields", "upgrade"),
    "meta": ("etcd_disk",),
}

REMEDIES = (
    Remedy(
        key="etcd_disk",
        do="Put etcd on a local SSD of its own, and compact and defragment it.",
        because="Each write of etcd waits for an fsync; on a shared disk it waits for everybody's.",
        cost="A volume, and a rolling restart of etcd.",
        verify="etcd_disk_wal_fsync_duration_seconds p99 below 10 ms, and no more `Slow etcd operation` lines.",
    ),
    Remedy(
        key="repair_storage",
        do="Look into latency and errors of the object storage: full disks, throttling, a distant region.",
        because="Loads and cold reads are as slow as it is.",
        cost="Work on the storage, or a bucket in the same region.",
        verify="milvus_storage_request_latency back to its usual p99.",
    ),
    Remedy(
        key="preload",
        do="Preload the fields that searches read, so that they do not go to object storage.",
        because="With `sync` a segment becomes searchable only when its data is local.",
        cost="Longer loads, and memory or disk for the data.",
        verify="milvus_proxy_scanned_remote_mb stays flat while users search.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_collection_properties(
    collection_name=$collection,
    properties={"warmup.vectorField": "sync", "warmup.scalarField": "sync"},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 6, 11),
    ),
    Remedy(
        key="fewer_output_fields",
        do="Leave vectors and long texts out of the output fields.",
        because="The search then reads nothing but its index.",
        cost="A second request for the few rows that need them.",
        verify="The pattern leaves the slow log while storage is still slow.",
        snippet=search_with('output_fields=["id"]'),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to 2.6.16 or later.",
        because=(
            "It exposes the size of the Arrow IO pool, to relieve stalls under heavy reads (PR #49554), and "
            "2.6.17 isolates loads from searches (PR #49764)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="internal_storage_pool_queue_depth near zero.",
        since=(2, 6, 0),
        before=(2, 6, 16),
    ),
)

ABOUT = About(
    id="storage_stall",
    title="Object storage or etcd is slow, and Milvus waits for it.",
    needs=(
        Need(
            what="lines or states that show slow storage or meta operations",
            how_to_supply=(
                "Give the logs of all components at level warn or lower, or --context: `dependencies: "
                "{object_storage: minio, meta: etcd, state: {object_storage: lagging, meta: null}}`."
            ),
        ),
        Need(
            what="how long storage and meta requests take",
            how_to_supply=(
                "Give --metrics with milvus_storage_request_latency, internal_storage_request_latency and "
                "milvus_meta_request_latency."
            ),
        ),
    ),
    remedies=REMEDIES,
)


def _summary(at_fault: Sequence[str]) -> str:
    names, needed = " and ".join(_NAMES[name] for name in at_fault), "them" if len(at_fault) > 1 else "it"
    return f"{_sentence(names)} {do(len(at_fault), 'are')} slow, and what needs {needed} waits."


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class StorageStall:
    """Object storage or etcd is slow."""

    about: ClassVar[About] = ABOUT
    slow_meta_s: float = threshold(
        0.1,
        "mean of a request to etcd from which it is slow; etcd itself warns of requests over 100 ms",
    )
    slow_storage_s: float = threshold(
        1.0,
        "mean of a request to object storage from which it is slow; S3 answers small objects in 0.1 to 0.2 s",
    )
    grown: float = threshold(
        3.0,
        "times the mean before, from which the store itself has become slower",
    )
    denser: float = threshold(
        2.0,
        "times as many slow requests beside slow meta operations as otherwise, from which it is no chance",
    )
    mostly: float = threshold(
        0.5,
        "share of the slow time, or of a search's time, from which something is most of it",
    )
    starved: float = threshold(
        3.0,
        "times the work of a query vector before, from which the machine lacks cores, as in cpu_saturation",
    )

    def check(self, case: Case) -> Outcome:
        measured = signals.of(case)
        told = case.context.dependencies.get("state") or {}
        states = {name: state for name in _NAMES if (state := told.get(name))}
        took_s = {name: measured.mean(track) for name, track in _TRACKS.items()}
        limits_s = {"meta": self.slow_meta_s, "object_storage": self.slow_storage_s}
        slow = {name: limit_s for name, limit_s in limits_s.items() if took_s[name] >= limit_s}
        lines = workload.events_of(case, "meta_slow")
        failed = workload.events_of(case, "meta_failed")
        logged_meta = {"meta"} if len(lines) or len(failed) else set()
        answers_well = {name for name, limit_s in limits_s.items() if took_s[name] < limit_s}
        done = {name: case.context.happened_to(name) for name in _NAMES if name not in answers_well}
        at_fault = [name for name in _NAMES if name in states.keys() | slow.keys() | logged_meta or done.get(name)]
        if not at_fault and np.isnan([*took_s.values()]).all():
            return Skipped(self.about.needs)
        if not at_fault:
            return Clear("etcd and object storage answer in their usual time")
        evidence = [
            stated(case, "dependencies.state", f"{_sentence(_NAMES[name])} is {state}.")
            for name, state in states.items()
        ]
        evidence += [one for events in done.values() for one in workload.happened(case, events)]
        if len(lines):
            longest_s = workload.longest_s(lines)
            took = f", the longest {duration(longest_s)}" if longest_s else ""
            evidence.append(
                logged(lines, f"{count(len(lines), 'operation')} of the meta store took over 2 s{took}.", len(lines))
            )
        if len(failed):
            says = f"{count(len(failed), 'time')} the meta store did not save a timestamp or keep a lease."
            evidence.append(logged(failed, says, len(failed)))
        unsaved = len(failed) > 0 and self._waits_for_timestamps(case)
        grown = False
        for name, limit_s in slow.items():
            before = measured.before(_TRACKS[name])
            grown |= bool(took_s[name] >= self.grown * before)
            usual = f", {duration(before)} before" if before == before else ""
            says = f"A request to {_NAMES[name]} takes {duration(took_s[name])}{usual}."
            evidence.append(measured.says(_TRACKS[name], says, took_s[name], limit_s))
        evidence += self._waiting(measured, at_fault)
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.25,
                signs=[
                    (bool(states), 0.5),
                    (bool(slow), 0.3),
                    (any(case.context.is_only_after(events) for events in done.values()), 0.4),
                    (any(done.values()), 0.2),
                    (grown, 0.4),
                    (len(lines) > 0, 0.25),
                    # An excerpt: what struck who quoted it.
                    (case.coverage.is_mostly(len(lines)), 0.45),
                    (self._comes_and_goes(case), 0.3),
                    (unsaved, 0.6),
                ],
                against=[
                    (explained(case) is not None and not unsaved, 0.5),
                    # Who waits for a query node waits for its cores, which no store takes away.
                    (bool(measured.phase("queue") >= self.mostly) and not states, 0.5),
                    # No store makes segcore's own work take longer: the cores are missing, for etcd beside it as well.
                    (bool(measured.stretch >= self.starved) and not states, 0.5),
                ],
            ),
            summary=_summary(at_fault),
            evidence=evidence,
            keys=[key for name in at_fault for key in _MENDS[name]],
        )

    def _waiting(self, measured: Signals, at_fault: Sequence[str]) -> Iterator[Evidence]:
        """Who waits for the store that is slow."""
        if "meta" in at_fault and (waited_s := measured.mean("timestamp")) >= self.slow_meta_s:
            says = f"A request waits {duration(waited_s)} for its timestamp, and the coordinator for the meta store to save it."
            yield measured.says("timestamp", says, waited_s, self.slow_meta_s)
        if "object_storage" in at_fault and (number := measured.mean("storage_queue")) >= 1:
            yield measured.says(
                "storage_queue", f"On average {number:,.0f} reads of object storage wait for a thread.", number
            )

    def _comes_and_goes(self, case: Case) -> bool:
        """Whether most slow requests lie beside slow meta operations, and are few where there are none."""
        lines = case.events[case.events["what"] == "meta_slow"]
        ended_s = workload.unix_s(lines["at"])
        starts = ended_s - lines["duration_s"].to_numpy(dtype="float64")
        work = workload.of(case)
        share = work.share(work.covered_share(starts, ended_s) >= workload.VICTIM_SHARE)
        return share >= self.mostly and density(case, share, starts, ended_s) >= self.denser

    def _waits_for_timestamps(self, case: Case) -> bool:
        """Whether what is slow is the wait for a time tick, which needs timestamps that the meta store has saved."""
        work = workload.of(case)
        strong = work.share(work.is_any("consistency", ["Strong"]))
        return bool(signals.of(case).phase("wait_tsafe") >= self.mostly or strong >= self.mostly)
