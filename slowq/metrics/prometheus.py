"""Series from a Prometheus, or what speaks like one (VictoriaMetrics, Thanos, Mimir, also under a path prefix).

The transport is that of prometheus-api-client, behind this module alone: it has no timeout of its own, drops the
warnings of half answers, puts the query of a POST into the URL, and raises three families of errors. Here every query
is a form-encoded POST of `query_range` with a bounded time, warnings are kept, and errors become sentences.

Series are asked for as they are stored, not rated: rates are made where resets and gaps can be seen. A query that is
refused as too expensive, or takes too long, is asked again for each half of the time.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from slowq.credentials import secret
from slowq.errors import ServerError, UsageError
from slowq.metrics import catalogue
from slowq.metrics.raw import BadSeriesError, Raw, raw

POINTS = 240  # of a range; Prometheus refuses more than 11,000
TIMEOUT_S = 30.0  # for everything that is asked
_QUERY_TIMEOUT_S = 10.0
_HALVES = 3  # how often a query is split: into at most eight parts
_BASELINE_S = (600.0, 3600.0)  # before the window as much time as it is long, within these bounds
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
# Histograms of which quantiles are shown; of the others sums and counts are enough.
_WITH_BUCKETS = frozenset(
    ("search_latency", "queue", "wait_tsafe", "segment", "core", "scalar", "vector", "reduce_segments", "proxy_reduce",
     "proxy_queue", "nq", "top_k", "group_nq")
)  # fmt: skip
_SELECTOR = re.compile(r'\s*[A-Za-z_]\w*\s*(=~|!~|!=|=)\s*"(?:[^"\\\n]|\\.)*"\s*')

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Span:
    """What to ask for: Unix seconds, and the step."""

    start: float
    end: float
    step_s: float

    @classmethod
    def around(cls, window: tuple[float, float]) -> Span:
        """The window with a baseline before it, on a step that reads well and gives at most POINTS moments."""
        length = window[1] - window[0]
        before = min(max(length, _BASELINE_S[0]), _BASELINE_S[1])
        start, end = window[0] - before, window[1]
        step = next((one for one in _STEPS_S if (end - start) / one < POINTS), None)
        step_s = float(step or -(-(end - start) // POINTS))
        # What lasts is observed when it ends, or in the scrape after that.
        return cls(start - start % step_s, end - end % step_s + 2 * step_s, step_s)


@dataclass(frozen=True, slots=True)
class Login:
    """How to prove who asks. Never part of a message or a report."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: tuple[str, str] | None = field(default=None, repr=False)
    ca: str | None = None
    certificate: tuple[str, str] | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Login:
        """From SLOWQ_PROMETHEUS_TOKEN, _USER and _PASSWORD (each also as …_FILE), _CA, _CERT and _KEY."""
        token = secret(environment, "SLOWQ_PROMETHEUS_TOKEN")
        user, password = environment.get("SLOWQ_PROMETHEUS_USER"), secret(environment, "SLOWQ_PROMETHEUS_PASSWORD")
        certificate, key = (environment.get(f"SLOWQ_PROMETHEUS_{name}") for name in ("CERT", "KEY"))
        if (certificate is None) != (key is None):
            raise UsageError("SLOWQ_PROMETHEUS_CERT and SLOWQ_PROMETHEUS_KEY go together")
        return cls(
            {"Authorization": f"Bearer {token}"} if token else {},
            (user, password or "") if user else None,
            environment.get("SLOWQ_PROMETHEUS_CA"),
            (certificate, key) if certificate and key else None,
        )


def checked_url(url: str) -> str:
    """The URL without a slash at its end. Raises UsageError for what is none, and for one that carries a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{shown_url(url)!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(f"{shown_url(url)!r} is no URL of a server", hint="give one such as http://prometheus:9090")
    if parts.username or parts.password:
        raise UsageError(
            "a URL must not carry a user or a password",
            hint="set SLOWQ_PROMETHEUS_USER and SLOWQ_PROMETHEUS_PASSWORD, or SLOWQ_PROMETHEUS_TOKEN",
        )
    return urlunsplit(parts._replace(query="", fragment="")).rstrip("/")


def shown_url(url: str) -> str:
    """The URL as reports may show it: without user, password and query."""
    scheme, found, rest = url.partition("://")
    host = re.split(r"[?#]", rest)[0]
    return f"{scheme}://{host.rpartition('@')[2]}" if found else host


def checked_selector(selector: str | None) -> str:
    """Matchers to add to each query, such as ``namespace="prod", job=~"milvus.*"``; UsageError for anything else."""
    said = (selector or "").strip()
    if said.startswith("{") and said.endswith("}"):
        said = said[1:-1]
    rest = said
    while rest:
        matcher = _SELECTOR.match(rest)
        if matcher is None or (rest[matcher.end() :] and not rest[matcher.end() :].startswith(",")):
            raise UsageError(f"--selector {selector!r}: no label matchers", hint='give such as namespace="prod"')
        rest = rest[matcher.end() + 1 :]
    return said.strip()


@dataclass(frozen=True, slots=True)
class Answered:
    """The series that came, as the metrics file of the contract holds them, and what did not come."""

    span: Span
    series: tuple[Mapping[str, Any], ...]
    trouble: tuple[str, ...] = ()

    def raw(self) -> Raw:
        return raw(self.series, self.span.start, self.span.end, self.span.step_s, catalogue.SERIES)

    def document(self) -> dict[str, Any]:
        return {
            "start": self.span.start,
            "end": self.span.end,
            "step": self.span.step_s,
            "series": list(self.series),
        }


class Prometheus:
    """One server. `now` tells the seconds that have passed; `timeout_s` bounds all that is asked."""

    def __init__(
        self,
        url: str,
        login: Login | None = None,
        *,
        selector: str | None = None,
        timeout_s: float = TIMEOUT_S,
        now: Clock = time.monotonic,
    ) -> None:
        self.url = checked_url(url)
        self.queries = 0
        self._selector = checked_selector(selector)
        self._now = now
        self._deadline = now() + timeout_s
        self._timeout_s = timeout_s
        self._session = _session(self.url, login or Login.of())

    def fetch(self, span: Span) -> Answered:
        """Every series of the catalogue. Raises ServerError where the server cannot be used, or knows no Milvus."""
        found: list[Mapping[str, Any]] = []
        trouble: dict[str, None] = {}
        answered = False
        for names in _groups():
            try:
                for part in self._ask(self._query(names), span, _HALVES, trouble):
                    answered = True
                    found += part
            except _UnusableError as error:
                if not answered and error.final:
                    raise ServerError(f"cannot use Prometheus at {self.url}: {error}", hint=error.hint) from error
                trouble[f"{len(names)} metrics ({names[0]} …) could not be had: {error}."] = None
        if not found:
            if trouble and not answered:
                raise ServerError(f"cannot use Prometheus at {self.url}: {next(iter(trouble))}")
            raise ServerError(
                f"Prometheus at {self.url} has no metrics of Milvus for this time"
                + (" and selector" if self._selector else ""),
                hint="check --selector and the time; milvus_proxy_sq_latency_count is what it should know",
            )
        return Answered(span, tuple(_joined(found)), tuple(trouble))

    def _query(self, names: Sequence[str]) -> str:
        chosen = f'__name__=~"{"|".join(names)}"'
        return "{" + (f"{chosen}, {self._selector}" if self._selector else chosen) + "}"

    def _ask(self, query: str, span: Span, halves: int, trouble: dict[str, None]) -> Iterator[list[Mapping[str, Any]]]:
        """The answer for a span, in parts where the whole is too much for the server."""
        try:
            yield self._answer(query, span, trouble)
        except _TooMuchError:
            points = round((span.end - span.start) / span.step_s)
            if not halves or points < 2:
                raise
            middle = span.start + points // 2 * span.step_s
            yield from self._ask(query, Span(span.start, middle, span.step_s), halves - 1, trouble)
            yield from self._ask(query, Span(middle + span.step_s, span.end, span.step_s), halves - 1, trouble)

    def _answer(self, query: str, span: Span, trouble: dict[str, None]) -> list[Mapping[str, Any]]:
        import requests

        left_s = self._deadline - self._now()
        if left_s <= 0:
            raise _UnusableError(f"no answer within {self._timeout_s:.0f} s")
        self.queries += 1
        asked = {
            "query": query,
            "start": span.start,
            "end": span.end,
            "step": span.step_s,
            "timeout": f"{_QUERY_TIMEOUT_S:.0f}s",
        }
        try:
            response = self._session.post(
                f"{self.url}/api/v1/query_range",
                data=asked,
                timeout=(min(5.0, left_s), min(_QUERY_TIMEOUT_S, left_s)),
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise _TooMuchError("no answer in time") from error
        except requests.exceptions.SSLError as error:
            raise _UnusableError("the TLS handshake failed", final=True, hint="set SLOWQ_PROMETHEUS_CA") from error
        except requests.RequestException as error:
            raise _UnusableError(_reason(error), final=True) from error
        return _series(response, trouble)


class _UnusableError(Exception):
    """No answer to one query. `final` says that the others will fare no better."""

    def __init__(self, message: str, *, final: bool = False, hint: str | None = None) -> None:
        super().__init__(message)
        self.final, self.hint = final, hint


class _TooMuchError(_UnusableError):
    """The server would answer less."""


def _session(url: str, login: Login) -> Any:
    from prometheus_api_client import PrometheusConnect
    from urllib3.util.retry import Retry

    connection = PrometheusConnect(
        url, headers=dict(login.headers), auth=login.user, retry=Retry(total=1, backoff_factor=0.2)
    )
    session = connection._session
    session.headers.update(login.headers)
    session.auth = login.user
    session.verify = login.ca or True
    session.cert = login.certificate
    session.trust_env = False  # neither a proxy nor a password of a netrc that nobody named
    return session


def _series(response: Any, trouble: dict[str, None]) -> list[Mapping[str, Any]]:
    """The series of an answer; its warnings become trouble."""
    status = response.status_code
    try:
        said = response.json()
    except ValueError as error:
        if status in (502, 503, 504):
            raise _TooMuchError(f"HTTP {status}") from error
        what = f"HTTP {status}" if status != 200 else "its answer is not JSON"
        raise _UnusableError(
            what, final=True, hint="is this the address of Prometheus, with its path prefix?"
        ) from error
    if status in (401, 403):
        hint = "set SLOWQ_PROMETHEUS_TOKEN, or SLOWQ_PROMETHEUS_USER and SLOWQ_PROMETHEUS_PASSWORD"
        raise _UnusableError(f"HTTP {status}: it wants to know who asks", final=True, hint=hint)
    if not isinstance(said, Mapping) or said.get("status") != "success":
        reason = str(said.get("error") if isinstance(said, Mapping) else said)[:300] or f"HTTP {status}"
        if status in (422, 502, 503, 504) or "exceeded" in reason or "too many" in reason or "timed out" in reason:
            raise _TooMuchError(reason)
        raise _UnusableError(reason, final=status == 404)
    for word in ("warnings", "infos"):
        for one in said.get(word) or ():
            trouble[f"Prometheus warns: {str(one)[:300]}."] = None
    data = said.get("data")
    result = data.get("result") if isinstance(data, Mapping) else None
    if not isinstance(result, list):
        raise _UnusableError("its answer holds no series")
    return [one for one in result if isinstance(one, Mapping)]


_REASONS = (
    "Connection refused",
    "Name or service not known",
    "No route to host",
    "Network is unreachable",
    "Connection reset",
)


def _reason(error: BaseException) -> str:
    """What is behind a chain of errors, in a few words."""
    text = str(error)
    for known in _REASONS:
        if known in text:
            return known.lower()
    return type(error).__name__


def _joined(found: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Series that came in parts, each as one."""
    parts: dict[tuple[tuple[str, str], ...], list[Mapping[str, Any]]] = {}
    for one in found:
        labels = one.get("metric")
        if not isinstance(labels, Mapping):
            raise ServerError("an answer of Prometheus holds a series without labels")
        parts.setdefault(tuple(sorted((str(k), str(v)) for k, v in labels.items())), []).append(one)
    for same in parts.values():
        kinds = [kind for kind in ("values", "histograms") if any(one.get(kind) for one in same)]
        yield {
            "metric": same[0]["metric"],
            **{kind: [pair for one in same for pair in one.get(kind) or ()] for kind in kinds},
        }


def _groups() -> list[list[str]]:
    """The names that go into one query each: what belongs together, and buckets apart, which are most of the series."""
    sums: dict[str, list[str]] = {}
    for quantity in catalogue.QUANTITIES:
        for source in quantity.sources:
            component = "_".join(source.metric.split("_")[:2]) if source.metric.startswith("milvus_") else "other"
            if quantity.kind == "histogram":
                sums.setdefault(component, []).extend((f"{source.metric}_sum", f"{source.metric}_count"))
                if quantity.name in _WITH_BUCKETS:
                    sums.setdefault(f"{component} buckets", []).append(f"{source.metric}_bucket")
            else:
                sums.setdefault(component, []).append(source.metric)
    sums.setdefault("other", []).append(catalogue.BUILD_INFO)
    return [list(dict.fromkeys(names)) for names in sums.values()]


def readable(answered: Answered, url: str) -> Raw:
    """The series on their grid. Raises ServerError where they are not what Prometheus answers."""
    try:
        return answered.raw()
    except BadSeriesError as error:
        raise ServerError(f"the answer of Prometheus at {shown_url(url)} cannot be read: {error}") from error
