"""Reading alone: find the slow lines of a log and read their fields into typed columns, and nothing after it.

Prints the number of slow requests in the form that `slowq analyze` gives it, so that the benchmark can check it.
"""

import json
import sys

from slowq.parsers import read
from slowq.sources import find


def main(path: str, jobs: int) -> None:
    files = list(read.read(find([path]), jobs))
    count = sum(batch.slow_lines for file in files for batch in file.batches)
    print(json.dumps({"coverage": {"slow_requests": count}}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
