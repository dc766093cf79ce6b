"""`slowq engine`: the bundled reference vector engine, served as Milvus is."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, TextIO

import typer

from slowq.cli import heap, messages
from slowq.errors import UsageError

MISSING = "the engine needs more packages than slowq"
HOW = "pip install 'slowq[engine]'"


def serve(
    data: Annotated[str, typer.Option(metavar="DIR", help="The folder that holds its data; made if it is not there.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where pymilvus connects; 0 takes a free port.")] = 19530,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Where Prometheus asks for /metrics.")] = 9091,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    log: Annotated[
        str, typer.Option(metavar="FILE", help="Where its log goes, in the form of Milvus; '-' is standard output.")
    ] = "-",
    access_log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the access log, one line a request, with what each cost."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="A milvus.yaml; the keys that mean something to the engine.")
    ] = None,
    version: Annotated[str, typer.Option(help="The Milvus whose log lines it writes: 2.3, 2.4, 2.5 or 2.6.")] = "2.6",
    nodes: Annotated[int, typer.Option(min=1, max=64, help="How many query nodes.")] = 1,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="How many CPUs each of them counts on; those there are if not given.")
    ] = None,
    tick_interval: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="SECONDS", help="How often the time tick comes; 0.2 in Milvus."),
    ] = None,
) -> int:
    """Serve the reference vector engine until it is interrupted.

    SIGUSR1 holds the time tick back, which stalls every read that waits for it; SIGUSR2 lets it go on.
    """
    heap.keep_small()
    try:
        from slowq.engine import Engine, configure, load_config
    except ImportError as error:
        raise UsageError(f"{MISSING}: {error}", hint=HOW) from error
    from pathlib import Path

    settings, warnings = load_config(Path(config)) if config else configure({})
    for text in warnings:
        messages.warning(text)
    with ExitStack() as held:
        engine = held.enter_context(
            Engine(
                data,
                settings,
                nodes=nodes,
                cpus=cpus,
                version=version,
                log=_opened(log, held),
                access=_opened(access_log, held) if access_log else None,
                tick_interval_s=tick_interval,
            )
        )
        server = engine.serve(host, port, metrics_port)
        held.callback(server.stop)
        for text in engine.warnings:
            messages.warning(text)
        messages.hint(
            f"Milvus {engine.version} in small at http://{host}:{server.port}, "
            f"metrics at http://{host}:{server.metrics_port}/metrics"
        )
        _wait(engine.pause_ticks)
    return 0


def _opened(path: str, held: ExitStack) -> TextIO:
    if path == "-":
        return sys.stdout
    try:
        return held.enter_context(open(path, "a", encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot write {path!r}: {error.strerror}") from error


def _wait(pause: Callable[[bool], None]) -> None:
    """Until a signal ends it."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    signal.signal(signal.SIGUSR1, lambda *_: pause(True))
    signal.signal(signal.SIGUSR2, lambda *_: pause(False))
    while not ended.wait(3600):
        pass
