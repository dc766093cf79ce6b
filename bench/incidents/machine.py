"""Who had the CPU: this lab (by its control group) or others, second by second.

A recording on a machine that others use is worth little when they took the CPU from it: its cause is then another one
than its label says. The lab is told from the rest by its `cpuacct` control group; without one, `others` is unknown.
"""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean

EVERY_S = 1.0
FULL = 0.95
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """Seconds of CPU since the start of the machine, all cores together."""

    at: float
    busy: float
    stolen: float
    waiting: float
    total: float
    own: float | None


@dataclass
class Machine:
    samples: list[Sample] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Take a sample each second until `ended`; runs in a thread of its own."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self.samples.append(sample())
            if self._stop.wait(EVERY_S):
                return

    def ended(self) -> None:
        self._stop.set()
        self._thread.join()
        self.samples.append(sample())

    def between(self, start: float, end: float) -> dict[str, float | None]:
        """Shares of all cores from `start` to `end`. What others took counts as `taken` where the CPU was full."""
        inside = [one for one in self.samples if start - EVERY_S <= one.at <= end + EVERY_S]
        steps = list(pairwise(inside))
        if not steps:
            return {}
        others = [max(0.0, (_busy(a, b) - _own(a, b)) / (b.total - a.total)) for a, b in steps if a.own is not None]
        first, last = inside[0], inside[-1]
        total = last.total - first.total
        taken = [
            share if _busy(a, b) >= FULL * (b.total - a.total) else 0.0
            for share, (a, b) in zip(others, steps, strict=False)
        ]
        return {
            "busy": _share(last.busy - first.busy, total),
            "lab": _share(_own(first, last), total) if others else None,
            "others": round(mean(others), 3) if others else None,
            "taken": round(mean(taken), 3) if others else None,
            "stolen": _share(last.stolen - first.stolen, total),
            "waiting_for_disk": _share(last.waiting - first.waiting, total),
        }


def sample() -> Sample:
    user, nice, system, idle, waiting, irq, soft, stolen = (
        float(n) / TICKS for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    busy = user + nice + system + irq + soft
    return Sample(time.time(), busy, stolen, waiting, busy + idle + waiting + stolen, _own_cpu_s())


def load_average() -> list[float]:
    return [round(load, 2) for load in os.getloadavg()]


def own_group(controller: str) -> Path | None:
    """The control group of this process under a (version 1) controller, where it is not the root of all."""
    found = re.search(rf"^\d+:(?:\w+,)*{controller}(?:,\w+)*:(/.+)$", Path("/proc/self/cgroup").read_text(), re.M)
    return Path("/sys/fs/cgroup") / controller / found[1].lstrip("/") if found else None


def _own_cpu_s() -> float | None:
    group = own_group("cpuacct")
    return int((group / "cpuacct.usage").read_text()) / 1e9 if group else None


def _busy(a: Sample, b: Sample) -> float:
    return b.busy - a.busy


def _own(a: Sample, b: Sample) -> float:
    return (b.own or 0.0) - (a.own or 0.0)


def _share(part: float, total: float) -> float:
    return round(max(0.0, part) / total, 3)
