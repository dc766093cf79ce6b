"""The disk of the node is saturated, and nothing else explains it.

Symptom
    Everything that touches the disk is slow at once while CPU is free: searches on mapped data, loading, flushing,
    writing, the message queue of a standalone.

Cause
    Query nodes read mapped data and cached chunks from the local disk. On a standalone RocksMQ, etcd and MinIO
    usually share that disk, and flush, compaction and logging at debug level write to it. When the device is
    saturated each read waits behind others, and etcd, whose heartbeats need a quick fsync, makes everything else
    wait.

How we tell
    By elimination, and from figures: `observations.disk_util_share` or the metric of the host is near 1, the slow
    requests lie in that time, the CPU is not full, and neither the index type nor compaction, loading or a slow
    dependency explains it. `hardware.disk: hdd` or `network` makes it likely. Lines such as `rocksmq produce too
    slowly` and `Slow etcd operation` on a standalone show who else suffers.

    The metric that decides is node_disk_io_time_seconds_total of the hosts, of the busiest disk. Milvus logs no disk
    figures, so that without it or the context file's the rule answers skipped.

Not this when
    The index itself lives on disk and searches saturate it (disk_bound_index). Compaction or loading covers the
    slow time. The device is idle and object storage is slow (storage_stall).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq.blame import fact
from slowq.confidence import confidence
from slowq.contention import explained
from slowq.facts import Case, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.rules.disk_bound_index import SLOW_DISKS, busy_disk, busy_share, on_disk, raw_on_disk
from slowq.wording import percent
from slowq.workload import stated

REMEDIES = (
    Remedy(
        key="separate_disks",
        do="Give etcd, the message queue, object storage and the query nodes' cache a disk each.",
        because="They no longer wait for one another; etcd needs a fast fsync, the others throughput.",
        cost="More volumes, and moving the data with a short downtime.",
        verify="Device utilisation of each disk stays below 0.8, and the `too slowly` lines stop.",
    ),
    Remedy(
        key="faster_disk",
        do="Use local NVMe disks instead of hard disks or network volumes.",
        because="Random reads and fsync are a hundred times faster.",
        cost="Money, and moving the data.",
        verify="Read latency under a millisecond at peak.",
    ),
    Remedy(
        key="less_mmap",
        do="Keep hot indexes and fields in memory instead of mmap.",
        because="What is in memory is not read again and again.",
        cost="Memory on every replica; the collection is released for the change.",
        verify="Disk reads between loads fall.",
        snippet="""\
# milvus.yaml
queryNode:
  mmap:
    vectorField: false
    vectorIndex: false
    scalarField: false
    scalarIndex: false
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="less_mmap_24",
        do="Keep hot indexes and fields in memory instead of mmap.",
        because="What is in memory is not read again and again.",
        cost="Memory on every replica; needs a restart. Later 2.4 versions have the four keys of 2.5 instead.",
        verify="Disk reads between loads fall.",
        snippet="""\
# milvus.yaml
queryNode:
  mmap:
    mmapEnabled: false
""",
        since=(2, 4, 0),
        before=(2, 5, 0),
    ),
    Remedy(
        key="log_less",
        do="Log at info level, and send logs to another disk.",
        because="Debug logging of a busy node writes many megabytes a second.",
        cost="Less detail for the next question; slow requests are logged at info.",
        verify="Bytes written by Milvus between flushes fall.",
        snippet="""\
# milvus.yaml
log:
  level: info
""",
    ),
    Remedy(
        key="off_peak",
        do="Move compaction, import and backup off the busy hours.",
        because="They write and read whole collections.",
        cost="Later results for these jobs.",
        verify="Device utilisation at peak is below 0.8.",
    ),
)

ABOUT = About(
    id="disk_saturation",
    title="The disk of the node is saturated, and nothing else explains it.",
    needs=(
        Need(
            what="how busy the disk is",
            how_to_supply=(
                "Give --metrics with node_disk_io_time_seconds_total of the hosts, or --context: "
                "`observations: {disk_util_share: 0.98, cpu_share: 0.3}`."
            ),
        ),
        Need(
            what="what kind of disk it is and who shares it",
            how_to_supply="Give --context: `hardware: {disk: network}` and `milvus: {deployment: standalone}`.",
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class DiskSaturation:
    """The disk of a node is full with work for a reason that no other rule explains."""

    about: ClassVar[About] = ABOUT
    busy_disk_share: float = threshold(
        0.9,
        "device utilisation from which a disk counts as saturated",
    )
    idle_cpu_share: float = threshold(
        0.7,
        "CPU share below which the CPU is not the limit",
    )

    def check(self, case: Case) -> Outcome:
        busy = busy_share(case)
        if np.isnan(busy):
            return Skipped(self.about.needs)
        if busy < self.busy_disk_share:
            return Clear(f"the disk is busy for {percent(busy)} of the time")
        if on_disk(case) or raw_on_disk(case):
            return Clear("the index itself lies on the disk (disk_bound_index)")
        if other := explained(case):
            return Clear(f"the disk is used by something that another rule names: {other}")
        cpu, kind = case.context.observations.get("cpu_share"), case.context.hardware.get("disk")
        evidence = busy_disk(case, self.busy_disk_share, least=self.busy_disk_share)
        if cpu is not None:
            evidence.append(
                stated(case, "observations.cpu_share", f"The CPU is at {percent(cpu)}.", cpu, self.idle_cpu_share)
            )
        if kind in SLOW_DISKS:
            evidence.append(stated(case, "hardware.disk", f"The disk is of the kind {kind}."))
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.5,
                signs=[(cpu is not None and cpu < self.idle_cpu_share, 0.35), (kind in SLOW_DISKS, 0.2)],
                against=[(cpu is not None and cpu >= self.idle_cpu_share, 0.4)],
            ),
            summary=f"The disk is busy for {percent(busy)} of the time, and whoever reads or writes it waits.",
            evidence=evidence,
        )
