"""Record a slow-query incident on a real Milvus 2.3.5 into a folder of sample_logs.

    python -m bench.incidents.record --scenario large_result --out sample_logs/large_result [--strength 1.5]

Needs, for this driver only and in an environment of its own:

    pip install milvus==2.3.5 pymilvus==2.3.7 'setuptools<70' 'marshmallow<4' 'environs<10' 'numpy<2'

and the program `prometheus`. It starts what does not run yet and ends what it started (`--keep` leaves it, so that the
next recording finds its collections loaded); the first recordings take minutes longer, since they build the
collections. All traffic is on the loopback address.

The folder then holds `logs/standalone.log` (`.gz` when large), `prometheus_range.json.gz`, `truth.json`, `NOTES.md`
and, where the log alone cannot decide, `context.yaml`. The log and the metrics are what Milvus wrote, cut to the time
of the incident; nothing in them is edited.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

from pymilvus import MilvusException, connections

from bench.incidents.lab import INDEX_BUILD, SLOW_LINE, Lab, write_log, write_metrics
from bench.incidents.load import Answer, alone, drive
from bench.incidents.machine import Machine, load_average
from bench.incidents.scenarios import SCENARIOS
from bench.incidents.scenarios.scenario import Scenario

BROKE_OFF = "The disturbance broke off"
BEFORE_S = 30  # metrics of the quiet time before, to compare with


def main() -> int:
    options = _options()
    lab = Lab(options.data, options.prometheus, tuple(options.config))
    lab.start()
    try:
        _connect()
        scenario = SCENARIOS[options.scenario](lab, options.strength)
        lab.settle()
        time.sleep(options.rest)
        record(lab, options.out.name, scenario, options.out, options.others)
    except DisturbedError as reason:
        print(f"not kept: {reason}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            lab.stop()
    return 0


class DisturbedError(Exception):
    """What was recorded is not what its label says: others took the CPU, an index was built, slow lines are missing."""


def record(lab: Lab, name: str, scenario: Scenario, out: Path, most_others: float) -> None:
    """Drive the load and write the folder."""
    happened: list[str] = []
    measured = _contrast(scenario)
    time.sleep(BEFORE_S / 2)
    stop = threading.Event()
    fault = threading.Thread(target=_run_fault, args=(scenario, stop, happened))
    lab.set_log_level(scenario.log_level)
    machine, loads = Machine(), [load_average()]
    machine.watch()
    start = time.time()
    fault.start()
    answers = drive(scenario.clients, scenario.seconds)
    stop.set()
    fault.join()
    end = time.time()
    machine.ended()
    lab.set_log_level("info")
    time.sleep(3)  # the last scrape
    cpu = machine.between(start, end)
    if broke := [one for one in happened if one.startswith(BROKE_OFF)]:
        raise DisturbedError(broke[0])
    if (cpu["taken"] or 0.0) > most_others:
        raise DisturbedError(f"others took {cpu['taken']:.0%} of the CPU")

    log = lab.log_between(start, end)
    slow = sum(bool(SLOW_LINE.search(line)) for line in log.splitlines())
    if bool(slow) != (scenario.cause not in (None, "outside_milvus")):
        raise DisturbedError(f"the log has {slow} slow lines; choose another --strength. {_figures(answers)}")
    if scenario.fault is None and INDEX_BUILD in log:
        raise DisturbedError("an index was built meanwhile, as after a compaction that Milvus began by itself")
    write_log(out / "logs", log)
    write_metrics(out / "prometheus_range.json.gz", lab.metrics_between(start - BEFORE_S, end))
    truth = {
        "case": name,
        "cause": scenario.cause,
        "sub_cause": scenario.sub_cause,
        "accept": [list(pair) for pair in scenario.accept],
        "decidable": scenario.decidable,
        "milvus_version": "2.3.5",
        "what": scenario.what,
        "how": "recorded on a real Milvus 2.3.5 standalone on 2 cores, Prometheus scraping it every 2 s",
        "contrast": measured + _before_and_after(scenario, answers),
        "client": _figures(answers),
        "machine": {"load_average": [*loads, load_average()], "cpu": cpu},
        "slow_lines": slow,
        "start": start,
        "end": end,
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    (out / "NOTES.md").write_text(_notes(scenario, answers, [*happened, *_settings(lab)], slow, end - start))
    if scenario.observed and scenario.context:
        scenario.context["observations"] = {"cpu_share": cpu["busy"]}
    if scenario.context:
        (out / "context.yaml").write_text(_yaml(_with_figures(lab, scenario, answers, start, end)))
    print((out / "NOTES.md").read_text(), json.dumps(truth["contrast"]), json.dumps(truth["machine"]))


def _contrast(scenario: Scenario) -> list[dict[str, object]]:
    if scenario.contrast is None:
        return []
    one = scenario.contrast
    return [{"says": one.says, "with_s": round(alone(one.at_fault), 4), "without_s": round(alone(one.without), 4)}]


def _before_and_after(scenario: Scenario, answers: list[Answer]) -> list[dict[str, object]]:
    """The medians of clients that were there before the fault began and after."""
    begins_s = scenario.begins_s
    if begins_s is None:
        return []
    found: list[dict[str, object]] = []
    for group in scenario.clients:
        took = [(one.at_s, one.took_s) for one in answers if one.clients == group.name and one.error is None]
        before = [took_s for at_s, took_s in took if at_s + took_s < begins_s]
        after = [took_s for at_s, took_s in took if at_s >= begins_s]
        if before and after:
            says = f"{group.name}: sent before the fault began and after"
            with_s, without_s = round(statistics.median(after), 4), round(statistics.median(before), 4)
            found.append({"says": says, "with_s": with_s, "without_s": without_s})
    return found


def _run_fault(scenario: Scenario, stop: threading.Event, happened: list[str]) -> None:
    if scenario.fault is not None:
        try:
            scenario.fault(stop, happened)
        except (MilvusException, OSError) as failure:
            happened.append(f"{BROKE_OFF}: {failure!r:.200}")


def _figures(answers: list[Answer]) -> dict[str, object]:
    took = sorted(answer.took_s for answer in answers if answer.error is None)
    errors = sum(answer.error is not None for answer in answers)
    if not took:
        return {"requests": len(answers), "errors": errors, "p50_s": None, "p99_s": None}
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    return {
        "requests": len(answers),
        "errors": errors,
        "p50_s": round(statistics.median(took), 3),
        "p99_s": round(p99, 3),
    }


def _with_figures(lab: Lab, scenario: Scenario, answers: list[Answer], start: float, end: float) -> dict[str, object]:
    """The context, with what client and server measured where the case is about their difference."""
    if scenario.cause != "outside_milvus":
        return scenario.context
    seen = _figures(answers)
    server = lab.search_latency(start, end)
    client = {
        "p50_s": seen["p50_s"],
        "p99_s": seen["p99_s"],
        "sdk": "pymilvus 2.3.7",
        "language": "python",
        "where": "same_host",
    }
    return {**scenario.context, "client": client, "server": server}


def _settings(lab: Lab) -> list[str]:
    return [f"Milvus ran with {', '.join(f'`{one}`' for one in lab.config)}."] if lab.config else []


def _notes(scenario: Scenario, answers: list[Answer], happened: list[str], slow: int, seconds: float) -> str:
    lines = [f"# {scenario.title}", "", scenario.story, ""]
    if happened:
        lines += [*happened, ""]
    lines += [
        (
            "It was recorded on a real Milvus 2.3.5 standalone (embedded etcd, RocksMQ, local disk) on a machine with "
            "2 cores and 24 GiB of memory, which it shared with the clients and with Prometheus; Prometheus scraped it "
            f"every 2 s. The log is as Milvus wrote it, at level {scenario.log_level.upper()}, cut to the time of the "
            "incident; its slow threshold of 5 s is fixed in this version. "
            f"The whole lasted {seconds:.0f} s, the log holds {slow} slow lines."
        ),
        "",
        "What the clients saw:",
        "",
        "| clients | requests | errors | p50 s | p99 s |",
        "|---|---|---|---|---|",
    ]
    for group in scenario.clients:
        seen = _figures([answer for answer in answers if answer.clients == group.name])
        lines.append(
            f"| {group.count} x {group.name} | {seen['requests']} | {seen['errors']} "
            f"| {seen['p50_s']} | {seen['p99_s']} |"
        )
    messages = {answer.error for answer in answers if answer.error}
    if messages:
        lines += ["", f"One of the errors: `{min(messages)}`"]
    return "\n".join(lines) + "\n"


def _yaml(value: dict[str, object]) -> str:
    """The context file: one line for each key, collection property and field; the values are JSON, which is YAML."""
    lines = []
    for key, inner in value.items():
        if key != "collections":
            lines.append(f"{key}: {json.dumps(inner)}")
            continue
        lines.append("collections:")
        for collection in cast("list[dict[str, Any]]", inner):
            first, *rest = ((k, v) for k, v in collection.items() if k != "fields")
            lines.append(f"  - {first[0]}: {json.dumps(first[1])}")
            lines += [f"    {k}: {json.dumps(v)}" for k, v in rest]
            lines.append("    fields:")
            lines += [f"      - {json.dumps(f)}" for f in collection["fields"]]
    return "\n".join(lines) + "\n"


def _connect() -> None:
    connections.connect(host="127.0.0.1", port="19530")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenario", required=True, choices=sorted(SCENARIOS))
    parser.add_argument("--out", required=True, type=Path, help="the folder to write; its name is the case")
    parser.add_argument("--strength", type=float, default=1.0, help="more or fewer clients; 1.0 suits two cores")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("/var/lib/milvus"),
        help="where Milvus keeps its data, and where the collections stay",
    )
    parser.add_argument("--prometheus", default="http://127.0.0.1:9095")
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of milvus.yaml, when Milvus is started here",
    )
    parser.add_argument("--rest", type=float, default=10, help="quiet seconds before the recording")
    parser.add_argument("--keep", action="store_true", help="leave Milvus and Prometheus running")
    parser.add_argument(
        "--others", type=float, default=0.08, help="refuse a recording from which others took more of the CPU (0…1)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
