"""The processes and their machines."""

from __future__ import annotations

from slowq.metrics.catalogue.quantity import Quantity, counter, gauge, plain

HOST: tuple[Quantity, ...] = (
    counter("cpu", "cores in use", "cores", plain("process_cpu_seconds_total")),
    gauge("memory", "resident memory", "bytes", plain("process_resident_memory_bytes")),
    gauge("memory_limit", "memory limit of the containers", "bytes", plain("container_spec_memory_limit_bytes")),
    gauge(
        "working_set",
        "memory that the containers cannot give back",
        "bytes",
        plain("container_memory_working_set_bytes"),
    ),
    counter(
        "throttled",
        "CPU periods in which a container was throttled",
        "",
        plain("container_cpu_cfs_throttled_periods_total"),
    ),
    counter("periods", "CPU periods of the containers", "", plain("container_cpu_cfs_periods_total")),
    counter("gc", "seconds in which Go stopped the world", "s", plain("go_gc_duration_seconds_sum")),
    counter(
        "disk_busy",
        "seconds in which a disk was busy",
        "s",
        plain("node_disk_io_time_seconds_total"),
        parts={"disk": ("instance/device", "device")},
    ),
    counter(
        "disk_read",
        "bytes that are read from a disk",
        "bytes",
        plain("node_disk_read_bytes_total"),
        parts={"disk": ("instance/device", "device")},
    ),
    gauge("started", "when the process started", "unix s", plain("process_start_time_seconds"), across="max"),
    counter(
        "log_dropped",
        "lines that Milvus did not write into its log for want of time",
        "lines",
        plain("milvus_logging_dropped_write_total", (2, 6, 9)),
    ),
    counter(
        "log_cut",
        "lines of the log of which Milvus wrote the beginning alone",
        "lines",
        plain("milvus_logging_truncated_write_total", (2, 6, 9)),
    ),
    gauge(
        "clock_offset",
        "how far the clock of a host is from that of its time server, ahead of it or behind",
        "s",
        plain("node_timex_offset_seconds"),
    ),
)
