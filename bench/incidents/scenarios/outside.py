"""outside_milvus: Milvus answers fast, and the time goes elsewhere."""

from __future__ import annotations

import threading
from dataclasses import replace

from bench.incidents import datasets
from bench.incidents.datasets import CATALOG
from bench.incidents.lab import Lab
from bench.incidents.load import Clients
from bench.incidents.scenarios.scenario import PLAIN, Scenario, about, many
from bench.incidents.slow_link import SlowLink


def client_or_network(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    return Scenario(
        "outside_milvus",
        "client_or_network",
        "Milvus answers within milliseconds; the client spends seconds on each answer",
        "Milvus is fast, the client is slow",
        "12 clients search a collection of 400,000 rows x 128 dimensions (HNSW), return the vectors as well, and "
        "work for 6 s on each answer before they report it as "
        "done. The log holds no slow line; context.yaml gives what the clients and what Milvus measured.",
        (Clients("clients", 12, replace(PLAIN, top_k=100, params={"ef": 128}, output_fields=("vec",)), work_s=6.0),),
        seconds=40,
        context=about(CATALOG.describe()),
    )


def busy_clients(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    work_s = round(2.5 * strength, 1)
    clients = Clients("clients", 20, replace(PLAIN, top_k=50), work_s=work_s)
    return Scenario(
        "outside_milvus",
        "client_or_network",
        f"Milvus answers within milliseconds; the client works for {work_s:g} s on each answer",
        "Clients that take their time",
        f"20 clients search an HNSW collection of 400,000 rows x 128 dimensions with top_k=50 and work for {work_s:g} s "
        "on each answer before they count it as done; 5 search without doing anything else.",
        (clients, Clients("idle clients", 5, PLAIN, pause_s=0.3)),
        seconds=40,
        context=about(CATALOG.describe()),
    )


def slow_link(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    rate = many(4_000_000, 1 / strength)
    request = replace(PLAIN, top_k=2000, params={"ef": 2000}, output_fields=("vec",), port=29530)

    def run(stop: threading.Event, happened: list[str]) -> None:
        with SlowLink(29530, 19530, rate):
            stop.wait()
        happened.append(f"The link carried at most {rate:,} bytes a second to all the clients together.")

    return Scenario(
        "outside_milvus",
        "client_or_network",
        f"the clients are behind a link of {rate} bytes a second; Milvus answers fast",
        "A narrow link",
        f"12 clients search an HNSW collection of 400,000 rows x 128 dimensions for 2,000 rows with their vectors (1 MB "
        f"an answer) through a link that carries {rate:,} bytes a second; Milvus answers each within a fraction of a "
        "second.",
        (Clients("clients", 12, request),),
        seconds=45,
        fault=run,
        context=about(CATALOG.describe()),
    )
