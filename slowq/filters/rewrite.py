"""A filter that means the same and costs less: the table of rewrites, and how they are run.

`rewrite(tree, version, schema)` is pure. It goes from the leaves up, applies what fits at each node, and repeats until
nothing changes, at most `_ROUNDS` times. Nothing recurses; a round is about linear in the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from slowq.filters import simplify
from slowq.filters.ast import And, Expression, Or, fold
from slowq.filters.identity import Identities, with_children
from slowq.filters.schema import Schema, Version
from slowq.filters.simplify import Scene
from slowq.filters.write import write

Apply: TypeAlias = Callable[[Expression, Scene], Expression | None]

# From here on the proxy merges equalities and bounds of one field by itself (PR #46549).
PROXY_REWRITES = (2, 6, 8)
_ROUNDS = 12
_AT_ONE_NODE = 12
_EXAMPLES = 3
_SHOWN = 160  # characters of an expression in a step


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`proxy_from`: the first version whose proxy does the same by itself, which makes the advice moot."""

    name: str
    apply: Apply
    because: str
    holds: str = "all versions"
    proxy_from: Version | None = None

    @property
    def about(self) -> str:
        """What it does, by example: the docstring of the function."""
        return " ".join((self.apply.__doc__ or "").split())

    def is_moot(self, version: Version | None) -> bool:
        return self.proxy_from is not None and version is not None and version >= self.proxy_from


@dataclass(frozen=True, slots=True)
class Change:
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """One rewrite, and the first few places where it was applied."""

    name: str
    because: str
    holds: str
    moot: str | None  # why it brings nothing on the version that was asked for
    count: int
    changes: tuple[Change, ...]


_FIELD_TYPE = "all versions, for the type that --schema gives the field"
_NULLS = "all versions; NULL stays unknown (nullable fields: 2.5.0 and later)"
_MERGED = "One lookup for all values replaces one pass over the rows for each."

REWRITES: tuple[Rewrite, ...] = (
    Rewrite("fold_constants", simplify.fold_constants, "A constant is computed once and not for each request."),
    Rewrite("drop_constants", simplify.drop_constants, "A constant beside `and` or `or` decides alone or not at all."),
    Rewrite("double_negation", simplify.double_negation, "Two negations are two passes over the result.", _NULLS),
    Rewrite(
        "negated_comparison",
        simplify.negated_comparison,
        "An index looks a comparison up; `not` first computes its opposite for every row.",
        _NULLS,
    ),
    Rewrite("duplicate_terms", simplify.duplicate_terms, "Each term is evaluated, also where it says the same again."),
    Rewrite("absorbed_terms", simplify.absorbed_terms, "The longer term selects nothing that the shorter does not."),
    Rewrite(
        "contradictions",
        simplify.contradictions,
        "No row can satisfy it, and Milvus searches all the same.",
        "all versions, where no `not` stands around it",
    ),
    Rewrite("or_to_in", simplify.or_to_in, _MERGED, proxy_from=PROXY_REWRITES),
    Rewrite("and_to_not_in", simplify.and_to_not_in, _MERGED, proxy_from=PROXY_REWRITES),
    Rewrite(
        "narrowed_list",
        simplify.narrowed_list,
        "The other conditions on the field can be settled before any row is read.",
        proxy_from=PROXY_REWRITES,
    ),
    Rewrite(
        "merged_bounds",
        simplify.merged_bounds,
        "One pass with both bounds replaces one for each.",
        proxy_from=PROXY_REWRITES,
    ),
    Rewrite(
        "tidy_list",
        simplify.tidy_list,
        "Repeated values are sent and parsed; a list of one is an equality.",
        proxy_from=PROXY_REWRITES,
    ),
    Rewrite(
        "value_alone",
        simplify.value_alone,
        "No index serves a computed value; the field alone can be looked up.",
        _FIELD_TYPE,
    ),
    Rewrite(
        "like_without_wildcard",
        simplify.like_without_wildcard,
        "Without a wildcard LIKE is an equality, which more indexes serve.",
    ),
    Rewrite(
        "like_to_range",
        simplify.like_to_range,
        "The index of the field serves ranges and not prefixes.",
        "the versions in which the index of --schema serves ranges only; the rows are the same in all",
    ),
)
# Only when nothing else changes any more: they hide lists from the others.
FINAL_REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "list_to_range",
        simplify.list_to_range,
        "Two bounds are parsed and compared instead of every value.",
        _FIELD_TYPE,
    ),
)


@dataclass(slots=True)
class _Record:
    rewrite: Rewrite
    count: int
    changes: list[Change]


def rewrite(
    tree: Expression, version: Version | None = None, schema: Schema | None = None
) -> tuple[Expression, tuple[Step, ...]]:
    """The rewritten tree, and what was done in the order in which it was first done.

    A filter that selects no row, or every row, whatever the data, becomes the literal false, or true.
    """
    run = _Run(Scene(version, schema or Schema(), Identities()))
    for rewrites in (REWRITES, FINAL_REWRITES):
        for _ in range(_ROUNDS):
            changed = _flat(run.once(tree, rewrites))
            if changed is tree:
                break
            tree = changed
    return tree, tuple(_step(record, version) for record in run.records.values())


class _Run:
    def __init__(self, scene: Scene) -> None:
        self.records: dict[str, _Record] = {}
        self._scenes = {positive: replace(scene, is_positive=positive) for positive in (True, False)}

    def once(self, tree: Expression, rewrites: tuple[Rewrite, ...]) -> Expression:
        positive = _positive(tree)

        def combine(node: Expression, children: list[Expression]) -> Expression:
            made = with_children(node, children)
            scene = self._scenes[id(node) in positive]
            for _ in range(_AT_ONE_NODE):
                changed = self._first(made, scene, rewrites)
                if changed is None:
                    break
                made = changed
            return made

        return fold(tree, combine)

    def _first(self, node: Expression, scene: Scene, rewrites: tuple[Rewrite, ...]) -> Expression | None:
        for one in rewrites:
            changed = one.apply(node, scene)
            if changed is not None:
                self._note(one, node, changed)
                return changed
        return None

    def _note(self, one: Rewrite, before: Expression, after: Expression) -> None:
        record = self.records.setdefault(one.name, _Record(one, 0, []))
        record.count += 1
        if len(record.changes) < _EXAMPLES:
            record.changes.append(Change(write(before, _SHOWN), write(after, _SHOWN)))


def _step(record: _Record, version: Version | None) -> Step:
    one = record.rewrite
    moot = None
    if one.proxy_from is not None and one.is_moot(version):
        since = ".".join(map(str, one.proxy_from))
        moot = f"From {since} on the proxy does so itself (numbers from 151 values on; fewer it leaves as they are)."
    return Step(one.name, one.because, one.holds, moot, record.count, tuple(record.changes))


def _positive(tree: Expression) -> set[int]:
    """The ids of the nodes with only `and` and `or` above them."""
    found: set[int] = set()
    pending = [tree]
    while pending:
        node = pending.pop()
        found.add(id(node))
        if isinstance(node, And | Or):
            pending.extend(node.operands)
    return found


def _flat(tree: Expression) -> Expression:
    """Chains within chains of the same kind as one; the tree itself where there are none."""
    return fold(tree, _with_all, _parts)


def _with_all(node: Expression, children: list[Expression]) -> Expression:
    if isinstance(node, And | Or) and len(children) != len(node.operands):
        return replace(node, operands=tuple(children))
    return with_children(node, children)


def _parts(node: Expression) -> tuple[Expression, ...]:
    """The children; of a chain, instead of those that are chains of its kind, what these consist of."""
    if not isinstance(node, And | Or) or not any(type(one) is type(node) for one in node.operands):
        return node.children()
    parts: list[Expression] = []
    pending = list(reversed(node.operands))
    while pending:
        one = pending.pop()
        if isinstance(one, And | Or) and type(one) is type(node):
            pending.extend(reversed(one.operands))
        else:
            parts.append(one)
    return tuple(parts)
