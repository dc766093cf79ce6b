"""What nodes are busy with, measured: on their own pages of metrics, or by a Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from slowq.context.live.server import Facts, known, shown
from slowq.errors import ServerError, UsageError

if TYPE_CHECKING:
    from slowq.metrics.prometheus import Prometheus

_PAGE_S = 3.0
_LARGEST_PAGE = 32 << 20
_BETWEEN_S = 1.0  # the two looks at a page that tell how much CPU is used
_LAST_S = 300.0  # what a Prometheus is asked for
_PROCESS = re.compile(
    rb"^(process_cpu_seconds_total|process_resident_memory_bytes)(?:\{[^}\n]*\})? ([0-9.eE+]+)", re.MULTILINE
)
_MILVUS = re.compile(rb"^milvus_", re.MULTILINE)
_BUILD = re.compile(rb'^milvus_build_info\{[^}\n]*?\bversion="v?([^"\n]*)"', re.MULTILINE)  # from 2.3.8 on


class Gauge(Protocol):
    """A place where the load of nodes is measured. `trouble` says in a sentence why it tells nothing."""

    @property
    def trouble(self) -> str | None: ...

    def load(self, cores: float | None, memory_bytes: float | None) -> list[Facts]:
        """Shares of CPU and memory by node, given what a node has."""


_Look = tuple[float, float, float | None]  # when, the CPU seconds until then, and the memory in use


@dataclass(slots=True)
class Page:
    """The /metrics of one node, looked at twice. It gets no credentials, and sends nobody anywhere else.

    With a `version` it has to be the page of a Milvus, and of that version where it names one.
    """

    uri: str
    version: str | None = None
    trouble: str | None = None
    _first: _Look | None = None

    @classmethod
    def of(cls, uri: str, version: str | None = None) -> Page:
        """Raises UsageError for what is no address of a page. The path is /metrics where there is none."""
        try:
            parts = urlsplit(uri)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise UsageError(f"{shown(uri)!r} is no address of metrics", hint="give one such as http://querynode:9091")
        if parts.username or parts.password:
            raise UsageError("an address of metrics must not carry a user or a password")
        page = cls(parts._replace(path=parts.path.rstrip("/") or "/metrics", fragment="").geturl(), version)
        page._first = page._look()
        return page

    def load(self, cores: float | None, memory_bytes: float | None) -> list[Facts]:
        if self._first is None:
            return []
        time.sleep(max(0.0, self._first[0] + _BETWEEN_S - time.monotonic()))
        second = self._look()
        if second is None:
            return []
        used_s = second[1] - self._first[1]
        cpu = share(used_s / (second[0] - self._first[0]), cores) if used_s >= 0 else None
        return list(_told(urlsplit(self.uri).netloc, cpu, share(second[2], memory_bytes)))

    def _look(self) -> _Look | None:
        import requests

        try:
            with requests.Session() as session:
                session.trust_env = False
                with session.get(self.uri, timeout=_PAGE_S, stream=True, allow_redirects=False) as answer:
                    answer.raise_for_status()
                    content = answer.raw.read(_LARGEST_PAGE, decode_content=True)
        except requests.RequestException as error:
            self.trouble = f"{shown(self.uri)}: {_reason(error)}"
            return None
        if self.version is not None and not _is_of(content, self.version):
            self.trouble = f"{shown(self.uri)}: not the metrics of this Milvus"
            return None
        found = {name: float(value) for name, value in _PROCESS.findall(content)}
        if b"process_cpu_seconds_total" not in found:
            self.trouble = f"{shown(self.uri)}: no metrics of a process"
            return None
        return time.monotonic(), found[b"process_cpu_seconds_total"], found.get(b"process_resident_memory_bytes")


def _is_of(page: bytes, version: str) -> bool:
    build = _BUILD.search(page)
    return build[1].decode("utf-8", "replace") == version if build else _MILVUS.search(page) is not None


@dataclass(slots=True)
class Measured:
    """What a Prometheus knows of the query nodes: the mean of the last five minutes."""

    server: Prometheus
    trouble: str | None = None

    def load(self, cores: float | None, memory_bytes: float | None) -> list[Facts]:
        from slowq.metrics import tracks
        from slowq.metrics.prometheus import Span, readable

        now = time.time()
        try:
            raw = readable(self.server.fetch(Span.around((now - _LAST_S, now))), self.server.url)
        except ServerError as error:
            self.trouble = error.message
            return []
        found, lately = tracks(raw), raw.times > now - _LAST_S
        queried = [one for one in found.values() if one.metric.startswith("milvus_querynode_")]
        nodes = sorted({name for one in queried for name in one.parts.get("node", ())})
        loads: list[Facts] = []
        for node in nodes:
            cpu, memory = (found[name].part("node", node) if name in found else None for name in ("cpu", "memory"))
            loads += _told(
                node,
                share(cpu.mean(lately), cores) if cpu else None,
                share(memory.mean(lately), memory_bytes) if memory else None,
            )
        if not loads:
            self.trouble = f"Prometheus at {self.server.url} does not tell the CPU or the memory of query nodes"
        return loads


def share(part: float | None, whole: float | None) -> float | None:
    """A share that can be told; None where one of the two is not known."""
    if part is None or part != part or not whole:
        return None
    return round(min(part / whole, 1.0), 3)


def _told(node: str, cpu: float | None, memory: float | None) -> Iterator[Facts]:
    if shares := known({"cpu_share": cpu, "memory_share": memory}):
        yield {"node": node, **shares}


def _reason(error: Any) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    return "connection refused" if "refused" in str(error) else type(error).__name__
