"""What is costly in a filter, why, and what serves it: one entry of `LINTS` each, and `lint`, which looks for them.

Costs depend on the version of Milvus and on the scalar indexes. What is not known is not guessed: without a version the
newest is meant, without a schema a predicate is called costly only if no index, or only a special one, serves it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as OneOf

from slowq.filters.ast import Call, Expression, IsNull, JsonPath, Like, ListLiteral, Literal, Regex, Template, walk
from slowq.filters.features import Features, Predicate, features_of
from slowq.filters.indexes import advise, served
from slowq.filters.rewrite import PROXY_REWRITES
from slowq.filters.schema import Schema, Version
from slowq.filters.terms import kind_of, terms_of

Severity = OneOf["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

LONG_OR = 10
LONG_LIST = 1_001  # floors of size classes, which is what features count
HUGE_LIST = 10_001
DEEP = 8

# A construct, and the first version of the 2.x lines that reads it (facts of the grammar, Plan.g4).
_SINCE: dict[str, Version] = {
    "json_contains": (2, 2, 12),
    "json_contains_all": (2, 3, 0),
    "json_contains_any": (2, 3, 0),
    **dict.fromkeys(("array_contains", "array_contains_all", "array_contains_any", "array_length"), (2, 3, 2)),
    "text_match": (2, 5, 0),
    "phrase_match": (2, 5, 17),
    "random_sample": (2, 6, 0),
}
_TEMPLATES_SINCE = (2, 4, 14)
_NULL_SINCE = (2, 5, 4)
_ANY_LIKE_SINCE = (2, 4, 0)
_REGEX_SINCE = (3, 0, 0)


@dataclass(frozen=True, slots=True)
class Lint:
    name: str
    severity: Severity
    about: str  # what it means and when it applies


@dataclass(frozen=True, slots=True)
class Index:
    """What to build, and the call that builds it."""

    subject: str
    type: str
    call: str


@dataclass(frozen=True, slots=True)
class Costly:
    """One thing that a filter asks for at a price. `at` is a 0-based offset into the filter, where there is one."""

    lint: str
    severity: Severity
    subject: str
    says: str
    at: int | None = None
    index: Index | None = None


LINTS: tuple[Lint, ...] = (
    Lint("not_in_version", "critical", "The version does not read this form: the request fails."),
    Lint(
        "or_chain",
        "warning",
        f"{LONG_OR} or more equalities on one field joined by `or`: a pass over the rows for each. From 2.6.8 on the proxy "
        "makes a list of them itself (of numbers from 151 on), and it is not reported.",
    ),
    Lint("long_list", "warning", "A list of more than 1,000 values is parsed, sent and compared for each request."),
    Lint("huge_list", "critical", "A list of more than 10,000 values: parsing alone takes longer than most searches."),
    Lint("deep", "warning", f"{DEEP} or more levels of and, or, not: a pass over the rows at each."),
    Lint(
        "like_anywhere",
        "warning",
        "LIKE with a wildcard before or within the text reads every row without a fitting index.",
    ),
    Lint(
        "json_path",
        "warning",
        "A JSON path is looked up in every row without a path index (2.5.11) or shredding (2.6.2).",
    ),
    Lint(
        "json_contains", "warning", "json_contains reads the array of every row without a path index of an array type."
    ),
    Lint("arithmetic", "warning", "No index serves a computed value: it is computed for every row."),
    Lint("array_length", "warning", "No index knows lengths: the array of every row is read."),
    Lint("field_to_field", "warning", "No index serves a comparison of two fields: both are read for every row."),
    Lint("negation", "info", "What is not equal is nearly everything where values are many: little is left out."),
    Lint("no_index", "warning", "--schema shows the field without a scalar index: every row is compared."),
    Lint("wrong_index", "warning", "The index that --schema shows does not serve such a predicate in this version."),
    Lint("unknown_field", "info", "--schema does not hold the field: if it is dynamic, it is a JSON path like others."),
    Lint(
        "selects_nothing", "warning", "No row can satisfy the filter, whatever the data; Milvus searches all the same."
    ),
    Lint("selects_everything", "warning", "Every row satisfies the filter, whatever the data: leave it out."),
)
_BY_NAME = {one.name: one for one in LINTS}


def lint(tree: Expression, version: Version | None = None, schema: Schema | None = None) -> list[Costly]:
    """What is costly in it, the worst first. Linear in the tree; nothing recurses."""
    schema = schema or Schema()
    features = features_of(tree)
    found = [*_unreadable(tree, version), *_shape(features, version), *_predicates(tree, features, version, schema)]
    return sorted(found, key=lambda one: -SEVERITIES.index(one.severity))


def costly(name: str, says: str, subject: str = "", at: int | None = None, index: Index | None = None) -> Costly:
    return Costly(name, _BY_NAME[name].severity, subject, says, at, index)


def _unreadable(tree: Expression, version: Version | None) -> Iterator[Costly]:
    if version is None:
        return
    said: set[str] = set()
    for node in walk(tree):
        what, since, at = _needs(node)
        if since and version < since and what not in said:
            said.add(what)
            yield costly("not_in_version", f"{what} came with {_dotted(since)}; {_dotted(version)} refuses it.", "", at)


def _needs(node: Expression) -> tuple[str, Version | None, int | None]:
    match node:
        case Call(name=name, at=at):
            return name, _SINCE.get(name, (3, 0, 0) if name.startswith(("match_", "element_")) else None), at
        case Template():
            return "A template", _TEMPLATES_SINCE, None
        case IsNull(at=at):
            return "is null", _NULL_SINCE, at
        case Regex(at=at):
            return "=~", _REGEX_SINCE, at
        case Like(at=at) if node.kind not in ("exact", "prefix", None):
            return "LIKE with another pattern than text%", _ANY_LIKE_SINCE, at
        case _:
            return "", None, None


def _shape(features: Features, version: Version | None) -> Iterator[Costly]:
    chain = features.same_field_or_chain
    merged = version is not None and version >= PROXY_REWRITES and chain is not None and chain.is_merged
    if chain and chain.terms >= LONG_OR and not merged:
        yield costly(
            "or_chain", f"{chain.terms:,} equalities joined by or: a pass over the rows for each.", chain.subject
        )
    if features.longest_in_list >= LONG_LIST:
        huge = features.longest_in_list >= HUGE_LIST
        number = HUGE_LIST - 1 if huge else LONG_LIST - 1
        fields = ", ".join(features.in_list_fields)
        says = f"A list of more than {number:,} values is parsed, sent and compared for each request."
        yield costly("huge_list" if huge else "long_list", says, fields)
    if features.depth >= DEEP:
        yield costly("deep", f"{features.depth:,} levels deep: a pass over the rows at each.")


_KINDS = {
    "like_infix": "like_anywhere",
    "like_suffix": "like_anywhere",
    "json": "json_path",
    "json_contains": "json_contains",
    "arithmetic": "arithmetic",
    "array_length": "array_length",
}


def _predicates(tree: Expression, features: Features, version: Version | None, schema: Schema) -> Iterator[Costly]:
    places, casts = _places(tree), json_casts(tree)
    for predicate in features.predicates:
        at = places.get(predicate.subject)
        yield from _without_index(predicate, version, schema, at, casts.get(predicate.subject, ()))
    if features.field_to_field:
        yield costly("field_to_field", "Two fields are compared: both are read for every row.")


def _without_index(
    predicate: Predicate, version: Version | None, schema: Schema, at: int | None, casts: tuple[str, ...]
) -> Iterator[Costly]:
    subject, kind = predicate
    info = schema.fields.get(subject) or schema.fields.get(subject.partition("[")[0])
    known = info is not None and bool(info.index) and "[" not in subject
    serves = served(kind, info.index or "", version) if info and known else None
    advice = advise(kind, info.type if info else None, version)
    call = _call(schema.collection, subject, advice.index_type, casts) if advice.index_type else None
    index = Index(subject, advice.index_type, call) if advice.index_type and call else None
    if schema.fields and info is None and subject and subject[0] != "$":
        yield costly(
            "unknown_field", f"The schema has no field {subject}: if it is dynamic, it is read as JSON.", subject, at
        )
    if (
        info
        and info.index == ""
        and "[" not in subject
        and not info.primary
        and kind not in (*_KINDS, "null", "text", "other")
    ):
        yield costly(
            "no_index", f"{subject} has no scalar index: every row is compared. {advice.reason}", subject, at, index
        )
    elif info and known and serves is False and kind not in ("arithmetic", "array_length"):
        says = f"The {info.index} index of {subject} does not serve {kind.replace('_', ' ')}. {advice.reason}"
        yield costly("wrong_index", says, subject, at, index)
    elif kind in _KINDS and serves is not True:
        name = _KINDS[kind]
        reason = f" {advice.reason}" if name == "like_anywhere" else ""
        yield costly(name, _BY_NAME[name].about + reason, subject, at, index)
    if kind == "not_equal":
        yield costly("negation", _BY_NAME["negation"].about, subject, at)


def _places(tree: Expression) -> dict[str, int]:
    """Where each field or path is first asked of."""
    found: dict[str, int] = {}
    for node in walk(tree):
        at = getattr(node, "at", None)
        if at is None:
            continue
        for child in node.children():
            text = getattr(child, "text", None)
            if isinstance(text, str):
                found.setdefault(text, at)
    return found


_CASTS = {"int": "DOUBLE", "float": "DOUBLE", "string": "VARCHAR", "bool": "BOOL"}


def json_casts(tree: Expression) -> dict[str, tuple[str, ...]]:
    """For each JSON path the cast types of path indexes that serve what the filter compares it with."""
    casts: dict[str, set[str]] = {}
    for node in walk(tree):
        for term in terms_of(node):
            casts.setdefault(term.subject.text, set()).add(_CASTS[term.kind])
        match node:
            case Call(name=name, args=(JsonPath() as path, Literal() | ListLiteral() as wanted)) if "contains" in name:
                kind = wanted.kind if isinstance(wanted, Literal) else kind_of(wanted.values)
                if kind is not None:
                    casts.setdefault(path.text, set()).add(f"ARRAY_{_CASTS[kind]}")
    return {path: tuple(sorted(kinds)) for path, kinds in casts.items()}


def _call(collection: str, subject: str, index_type: str, casts: tuple[str, ...]) -> str:
    """The pymilvus call that builds the index; a path that is compared with several types needs one for each."""
    root, bracket, _ = subject.partition("[")
    if not bracket:
        params = [', params={"min_gram": 2, "max_gram": 4}' if index_type == "NGRAM" else ""]
    else:
        params = [
            f', params={{"json_path": {json.dumps(subject)}, "json_cast_type": "{cast}"}}'
            for cast in casts or ("VARCHAR",)
        ]
    added = [
        f"index_params.add_index(field_name={json.dumps(root)}, index_type={json.dumps(index_type)}{one})"
        for one in params
    ]
    name = json.dumps(collection or "my_collection")
    made = f"client.create_index(collection_name={name}, index_params=index_params)"
    return "\n".join(["index_params = client.prepare_index_params()", *added, made])


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
