"""The facts of a context file, asked of a running Milvus.

Everything is read and nothing changed. What a user may not see, or a version does not know, is named and left out. pymilvus
is imported within this package alone, and only when it asks. Tested on Milvus 2.3.5; the messages are those of the newest
stubs, of which an older server fills a part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import yaml

from slowq import __version__
from slowq.context.live.collection import describe
from slowq.context.live.load import Gauge, Measured, Page
from slowq.context.live.nodes import System, deployment_of
from slowq.context.live.server import (
    Address,
    Clock,
    Facts,
    Login,
    RefusedError,
    Server,
    connected,
    known,
    require_library,
    shown,
)
from slowq.context.nodes import MAX_BYTES
from slowq.moments import utc_text

__all__ = [
    "MOST_COLLECTIONS",
    "TIMEOUT_S",
    "Address",
    "Asked",
    "Gauge",
    "Login",
    "Measured",
    "Page",
    "Progress",
    "Question",
    "ask",
    "require_library",
    "shown",
    "text_of",
]

TIMEOUT_S = 60.0
MOST_COLLECTIONS = 1000
_FEW = 200  # collections that are all described, also where it is known on which of them requests are slow
_AT_ONCE = 8
_Dumper: type[yaml.SafeDumper] | type[yaml.CSafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

Progress = Callable[[int, int], None]  # collections that were described, and all of them


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask. Databases and collections are all that the user may see where none is named.

    `slow` are the collections that slow requests are on: of many, only these are described. `gauges` measure what nodes
    are busy with, better than the coordinators tell it.
    """

    databases: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    slow: frozenset[str] = frozenset()
    gauges: tuple[Gauge, ...] = ()
    timeout_s: float = TIMEOUT_S
    most_collections: int = MOST_COLLECTIONS


@dataclass(frozen=True, slots=True)
class Asked:
    """The facts in the keys of the context file, and in sentences what was refused, timed out or was left out."""

    uri: str  # as it may be shown
    facts: Facts
    trouble: tuple[str, ...] = ()
    at: float = field(default_factory=time.time)  # Unix seconds


def ask(
    uri: str,
    question: Question | None = None,
    login: Login | None = None,
    *,
    progress: Progress | None = None,
    now: Clock = time.monotonic,
) -> Asked:
    """Everything that the user may see.

    Raises ServerError where no Milvus answers or it does not let the user in, UsageError for a wrong URI or file.
    """
    address, login, question = Address.of(uri), login or Login.of(), question or Question()
    with connected(address, login) as channel:
        server = Server(channel, uri, login, question.timeout_s, now)
        facts = _facts(server, address, question, progress)
    return Asked(shown(uri), facts, server.troubles.sentences())


def text_of(asked: Asked) -> str:
    """The context file: when and where it is from, what was refused, and the facts. Never more than is read again."""
    when = utc_text(datetime.fromtimestamp(int(asked.at), UTC))
    facts, left_out = dict(asked.facts), 0
    while True:
        notes = [f"{left_out:,} more collections were left out, or the file would be too large."] * bool(left_out)
        comments = [
            f"Asked of {asked.uri} at {when} by slowq {__version__}. What a node is busy with is of that time.",
            *(f"Not known: {one}." for one in asked.trouble),
            *notes,
        ]
        text = _yaml({name: value for name, value in facts.items() if value}, comments)
        size = len(text.encode())
        if size <= MAX_BYTES or not facts["collections"]:
            return text
        kept = int(len(facts["collections"]) * MAX_BYTES / size * 0.95)
        left_out += len(facts["collections"]) - kept
        facts["collections"] = facts["collections"][:kept]


def _yaml(facts: Facts, comments: Sequence[str]) -> str:
    """Names come from users of Milvus: as values they are quoted and escaped, and so they are in comments."""
    escaped = (comment.encode("unicode_escape").decode("ascii") for comment in comments)
    dumped = yaml.dump(facts, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=150)
    return "".join(f"# {comment}\n" for comment in escaped) + dumped


def _facts(server: Server, address: Address, question: Question, progress: Progress | None) -> Facts:
    version = server.version().removeprefix("v")
    unasked = []
    if address.is_loopback and not address.secure and not question.gauges:
        unasked.append(Page.of(address.metrics_page, version))
    system = System.of(server)
    named = question.databases or ((address.database,) if address.database else ())
    databases = named or _databases(server)
    listed = {database: _names(server, database) for database in databases or ("default",)}
    found = [(database, name) for database, names in listed.items() for name in names or ()]
    chosen = _chosen(server, found, question)
    collections = list(_described(server, chosen, system.segment_bytes, progress))
    seen = bool(databases) and not named and None not in listed.values()
    loads = [one for gauge in (*question.gauges, *unasked) for one in gauge.load(system.cores, system.memory_bytes)]
    for gauge in question.gauges:
        if gauge.trouble:
            server.troubles.add("what nodes are busy with", gauge.trouble)
    return {
        "milvus": known({"version": version or None, "deployment": _deployment(server, system, address)}),
        "hardware": system.hardware(),
        "totals": _totals(databases, found, collections) if seen else {},
        "resource_groups": list(_resource_groups(server)),
        "observations_per_node": loads or system.load(),
        "collections": collections,
    }


def _deployment(server: Server, system: System, address: Address) -> str | None:
    if address.host.endswith(("zillizcloud.com", "zilliz.com", "zilliz.com.cn")):
        return "cloud"
    if system.deployment is None:
        # What a client says when it connects; the server remembers it for a while.
        answer = server.ask("the deployment", "Connect", server.messages.ConnectRequest())
        return deployment_of(answer.server_info.deploy_mode) if answer is not None else None
    return system.deployment


def _databases(server: Server) -> tuple[str, ...]:
    """All of them; none where that is not known."""
    answer = server.ask("the databases", "ListDatabases", server.messages.ListDatabasesRequest())
    return tuple(sorted(answer.db_names)) if answer is not None else ()


def _names(server: Server, database: str) -> list[str] | None:
    """The collections of a database; None where that is not known."""
    request = server.messages.ShowCollectionsRequest(db_name=database)
    answer = server.ask("the collections", "ShowCollections", request, database, of=database)
    return sorted(answer.collection_names) if answer is not None else None


def _chosen(server: Server, found: Sequence[tuple[str, str]], question: Question) -> list[tuple[str, str]]:
    wanted, most = question.collections, question.most_collections
    if question.slow and len(found) > _FEW:
        of_slow = sorted(one for one in found if one[1] in question.slow)[:most]
        server.troubles.add(
            "the collections", f"of {len(found):,} the {len(of_slow):,} that slow requests are on were described"
        )
        return of_slow
    for name in sorted(set(wanted) - {name for _, name in found}):
        server.troubles.add("the description", "there is no such collection", name)
    chosen = sorted(one for one in found if not wanted or one[1] in wanted)
    if len(chosen) > most:
        reason = (
            f"{most:,} of {len(chosen):,} were described, in the order of their names; name others with --collection"
        )
        server.troubles.add("the collections", reason)
    return chosen[:most]


def _described(
    server: Server, chosen: Sequence[tuple[str, str]], segment_bytes: float | None, progress: Progress | None
) -> Iterator[Facts]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(lambda one: describe(server, one[0], one[1], segment_bytes), chosen)
        for done, one in enumerate(answers, 1):
            if progress is not None:
                progress(done, len(chosen))
            if one is not None:
                yield one


def _totals(databases: Sequence[str], found: Sequence[tuple[str, str]], collections: Sequence[Facts]) -> Facts:
    """Of the whole cluster: what is in collections only where all were described."""
    totals = {"databases": len(databases), "collections": len(found)}
    partitions = [one.get("partitions") for one in collections]
    segments = [one.get("segments", {}).get("stored") for one in collections]
    for name, numbers in (("partitions", partitions), ("segments", segments)):
        counted = [number for number in numbers if number is not None]
        if len(counted) == len(found):
            totals[name] = sum(counted)
    return totals


def _resource_groups(server: Server) -> Iterator[Facts]:
    """Their names and nodes, unless there is only the one that is always there."""
    m = server.messages
    listed = server.ask("the resource groups", "ListResourceGroups", m.ListResourceGroupsRequest())
    names = sorted(listed.resource_groups) if listed is not None else []
    for name in names if len(names) > 1 else ():
        try:
            group = server.call(
                "DescribeResourceGroup", m.DescribeResourceGroupRequest(resource_group=name)
            ).resource_group
        except RefusedError as error:
            server.troubles.add("the nodes of resource groups", str(error), name)
        else:
            yield {"name": name, "nodes": group.num_available_node}
