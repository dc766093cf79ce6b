"""Limits on Milvus alone, as a container or a small disk would put them: (version 1) control groups of Linux."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.incidents.machine import own_group


def own_memory() -> Path | None:
    """A group whose memory is Milvus' own, made before it starts: what is in memory is charged to where it was first touched."""
    home = own_group("memory")
    if home is None:
        return None
    group = _for_milvus(home)
    (group / "memory.limit_in_bytes").write_text("-1")  # that of a recording which was killed would stay
    return group


@contextmanager
def cpu(binary: Path, cores: float) -> Iterator[None]:
    with _limited(binary, "cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(int(cores * 100_000))}):
        yield


@contextmanager
def disk_reads(binary: Path, bytes_per_s: int) -> Iterator[None]:
    """Only reads: what is mapped into memory and was thrown out has to come back at this rate."""
    with _limited(binary, "blkio", {"blkio.throttle.read_bps_device": f"{_device(binary)} {bytes_per_s}"}):
        yield


@contextmanager
def disk_writes(binary: Path, per_s: int) -> Iterator[None]:
    """Only what is synced, as the write-ahead log of the etcd within Milvus; the rest is written by the kernel."""
    with _limited(binary, "blkio", {"blkio.throttle.write_iops_device": f"{_device(binary)} {per_s}"}):
        yield


def _device(path: Path) -> str:
    device = os.stat(path).st_dev
    return f"{os.major(device)}:{os.minor(device)}"


@contextmanager
def memory(spare_bytes: int) -> Iterator[dict[str, float]]:
    """Its anonymous memory and this much more, for all that it maps from files; says what that is."""
    group = _for_milvus(_home("memory"))
    anonymous = _stat(group)["total_rss"]
    limit = anonymous + spare_bytes
    (group / "memory.limit_in_bytes").write_text(str(limit))
    try:
        yield {"limit_gib": round(limit / 2**30, 2), "anonymous_share": round(anonymous / limit, 2)}
    finally:
        (group / "memory.limit_in_bytes").write_text("-1")


def forget() -> None:
    """Throw out of memory whatever Milvus has mapped from files, once."""
    group = _for_milvus(_home("memory"))
    with suppress(OSError):  # busy: some pages stay
        (group / "memory.force_empty").write_text("0")


def _home(controller: str) -> Path:
    home = own_group(controller)
    if home is None:
        raise OSError(f"this lab has no control group of its own for {controller}")
    return home


def _for_milvus(home: Path) -> Path:
    group = home / "milvus"
    group.mkdir(exist_ok=True)
    return group


def _stat(group: Path) -> dict[str, int]:
    lines = (line.split() for line in (group / "memory.stat").read_text().splitlines())
    return {name: int(value) for name, value in lines}


@contextmanager
def _limited(binary: Path, controller: str, settings: Mapping[str, str]) -> Iterator[None]:
    home = _home(controller)
    group = _for_milvus(home)
    for name, value in settings.items():
        (group / name).write_text(value)
    try:
        _move(binary, group)
        yield
    finally:
        _move(binary, home)
        group.rmdir()


def _move(binary: Path, group: Path) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            if (process / "exe").resolve() == binary.resolve():
                (group / "cgroup.procs").write_text(process.name)
