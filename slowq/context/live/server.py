"""One Milvus and its answers: each call only reads, has a time of its own, and may be refused without harm to the others.

The gRPC stubs that pymilvus ships are used directly. Its own client asks a call again up to 75 times, writes to standard
error while it does, and turns values that it does not know into errors; a stub does none of that.
"""

from __future__ import annotations

import base64
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from slowq.credentials import secret
from slowq.errors import ServerError, UsageError

CALL_S = 5.0
PORT, METRICS_PORT = 19530, 9091  # of every Milvus unless it is told otherwise
TOKEN = "SLOWQ_MILVUS_TOKEN"  # noqa: S105 - the name of a variable
_LARGEST_ANSWER = 64 << 20
_LONGEST_REASON = 200
_NAMES = 5  # of what was refused, that one sentence lists

Clock = Callable[[], float]
Facts = dict[str, Any]  # in the keys of the context file


def known(facts: Mapping[str, Any]) -> Facts:
    """Without what is not known."""
    return {key: value for key, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Milvus is: the host as gRPC wants it, and whether it speaks TLS."""

    host: str
    port: int
    secure: bool
    database: str | None = None

    @classmethod
    def of(cls, uri: str) -> Address:
        """Raises UsageError for what is no URI of a server, and for one that carries a password."""
        try:
            parts = urlsplit(uri if "://" in uri else f"http://{uri}")
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{shown(uri)!r} is no URI: {error}") from error
        if parts.scheme not in ("http", "https", "tcp", "grpc") or not parts.hostname or port == 0:
            raise UsageError(f"{shown(uri)!r} is no URI of a Milvus", hint="give one such as http://milvus:19530")
        if parts.username or parts.password:
            raise UsageError(
                "a URI must not carry a user or a password",
                hint=f"set {TOKEN}, or SLOWQ_MILVUS_USER and SLOWQ_MILVUS_PASSWORD, or name a variable with --token-env",
            )
        secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(host, port or (443 if secure else PORT), secure, parts.path.strip("/") or None)

    @property
    def metrics_page(self) -> str:
        """Where its page of metrics is unless it is told otherwise; on a shared host it may be another program's."""
        return f"http://{self.host}:{METRICS_PORT}/metrics"

    @property
    def is_loopback(self) -> bool:
        return self.host in ("localhost", "[::1]") or self.host.startswith("127.")


def shown(uri: str) -> str:
    """The URI as messages and files may show it: without user, password and query."""
    scheme, found, rest = uri.partition("://")
    host = (rest if found else uri).split("?")[0].split("#")[0].rpartition("@")[2]
    return f"{scheme}://{host}" if found else host


@dataclass(frozen=True, slots=True)
class Login:
    """How to prove who asks, and whom to trust. Never part of a message or a file."""

    token: str | None = field(default=None, repr=False)
    ca: str | None = None
    certificate: tuple[str, str] | None = None
    server_name: str | None = None

    @classmethod
    def of(
        cls, environment: Mapping[str, str] = os.environ, *, token_env: str | None = None, ca: str | None = None
    ) -> Login:
        """From SLOWQ_MILVUS_TOKEN, or _USER and _PASSWORD (each but the user also as …_FILE), _CA, _CERT, _KEY and _SERVER_NAME.

        `token_env` is another variable for the token, which has to be there.
        """
        if token_env is not None and token_env not in environment:
            raise UsageError(f"--token-env {token_env!r}: there is no such variable in the environment")
        token = secret(environment, TOKEN) if token_env is None else environment[token_env]
        user, password = environment.get("SLOWQ_MILVUS_USER"), secret(environment, "SLOWQ_MILVUS_PASSWORD")
        if not token and user:
            token = f"{user}:{password or ''}"
        certificate, key = (environment.get(f"SLOWQ_MILVUS_{name}") for name in ("CERT", "KEY"))
        if (certificate is None) != (key is None):
            raise UsageError("SLOWQ_MILVUS_CERT and SLOWQ_MILVUS_KEY go together")
        return cls(
            (token or "").strip() or None,
            ca or environment.get("SLOWQ_MILVUS_CA"),
            (certificate, key) if certificate and key else None,
            environment.get("SLOWQ_MILVUS_SERVER_NAME"),
        )


class RefusedError(Exception):
    """One call was not answered; says why."""


class Troubles:
    """What could not be had: the same refusal of many collections is one sentence."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, what: str, reason: str, of: str = "") -> None:
        self._found[what, reason].append(of)

    def sentences(self) -> tuple[str, ...]:
        return tuple(sorted(self._sentence(*key, sorted(filter(None, names))) for key, names in self._found.items()))

    def _sentence(self, what: str, reason: str, names: list[str]) -> str:
        if not names:
            return f"{what}: {reason}"
        listed = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else "")
        return f"{what} of {listed}: {reason}"


class Server:
    """The calls, within one deadline. `now` tells the seconds that have passed."""

    def __init__(self, channel: Any, uri: str, login: Login, timeout_s: float, now: Clock = time.monotonic) -> None:
        from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

        self.troubles = Troubles()
        self.messages: Any = milvus_pb2
        self._stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        self._uri, self._now, self._deadline = shown(uri), now, now() + timeout_s
        self._timeout_s = timeout_s
        # As pymilvus sends it: "user:password" or an API key, in base64.
        encoded = base64.b64encode(login.token.encode()).decode() if login.token else None
        self._metadata = (("authorization", encoded),) if encoded else ()
        self._secrets = [one for one in (login.token, (login.token or "").partition(":")[2], encoded) if one]
        self._unknown: set[str] = set()

    def version(self) -> str:
        """The version; the first call, which tells whether there is a Milvus that can be used at all."""
        try:
            return str(self.call("GetVersion", self.messages.GetVersionRequest()).version)
        except RefusedError as error:
            raise ServerError(f"cannot use the Milvus at {self._uri}: {error}", hint=_hint(str(error))) from error

    def ask(self, what: str, method: str, request: Any, database: str = "", of: str = "") -> Any:
        """The answer, or None with a sentence in `troubles`."""
        try:
            return self.call(method, request, database)
        except RefusedError as error:
            self.troubles.add(what, str(error), of)
            return None

    def call(self, method: str, request: Any, database: str = "") -> Any:
        """The answer. Raises RefusedError where there is none, or one that says no."""
        import grpc

        left_s = self._deadline - self._now()
        if left_s <= 0:
            raise RefusedError(f"not asked, for the {self._timeout_s:.0f} s for everything were over")
        if method in self._unknown:
            raise RefusedError("this version knows no such call")
        metadata = (*self._metadata, ("dbname", database)) if database else self._metadata
        try:
            answer = getattr(self._stub, method)(request, timeout=min(CALL_S, left_s), metadata=metadata)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED and "unknown service" not in (error.details() or ""):
                self._unknown.add(method)
            raise RefusedError(_meaning(error) or self._clean(_as_said(error))) from error
        status = answer.status
        if status.error_code or status.code:
            raise RefusedError(self._clean(str(status.reason)) or f"error {status.code or status.error_code}")
        return answer

    def _clean(self, reason: str) -> str:
        """What a server says, on one line and without anything secret that it may repeat."""
        for one in self._secrets:
            reason = reason.replace(one, "…")
        said = " ".join(reason.split())
        return said if len(said) <= _LONGEST_REASON else said[: _LONGEST_REASON - 1] + "…"


@contextmanager
def connected(address: Address, login: Login) -> Iterator[Any]:
    """A channel that is closed at the end; nothing is sent before the first call."""
    grpc = _library()
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _LARGEST_ANSWER),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),  # one that nobody named
    ]
    target = f"{address.host}:{address.port}"
    if address.secure:
        if login.server_name:
            options.append(("grpc.ssl_target_name_override", login.server_name))
        certificate, key = map(_content, login.certificate) if login.certificate else (None, None)
        roots = _content(login.ca) if login.ca else None
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(roots, key, certificate), options)
    else:
        channel = grpc.insecure_channel(target, options)
    try:
        yield channel
    finally:
        channel.close()


def _library() -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it writes to standard error by itself
    os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")  # pymilvus would read a .env file that nobody named
    require_library()
    import grpc
    import pymilvus.grpc_gen  # noqa: F401

    return grpc


def require_library() -> None:
    """Raises UsageError where the extra that can ask a Milvus is not installed."""
    if find_spec("pymilvus") is None:
        raise UsageError("asking a Milvus needs pymilvus", hint="pip install 'slowq[milvus]'")


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise UsageError(f"cannot read {path!r}: {error.strerror}") from error


# What gRPC says somewhere within a long sentence, and what it means.
_MEANINGS = {
    "Connection refused": "connection refused",
    "lookup": "the name of the host is not known",
    "http1.x": "it speaks HTTP, which no gRPC port of Milvus does",
    "unknown service": "it speaks gRPC, but it is no Milvus",
    "Failed parsing HTTP/2": "it does not speak gRPC",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted",
    "Hostname Verification": "its certificate is of another host",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "handshake failed": "the TLS handshake failed",
    "Connection reset": "it closed the connection",
    "Socket closed": "it closed the connection",
    "No route to host": "no route to the host",
    "Network is unreachable": "the network is unreachable",
}


def _meaning(error: Any) -> str | None:
    import grpc

    details = error.details() or ""
    for known, meaning in _MEANINGS.items():
        if known in details:
            return meaning
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "no answer in time"
    return "this version knows no such call" if error.code() is grpc.StatusCode.UNIMPLEMENTED else None


def _as_said(error: Any) -> str:
    code = error.code().name.replace("_", " ").lower() if error.code() else "no answer"
    return f"{code}: {error.details()}" if error.details() else code


def _hint(reason: str) -> str:
    said = reason.lower()
    if "certificate" in said:
        return "--ca FILE names certificates to trust, SLOWQ_MILVUS_SERVER_NAME the name that the certificate has"
    if "tls" in said:
        return "give the URI as http:// where the server speaks no TLS"
    if "auth" in said or "permission" in said:
        return f"set {TOKEN} to the token, or to user:password; --token-env names another variable"
    if "closed" in said:
        return "give the URI as https:// where the server speaks TLS"
    return "the address is that of the proxy's gRPC port, 19530 if not configured otherwise"
