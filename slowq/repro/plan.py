"""From a report to a scenario in the incident's own shape. What was not known is assumed, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slowq.errors import UsageError
from slowq.filters import parse
from slowq.filters.ast import Call, Comparison, In, JsonPath, Like, Range, walk
from slowq.filters.rewrite import rewrite
from slowq.filters.write import write
from slowq.repro.filters import Made, like
from slowq.repro.mix import level_of, mixed, most_nq
from slowq.repro.scenario import Remedy, Scenario, Setup
from slowq.repro.scenarios import catalogue

DEFAULT_ROWS = 100_000
MOST_DIM = 256
MOST_CLIENTS = 8
MOST_NQ_BESIDE = 32  # where nq is not the fault
# What one predicate costs for a row on one core, measured on the engine (json_contains 8 us) and on Milvus 2.3.5 (JSON
# about 75 to 160 ns), and what a filtered search alone may cost: with the clients that wait for it, a round still sees
# many of them.
_ROW_S = {"contains": 8e-6, "json": 160e-9, "text": 20e-9, "plain": 3e-9}
_MOST_FILTER_S = 0.06
_FEWEST_ROWS = 1_000

_FILTER_CAUSES = ("complex_expression", "unindexed_scalar_filter", "json_filter", "pattern_filter")
# Which index a search param belongs to, where no context says.
_INDEX_OF_PARAM = {"ef": "HNSW", "nprobe": "IVF_FLAT", "search_list": "DISKANN"}
_BUILD = {"HNSW": {"M": 12, "efConstruction": 80}, "IVF_FLAT": {"nlist": 256}, "DISKANN": {}, "FLAT": {}}
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Known:
    """What a context file says of the collection, in the few facts that matter here."""

    rows: int | None = None
    dim: int | None = None
    index: str | None = None
    metric: str | None = None
    params: Mapping[str, Any] | None = None
    types: Mapping[str, str] | None = None
    cpus: int | None = None  # of all query nodes


def plan(document: Mapping[str, Any], number: int = 1, known: Known | None = None, rows: int | None = None) -> Scenario:
    """The scenario of the finding with that number, from 1. Raises UsageError where there is none to be made."""
    findings = document["findings"]
    if not findings:
        raise UsageError("the report has no finding to reproduce")
    if not 1 <= number <= len(findings):
        raise UsageError(f"the report has no finding {number}", hint=f"it has {len(findings)}; see slowq show")
    finding = findings[number - 1]
    model = catalogue().get(finding["sub_cause"])
    if model is None:
        raise UsageError(
            f"{finding['sub_cause']} cannot be reproduced on one machine",
            hint="slowq scenarios lists what can be, and says why the others cannot",
        )
    culprit = _culprit(document, finding)
    shaped, assumed = _shaped(model.base, culprit, known or Known(), rows)
    if "level" not in model.fault:
        shaped = shaped.changed({"level": level_of(culprit)})
    made = _filter_of(document, culprit, known or Known())
    if model.name in _FILTER_CAUSES:
        scenario = _filtered(model, shaped, made, assumed)
    else:
        scenario = _like_the_model(model, shaped, culprit, made, assumed)
    return mixed(scenario, document, culprit, (known or Known()).types or {}, (known or Known()).cpus)


def _culprit(document: Mapping[str, Any], finding: Mapping[str, Any]) -> Mapping[str, Any]:
    """The requests of the first culprit; of a finding without one, those of the dearest pattern."""
    entries: Sequence[Mapping[str, Any]] = document.get("workload") or []
    for pattern in finding["culprits"]:
        for one in entries:
            if one["pattern"] == pattern:
                return one
    return entries[0] if entries else {}


def _shaped(base: Setup, culprit: Mapping[str, Any], known: Known, rows: int | None) -> tuple[Setup, list[str]]:
    """The base with the incident's dimension, metric, index and size, as far as they are known."""
    assumed = []
    change: dict[str, Any] = {}
    sent = culprit.get("search_params") or {}
    inner = {key: value for key, value in (sent.get("params") or {}).items() if isinstance(value, int | float)}
    nq, size = culprit.get("nq") or 1, culprit.get("vector_bytes")
    if base.vector == "FLOAT_VECTOR":
        dim = known.dim or (_dim(size, nq) if size else None)
        if dim is None:
            assumed.append(f"{base.dim} dimensions")
        else:
            change["dim"] = max(8, min(MOST_DIM, dim))
            if dim > MOST_DIM:
                assumed.append(f"{MOST_DIM} dimensions in the place of {dim}")
        change |= _index(base, inner, known, assumed)
        metric = (known.metric or sent.get("metric_type") or "").upper()
        if metric in ("L2", "IP", "COSINE"):
            change["metric"] = metric
        else:
            assumed.append(f"metric {base.metric}")
    wanted = rows or min(known.rows or base.rows, max(base.rows, DEFAULT_ROWS))
    change["rows"] = wanted
    if known.rows != wanted:
        assumed.append(f"{wanted:,} rows" + (f" in the place of {known.rows:,}" if known.rows else ""))
    if nq > 1:
        change["nq"] = int(min(nq, MOST_NQ_BESIDE))
    if culprit.get("top_k"):
        change["top_k"] = int(min(culprit["top_k"], 10_000))
    if culprit.get("at_once"):
        change["clients"] = int(max(2, min(MOST_CLIENTS, round(culprit["at_once"]))))
    return base.changed(change), assumed


def _dim(size: float, nq: float) -> int:
    """From the bytes of a placeholder group: 8 of its own, and 2 more with each vector (up to 3 and 4 if it is large)."""
    return int(((size - 8) / nq - 2) / _FLOAT_BYTES)


def _index(base: Setup, inner: Mapping[str, Any], known: Known, assumed: list[str]) -> dict[str, Any]:
    if base.index == "FLAT":
        return {}
    kind = known.index if known.index in _BUILD else None
    if kind is None:
        kind = next((one for param, one in _INDEX_OF_PARAM.items() if param in inner), None)
        if kind is None:
            assumed.append(f"index {base.index}")
            return {}
        assumed.append(f"index {kind}, by its search params")
    if kind in ("FLAT", "DISKANN"):  # the fault, maybe; a base is healthy
        kind = "HNSW"
    params = {key: value for key, value in inner.items() if _INDEX_OF_PARAM.get(key) == kind}
    healthy = {"HNSW": {"ef": 64}, "IVF_FLAT": {"nprobe": 16}}[kind]
    return {"index": kind, "index_params": dict(_BUILD[kind]), "params": {**healthy, **params}}


def _filter_of(document: Mapping[str, Any], culprit: Mapping[str, Any], known: Known) -> Made | None:
    for pattern in document["patterns"]:
        if pattern["id"] == culprit.get("pattern"):
            return like(pattern["filter"] or "", known.types or {})
    return None


def _filtered(model: Scenario, shaped: Setup, made: Made | None, assumed: list[str]) -> Scenario:
    """A finding about the filter: the fault is the incident's own filter on otherwise healthy searches."""
    if made is None or not made.text:
        return replace(
            model,
            base=shaped.changed({"columns": model.base.columns}),
            assumed=(*assumed, "the filter of the catalogue"),
        )
    fits = _rows_that_fit(made, shaped.rows)
    if fits < shaped.rows:
        assumed.append(f"{fits:,} rows, so that one filter takes about {_MOST_FILTER_S * 1e3:.0f} ms")
    base = shaped.changed({"columns": made.columns, "rows": fits})
    remedies = _remedies(model.name, made)
    return Scenario(
        model.name,
        model.rule,
        f"the incident's filter on {base.rows:,} rows",
        base,
        {"filter": made.text},
        remedies or model.remedies,
        _FILTER_CAUSES,  # several of them are true of one filter; which comes first depends on its scale
        assumed=(*assumed, *made.assumed),
    )


def _rows_that_fit(made: Made, rows: int) -> int:
    cost = 0.0
    for node in walk(parse(made.text)):
        if isinstance(node, Comparison | In | Range | Call):
            of_json = any(isinstance(one, JsonPath) for one in walk(node))
            cost += _ROW_S["contains" if of_json and isinstance(node, Call) else "json" if of_json else "plain"]
        elif isinstance(node, Like):
            cost += _ROW_S["text"]
    return rows if cost * rows <= _MOST_FILTER_S else max(_FEWEST_ROWS, int(_MOST_FILTER_S / cost) // 1000 * 1000)


def _remedies(name: str, made: Made) -> tuple[Remedy, ...]:
    found = []
    shorter, changes = rewrite(parse(made.text))
    if name == "complex_expression" and changes:
        found.append(Remedy("in_for_or", "the chain as an IN list", {"filter": write(shorter)}))
    if made.paths:
        indexes = {path: {"index_type": "INVERTED", "json_cast_type": _cast(made, path)} for path in made.paths}
        found.append(Remedy("path_index", "an INVERTED index on each JSON path", {"scalar_indexes": indexes}))
        found.append(_own_fields(made))
    if made.names:
        kind = (
            {"index_type": "NGRAM", "min_gram": "2", "max_gram": "4"}
            if name == "pattern_filter"
            else {"index_type": "INVERTED"}
        )
        key = "ngram_index" if name == "pattern_filter" else "inverted_index"
        says = f"an {kind['index_type']} index on {', '.join(made.names)}"
        found.append(Remedy(key, says, {"scalar_indexes": dict.fromkeys(made.names, kind)}))
    return tuple(found)


def _cast(made: Made, path: str) -> str:
    leaf = _leaf(made, path)
    if leaf.type == "ARRAY":
        return "ARRAY_DOUBLE"
    return "VARCHAR" if leaf.type == "VARCHAR" else "DOUBLE"


def _leaf(made: Made, path: str) -> Any:
    root = path.partition("[")[0]
    inner = ".".join(path[len(root) :].replace('["', ".").replace('"]', "").strip(".").split("."))
    whole = next(one for one in made.columns if one.name == root)
    return next(one for one in whole.paths if one.name == inner)


def _own_fields(made: Made) -> Remedy:
    """Each JSON path as a field of its own, with the same values."""
    text, columns = made.text, []
    for path in sorted(made.paths, key=len, reverse=True):
        leaf = _leaf(made, path)
        name = "of_" + "".join(one if one.isalnum() else "_" for one in leaf.name)
        text = text.replace(path, name).replace("json_contains", "array_contains")
        columns.append(replace(leaf, name=name))
    stay = [one for one in made.columns if one.type != "JSON"]
    change = {
        "filter": text,
        "columns": (*stay, *columns),
        "scalar_indexes": {one.name: {"index_type": "INVERTED"} for one in columns},
    }
    return Remedy("own_field", "the values in fields of their own, with an index", change)


def _like_the_model(
    model: Scenario, shaped: Setup, culprit: Mapping[str, Any], made: Made | None, assumed: list[str]
) -> Scenario:
    """The fault of the catalogue, with the incident's numbers where they are the fault."""
    fault = dict(model.fault)
    if "nq" in fault and culprit.get("nq"):
        most = most_nq(shaped.params)
        fault["nq"] = int(min(most, max(2, culprit["nq"])))
        if culprit["nq"] > most:
            assumed.append(f"nq {most} in the place of {culprit['nq']:,.0f}, so that a round sees many requests")
        fault.pop("params", None)
        shaped = shaped.changed({"nq": 1})
    if "level" in fault and culprit.get("consistency") not in (None, "Bounded", "Eventually"):  # those do not wait
        fault["level"] = culprit["consistency"]
    base = shaped
    if made is not None and made.text and model.name not in ("brute_force", "binary_vector_index"):
        base = base.changed({"filter": made.text, "columns": made.columns})
        assumed += made.assumed
    return replace(model, base=base, fault=fault, assumed=tuple(assumed))
