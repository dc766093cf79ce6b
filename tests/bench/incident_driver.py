"""What records incidents, tried on the engine: `python -m tests.bench.incident_driver PORT` prints what it saw, as JSON.

It is for the Python of .venv-milvus, whose pymilvus (2.3.7) incidents are recorded with.
"""

from __future__ import annotations

import json
import sys

from pymilvus import connections

from bench.incidents import datasets, load, record
from bench.incidents.scenarios import SCENARIOS
from bench.incidents.scenarios.scenario import about

SMALL = datasets.Spec("small", 600, 16, "IVF_FLAT", params={"nlist": 16}, json=True, partitions=3)


def main(port: int) -> None:
    connections.connect(host="127.0.0.1", port=str(port))
    collection = datasets.ready(SMALL)
    searched = load.Request("small", dim=16, params={"nprobe": 4}, expr='meta["stock"] < $N', port=port)
    refused = load.Request("small", "query", expr="no_such_field > 1", port=port)
    clients = (
        load.Clients("searches", 2, searched),
        load.Clients("refused", 1, refused),
    )
    answers = load.drive(clients, 0.5)
    columns = datasets.as_lists(datasets.rows(SMALL, range(50)))
    seen = {
        "rows": collection.num_entities,
        "partitions": len(collection.partitions),
        "answered": sorted({one.clients for one in answers if one.error is None}),
        "refused": sorted({one.clients for one in answers if one.error and "no_such_field" in one.error}),
        "alone_s": load.alone(searched, 2),
        "columns": [len(one) for one in columns],
        "same_rows": columns == datasets.as_lists(datasets.rows(SMALL, range(50))),
        "described": SMALL.describe(),
        "context": record._yaml(about(SMALL.describe(), datasets.PRINTS.describe())),
        "scenarios": sorted(SCENARIOS),
    }
    datasets.drop("small")
    json.dump(seen, sys.stdout)


if __name__ == "__main__":  # the clients' processes import this module too
    main(int(sys.argv[1]))
