"""The engine behind Milvus' gRPC protocol and its metrics page."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import grpc
from pymilvus.grpc_gen import milvus_pb2_grpc

from slowq.engine.server.counting import Counting
from slowq.engine.server.credentials import Authenticating
from slowq.engine.server.service import Service
from slowq.engine.server.threads import Threads
from slowq.errors import ServerError

if TYPE_CHECKING:
    from slowq.engine import Engine

_MESSAGE_BYTES = 256 << 20  # proxy.grpc.serverMaxSendSize
_MORE_THREADS = 256  # than reads, for all other calls


class Server:
    """Serves an engine until `stop`. Port 0 takes a free one; `port` and `metrics_port` say which."""

    def __init__(self, engine: Engine, host: str = "127.0.0.1", port: int = 0, metrics_port: int = 0) -> None:
        # A read has a thread from entry to answer, so that the proxy refuses what is too many, and none waits unseen here.
        # Threads are made as calls come.
        self._pool = Threads(int(engine.config.number("proxy.maxTaskNum")) + _MORE_THREADS, "grpc")
        self._grpc = grpc.server(
            self._pool,
            interceptors=_interceptors(engine),
            options=[
                ("grpc.max_receive_message_length", _MESSAGE_BYTES),
                ("grpc.max_send_message_length", _MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_permit_without_calls", 1),  # pymilvus pings every 10 s, Milvus lets it
                ("grpc.http2.min_ping_interval_without_data_ms", 5000),
                ("grpc.http2.max_ping_strikes", 0),
            ],
        )
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Service(engine), self._grpc)
        try:
            self.port = self._grpc.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise ServerError(f"Cannot listen on {host}:{port}: {error}", hint="choose another --port") from error
        try:
            self._pages = http.server.ThreadingHTTPServer((host, metrics_port), _pages(engine))
        except OSError as error:
            self._grpc.stop(None)
            hint = "choose another --metrics-port"
            raise ServerError(f"Cannot listen on {host}:{metrics_port}: {error.strerror}", hint=hint) from error
        self.metrics_port = int(self._pages.server_address[1])
        self._grpc.start()
        threading.Thread(target=self._pages.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        self._grpc.stop(1).wait()
        self._pages.shutdown()
        self._pages.server_close()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _interceptors(engine: Engine) -> list[grpc.ServerInterceptor]:
    counting = Counting(engine.metrics)
    checked = engine.config.flag("common.security.authorizationEnabled")
    return [Authenticating(engine.coordinator.accounts), counting] if checked else [counting]


def _pages(engine: Engine) -> type[http.server.BaseHTTPRequestHandler]:
    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.split("?")[0] == "/metrics":
                self._give(engine.metrics_text(), "text/plain; version=0.0.4")
            elif self.path == "/healthz":
                self._give(b"OK", "text/plain")
            else:
                self.send_error(404)

        def _give(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
            """Nothing: a scrape is no event."""

    return Pages
