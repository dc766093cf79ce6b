from __future__ import annotations

import json

import numpy as np
import pytest

from slowq.report import html
from slowq.report.document import document
from slowq.report.workload import MOST_ARRIVALS, workload
from slowq.repro.whatif import recorded
from slowq.triage import diagnose
from tests.builders import case, many, search


def test_arrivals_are_gaps_and_durations_in_milliseconds() -> None:
    found = case(search(at=10, took=4), search(at=12, took=2.5, nq=500), search(at=11.5, took=1.25))
    entries = {entry["nq"]: entry["arrivals"] for entry in workload(found)}
    span = {"from_s": 0.0, "seconds": 4.25}
    assert entries == {
        1.0: span | {"kept": 2, "of": 2, "ms": ["0+4000 4250+1250"]},
        500.0: span | {"kept": 1, "of": 1, "ms": ["3500+2500"]},
    }


def test_requests_whose_time_or_duration_is_not_known_are_left_out_and_counted() -> None:
    (entry,) = workload(case(search(at=10, took=None), search(at=12, took=2)))
    assert (entry["arrivals"]["kept"], entry["arrivals"]["of"]) == (1, 2)


def test_of_many_requests_the_worst_stretch_is_kept_whole() -> None:
    calm = many(MOST_ARRIVALS, search(at=10, took=0.5), every=1.0)
    bad = many(MOST_ARRIVALS, search(at=10 + MOST_ARRIVALS, took=5.0), every=0.1)
    (entry,) = workload(case(calm, bad))
    arrivals = entry["arrivals"]
    assert (arrivals["kept"], arrivals["of"]) == (MOST_ARRIVALS, 2 * MOST_ARRIVALS)
    words = " ".join(arrivals["ms"]).split()
    assert sum(word.endswith("+5000") for word in words) > MOST_ARRIVALS - 10  # long ones began beside short ones
    assert max(map(len, arrivals["ms"])) < 400


@pytest.mark.parametrize("number", [300, 20_000])
def test_the_arrivals_take_little_room_however_many_requests_there_were(number: int) -> None:
    dice = np.random.default_rng(1)
    rows = [
        search(at=60 + at / 50, took=float(took), nq=int(nq))
        for at, took, nq in zip(
            range(number), dice.uniform(1, 60, number), dice.choice([1, 20, 500], number), strict=True
        )
    ]
    found = case(rows)
    said = document(found, diagnose(found))
    plain = {**said, "workload": [{**one, "arrivals": None} for one in said["workload"]]}
    assert len(json.dumps(said, indent=1)) - len(json.dumps(plain, indent=1)) < 100_000
    assert len(html.render(said)) - len(html.render(plain)) < 100_000
    assert len(recorded(said)) == min(number, MOST_ARRIVALS)
