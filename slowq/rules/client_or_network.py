"""Milvus answers fast, but my application waits.

Symptom
    The application measures hundreds of milliseconds or seconds while Milvus logs no slow request and its search
    latency is normal. Some clients are slow and others are not, or the first call after a pause is.

Cause
    Between the two clocks lie name resolution, TLS, a load balancer, the network, the queue of the client's own
    thread or event loop, building the request and decoding the answer. Opening a connection for each request, a
    client far away, vectors as Python lists, large answers, or a client whose CPU is full are the usual reasons.
    With REST, JSON costs more than gRPC. Failures that the SDK retries in silence add up too.

How we tell
    The client's figures against the server's: `client.p50_s` and `p99_s` beside `server.p50_s` and `p99_s` in the
    context file, or the client's figures beside a log that covers the time and holds no slow request (level info,
    threshold known). The larger part of the client's time must be missing on the server, and what is found in Milvus
    explains no more than the rest. `connection_per_request`, `where: remote` and `cpu_share` of the client say where it
    went.

    An access log holds the server's own time of each request, as does milvus_proxy_sq_latency. The server's time
    starts when the request has arrived, so that a full gRPC queue before it is invisible. Without both figures a
    connection for each request or a full CPU of the client is a hint; with none of that the rule answers skipped.

Not this when
    The log holds slow requests that explain the client's time. The log is at level warn, or the threshold hides
    what the client complains of: 5 s up to 2.6.9 with the shipped milvus.yaml, 1 s from 2.6.10, for searches from
    2.5.13 on compared per query vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from slowq import signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, Need, Place
from slowq.findings import Cite, Clear, Evidence, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.wording import count, duration, percent
from slowq.workload import stated

REMEDIES = (
    Remedy(
        key="one_client",
        do="Create one client at the start of the process, and share it among threads.",
        because="A new connection costs name resolution, TCP, TLS and a handshake for each request.",
        cost="None; close it at the end.",
        verify="The client's p50 falls to the server's plus one round trip.",
        snippet="""\
from pymilvus import MilvusClient

client = MilvusClient(uri="http://milvus:19530")  # once, at start

def handle(vector):
    return client.search(collection_name=$collection, data=[vector], limit=$top_k)
""",
        since=(2, 3, 0),
    ),
    Remedy(
        key="move_closer",
        do="Run the client in the same network and region as Milvus, and look at what lies between.",
        because="Each request needs at least one round trip, and a balancer or proxy adds its own.",
        cost="Moving a service.",
        verify="A ping from the client, and the difference of client and server p50, are about the same.",
    ),
    Remedy(
        key="measure_client",
        do="Time the call on the client, its parts apart: building the request, the call, decoding.",
        because="It tells the network from the client's own work.",
        cost="A few lines of code.",
        verify="The sum of the parts is the client's latency.",
        snippet="""\
import time

started = time.perf_counter()
result = client.search(collection_name=$collection, data=[vector], limit=$top_k)
called = time.perf_counter()
hits = [dict(hit) for hit in result[0]]
print(f"call {called - started:.3f} s, reading {time.perf_counter() - called:.3f} s")
""",
    ),
    Remedy(
        key="smaller_answers",
        do="Ask for fewer rows and only the output fields that are used.",
        because="Answers travel and are decoded in proportion to their size; vectors are the largest part.",
        cost="A second request where more is needed.",
        verify="The client's p50 falls; bytes received too.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=[vector],
    anns_field=$vector_field,
    limit=10,
    output_fields=["id"],
)
""",
    ),
    Remedy(
        key="several_processes",
        do="Spread the client over several processes, and use numpy arrays for vectors.",
        because="One Python process encodes and decodes on one core.",
        cost="More connections and memory on the client.",
        verify="The client's CPU share per process falls, and its p99 with it.",
    ),
    Remedy(
        key="upgrade_sdk",
        do="Upgrade the SDK to the version that matches the server.",
        because="Encoding and decoding have become faster, and mismatched versions fall back or retry.",
        cost="Tests of the application.",
        verify="The same call, timed before and after.",
    ),
)

# proxy.slowQuerySpanInSeconds before 2.6.10: what is faster is not in the log.
SLOW_LOG_S = 5.0
# Share of a core from which a client is busy with itself.
BUSY_SHARE = 0.9

ABOUT = About(
    id="client_or_network",
    title="Milvus answers fast, but my application waits.",
    needs=(
        Need(
            what="what the client measures",
            how_to_supply=(
                "Give --context: `client: {p50_s: 0.8, p99_s: 4.2, sdk: pymilvus 2.4.4, where: remote, "
                "connection_per_request: false}`."
            ),
        ),
        Need(
            what="what the server measures for the same requests",
            how_to_supply=(
                "Give the access log, look at milvus_proxy_sq_latency, or --context: "
                "`server: {p50_s: 0.01, p99_s: 0.02}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class ClientOrNetwork:
    """Milvus answered fast; the time went to the client, the SDK or the network."""

    about: ClassVar[About] = ABOUT
    outside_share: float = threshold(
        0.5,
        "share of the client's time that must be missing on the server",
    )
    worth_a_look_s: float = threshold(
        0.1,
        "time of the client from which the guide finds latency worth a look",
    )
    healthy_s: float = threshold(
        0.03,
        "time of the server up to which the guide calls it healthy in most cases",
    )

    def check(self, case: Case) -> Outcome:
        work, client = workload.of(case), case.context.client
        told = {name: float(client[name]) for name in ("p50_s", "p99_s") if client.get(name) is not None}
        known = [(name, felt, found) for name, felt in told.items() if (found := self._server(case, name))]
        if not known:
            return self._by_habit(case, client) or Skipped(self.about.needs)
        outside = [
            (name, felt, server)
            for name, felt, server in known
            if felt - server.took_s >= self.outside_share * felt and felt >= self.worth_a_look_s
        ]
        if not outside:
            return Clear("what the client measures may be spent in Milvus, or is too short to matter")
        name, felt, server = max(outside, key=lambda one: one[1] - one[2].took_s)
        evidence = [
            stated(case, f"client.{name}", f"The client measures {duration(felt)}.", felt, self.worth_a_look_s),
            Evidence(server.says, (server.cite,), server.took_s, self.healthy_s),
        ]
        busy, connects = _is_busy(client), bool(client.get("connection_per_request"))
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.55,
                signs=[
                    (felt - server.took_s >= 0.75 * felt, 0.3),
                    (server.took_s <= self.worth_a_look_s, 0.25),
                    (busy, 0.3),
                    (connects, 0.3),
                ],
                against=[(work.count >= 5 and work.has_durations and not case.context.requests, 0.5)],
            ),
            summary=f"Of the {duration(felt)} that the client sees, Milvus takes {'at most ' if server.at_most else ''}"
            f"{duration(server.took_s)}; the rest is spent outside.",
            evidence=[*evidence, *_of_habits(case, client)],
            subject=_SUBJECT,
            keys=self._fitting(client),
        )

    def _by_habit(self, case: Case, client: Mapping[str, Any]) -> Outcome | None:
        """What a client does that costs each request dearly, where nobody has measured how much of the time that is."""
        evidence = _of_habits(case, client)
        if not evidence:
            return None
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.35,
                signs=[(bool(client.get("connection_per_request")), 0.25), (_is_busy(client), 0.3)],
                against=[(bool(case.inputs) and workload.of(case).has_durations, 0.5)],
            ),
            summary="The client spends time of its own on each request; how much of what it waits for that is, is not measured.",
            evidence=evidence,
            subject=_SUBJECT,
            keys=self._fitting(client),
        )

    def _fitting(self, client: Mapping[str, Any]) -> list[str]:
        keys = ["measure_client", "smaller_answers", "upgrade_sdk"]
        if client.get("connection_per_request") is not False:
            keys.append("one_client")
        if client.get("where") != "same_host":
            keys.append("move_closer")
        if client.get("cpu_share") is None or client["cpu_share"] >= BUSY_SHARE:
            keys.append("several_processes")
        return keys

    def _server(self, case: Case, name: str) -> _Server | None:
        """What Milvus itself reports; else what the access log shows, or that the slow log is empty."""
        server, requests = case.context.server, case.requests
        if server.get(name) is not None:
            took_s = float(server[name])
            says = f"Milvus takes {duration(took_s)} for the same requests."
            return _Server(took_s, says, case.context.cite(f"server.{name}"))
        if case.inputs and len(requests) and not requests["slow"].all():
            took_s = float(requests["duration_s"].quantile(0.5 if name == "p50_s" else 0.99))
            row = int(requests["duration_s"].argmax())
            place = Place(str(requests["path"].iloc[row]), int(requests["line"].iloc[row]))
            return _Server(took_s, f"Of the requests in the access log Milvus took {duration(took_s)}.", place)
        measured = signals.of(case)
        if measured:
            took_s = measured.mean("search_latency") if name == "p50_s" else measured.quantile("search_latency", 0.99)
            says = f"At the proxy a search takes {duration(took_s)} ({'mean' if name == 'p50_s' else 'p99'})."
            return _Server(took_s, says, measured.says("search_latency", says).cites[0])
        longest = max(case.context.requests, key=lambda one: one.duration_s or 0.0, default=None)
        most_s = (1 - self.outside_share) * float(case.context.client[name])
        if longest is not None and longest.duration_s and name == "p50_s" and longest.duration_s <= most_s:
            says = f"The longest request that is told takes {duration(longest.duration_s)}."
            return _Server(longest.duration_s, says, case.context.cite(f"{longest.key}.duration_s"), at_most=True)
        if case.inputs and not len(requests):
            limit_s = 1.0 if case.milvus.surely_from((2, 6, 10)) else SLOW_LOG_S
            says = f"In {count(case.coverage.lines, 'line')} of log no request took {duration(limit_s)}."
            return _Server(limit_s, says, Place(case.inputs[0].path, 1), at_most=True)
        return None


_SUBJECT = "the client or the network"


def _is_busy(client: Mapping[str, Any]) -> bool:
    share = client.get("cpu_share")
    return share is not None and share >= BUSY_SHARE


def _of_habits(case: Case, client: Mapping[str, Any]) -> list[Evidence]:
    """What the context file says of the client's CPU and connections, where it costs."""
    evidence = []
    if _is_busy(client):
        busy = client["cpu_share"]
        evidence.append(stated(case, "client.cpu_share", f"The client's CPU is at {percent(busy)}.", busy, BUSY_SHARE))
    if client.get("connection_per_request"):
        says = "The client opens a connection for each request."
        evidence.append(stated(case, "client.connection_per_request", says))
    return evidence


@dataclass(frozen=True, slots=True)
class _Server:
    """How long Milvus takes, in a sentence, and where that was read."""

    took_s: float
    says: str
    cite: Cite
    at_most: bool = False
