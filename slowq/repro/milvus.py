"""A Milvus that somebody else runs, as the place of a reproduction.

What slowq does there is in collections whose names begin with `PREFIX`, which are dropped at the end, and in nothing else.
Before, it looks whether others use the server: their requests would be disturbed, and disturb what is measured.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slowq.context.live import Address
from slowq.errors import ServerError, UsageError
from slowq.repro import scrape
from slowq.repro.scrape import Scraped
from slowq.repro.tail import Tail

PREFIX = "slowq_repro_"
LOOK_S = 2.0
DROP_S = 30.0
_CONNECT_S = 3.0
_SWEEPS, _SWEEP_S = 5, 0.3  # a collection whose making was interrupted may appear a moment later
_ASKED_LOADED = 200
# What users send; the other functions are also called by tools that only look, and by Milvus itself.
_TRAFFIC = ("Search", "HybridSearch", "Query", "Insert", "Upsert", "Delete")
_ASKED = ("ShowCollections",)


@dataclass(slots=True)
class Milvus:
    """One connection, which the set-ups share. `page` is its page of metrics, None where it has none."""

    uri: str
    client: Any
    version: str
    page: str | None = None
    tail: Tail | None = None
    left: list[str] = field(default_factory=list)  # collections of ours that could not be dropped

    def alive(self) -> bool:
        address = Address.of(self.uri)
        try:
            socket.create_connection((address.host.strip("[]"), address.port), _CONNECT_S).close()
        except OSError:
            return False
        return True

    def own(self, names: Sequence[str]) -> list[str]:
        """Collections there whose names begin with one of these."""
        listed = self.client.list_collections(timeout=DROP_S)
        return [one for one in listed if one.startswith(tuple(names)) and one.startswith(PREFIX)]

    def drop(self, names: Sequence[str]) -> None:
        """Drops whatever carries these names, also what was made while we were interrupted. A second Ctrl-C waits until
        that is done. What cannot be dropped is in `left`."""
        with _uninterrupted():
            if not self.alive():
                self.left = list(names)
                return
            try:
                for attempt in range(_SWEEPS):
                    found = self.own(names)
                    for one in found:
                        self.client.drop_collection(one, timeout=DROP_S)
                    if attempt and not found:
                        return
                    time.sleep(_SWEEP_S)
                self.left = self.own(names)
            except Exception:  # noqa: BLE001 - whatever pymilvus says: the server is gone, and the caller names what is left
                self.left = list(names)


class MilvusTarget:
    """One set-up's share of it: its own log lines and metrics are those of its turns."""

    def __init__(self, milvus: Milvus) -> None:
        self._milvus, self.uri = milvus, milvus.uri
        self._scraped, self._log = Scraped(), [b""]

    @property
    def memory_bytes(self) -> None:
        """The server's is of all set-ups together, and of everybody else."""
        return None

    def pause_ticks(self, paused: bool) -> None:
        raise UsageError("a real Milvus does not let its time tick be held back", hint="--target engine does")

    def log(self) -> bytes:
        return b"".join(self._log)

    def series(self) -> dict[str, Any] | None:
        return self._scraped.document()

    def alive(self) -> bool:
        return self._milvus.alive()

    @contextmanager
    def watching(self) -> Iterator[None]:
        tail, page = self._milvus.tail, self._milvus.page
        if tail is not None:
            tail.begin()
        if page is None:
            yield
        else:
            with scrape.watching(page, self._scraped):
                yield
        if tail is not None:
            self._log.append(tail.read())

    def close(self) -> None:
        """Nothing: it is not ours to end."""


def collection_name(scenario: str) -> str:
    return f"{PREFIX}{scenario}_{uuid.uuid4().hex[:8]}"


def opened(
    uri: str,
    client: Any,
    *,
    page: str | None,
    log: Path | None,
    traffic_allowed: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> Milvus:
    """The Milvus, if it may be used. `page` is where its metrics are, if the user said so.

    Raises ServerError where something that the user named does not answer, and UsageError where others use the server.
    """
    found = Milvus(uri, client, str(client.get_server_version(timeout=DROP_S)), tail=Tail(log) if log else None)
    if page is None:
        guessed = Address.of(uri).metrics_page
        found.page = guessed if _is_of(guessed, client) else None
    else:
        try:
            scrape.page(page)
        except (OSError, ValueError) as error:
            raise ServerError(f"cannot read the metrics of {page}: {error}") from error
        found.page = page
    if not traffic_allowed:
        _refuse_traffic(found, sleep)
    return found


def _is_of(page: str, client: Any) -> bool:
    """Whether that is the page of this Milvus, and not of another one on the same host: it counts what we ask."""
    try:
        before = _requests(page, _ASKED)
        client.list_collections(timeout=DROP_S)
        return _requests(page, _ASKED) != before
    except (OSError, ValueError):
        return False


def _refuse_traffic(milvus: Milvus, sleep: Callable[[float], None]) -> None:
    hint = "wait until it is idle, use another Milvus, or say --beside-traffic"
    if milvus.page is not None:
        before = _requests(milvus.page, _TRAFFIC)
        sleep(LOOK_S)
        came = {name: much - before.get(name, 0.0) for name, much in _requests(milvus.page, _TRAFFIC).items()}
        busy = [f"{much:,.0f} {name}" for name, much in came.items() if much > 0]
        if busy:
            raise UsageError(f"others use this Milvus: {', '.join(busy)} in {LOOK_S:g} s", hint=hint)
        return
    others = [one for one in milvus.client.list_collections(timeout=DROP_S) if not one.startswith(PREFIX)]
    for name in others[:_ASKED_LOADED]:
        state = milvus.client.get_load_state(name, timeout=DROP_S)
        if getattr(state.get("state"), "name", "") == "Loaded":
            raise UsageError(
                f"whether others use this Milvus is not known: {name} is loaded, and its metrics cannot be read",
                hint=f"name their address with --target-metrics; or {hint}",
            )


def _requests(page: str, functions: Sequence[str]) -> dict[str, float]:
    """How many requests the proxy took since it started, by function."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, float] = {}
    lines = [line for line in scrape.page(page).splitlines() if line.startswith("milvus_proxy_req_count{")]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            name = sample.labels.get("function_name", "")
            if name in functions and sample.labels.get("status") == "total":
                found[name] = found.get(name, 0.0) + sample.value
    return found


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals to end have to wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """SIGTERM ends what runs within as Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        with suppress(TypeError):  # a handler that was not Python's
            signal.signal(signal.SIGTERM, before)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
