"""A compiled filter on the columns of one segment.

Milvus goes through a segment in batches of 8192 rows and asks each operand of an `and` only of the rows that the ones
before left undecided. Here a batch is larger, since NumPy's calls cost more than its loops; dear predicates are asked of
the undecided rows only, numeric comparisons of all where picking rows would cost more.

Nothing recurses: every logical node on the way down is a generator on a stack.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from slowq.engine.scalar.compiled import Filter
from slowq.engine.scalar.indexes.index import Keys, ScalarIndex
from slowq.engine.scalar.indexes.lookups import Existing, Question, question_of
from slowq.engine.scalar.order import Cost, cost
from slowq.engine.scalar.predicates import Predicates
from slowq.engine.scalar.shown import shown
from slowq.engine.scalar.truth import Mask, Rows, Truth, of_nullable, spread
from slowq.filters.ast import And, Expression, JsonPath, Not, Or, fold

_BATCH = 1 << 18  # rows: masks of that length stay in the cache, which halves the time of long chains
_FRAMES = 1 << 29  # bytes that the masks of nested operands may take together
_PICK = 16  # of so many rows at least one must be undecided for all to be computed


@dataclass(slots=True)
class PredicateWork:
    """What one predicate cost: `rows_scanned` were computed from the column, 0 where an index answered."""

    predicate: str
    index: str | None
    rows_scanned: int = 0
    rows_passed: int = 0
    seconds: float = 0.0


Step: TypeAlias = Generator[tuple[Expression, Rows], Truth, Truth]


def evaluate(
    filter: Filter,  # noqa: A002 - the word for it
    columns: Mapping[str, pa.Array],
    rows: int,
    indexes: Mapping[str, ScalarIndex] = {},
) -> tuple[Mask, list[PredicateWork]]:
    """Which rows pass, and what each predicate did, in the order in which they were first asked.

    `indexes` are of all `rows`, by `index_key`: the field's name, or the text of the JSON path.
    """
    works: dict[int, PredicateWork] = {}
    size = max(1024, _FRAMES // (8 * _depth(filter.tree)))  # an index answers for all rows at once
    size = size if indexes else min(size, _BATCH)
    if rows <= size:
        return _Batch(filter, columns, rows, works, indexes).passed(), list(works.values())
    passed = np.empty(rows, dtype=np.bool_)
    for start in range(0, rows, size):
        count = min(size, rows - start)
        part = {name: column.slice(start, count) for name, column in columns.items() if name in filter.fields}
        passed[start : start + count] = _Batch(filter, part, count, works, indexes, start).passed()
    return passed, list(works.values())


def _depth(tree: Expression) -> int:
    return fold(
        tree,
        lambda _, below: 1 + max(below, default=0),
        lambda node: node.children() if isinstance(node, And | Or | Not) else (),
    )


class _Batch:
    """Rows from `start` on."""

    def __init__(
        self,
        asked: Filter,
        columns: Mapping[str, pa.Array],
        rows: int,
        works: dict[int, PredicateWork],
        indexes: Mapping[str, ScalarIndex],
        start: int = 0,
    ) -> None:
        self.asked = asked
        self.indexes = indexes
        self.start = start
        self.rows = rows
        self.works = works
        self.predicates = Predicates(columns, asked.types, rows)

    def passed(self) -> Mask:
        if not self.rows:
            return np.zeros(0, dtype=np.bool_)
        waiting: list[Step] = []
        node, rows = self.asked.tree, Rows(self.rows)
        while True:
            truth: Truth | None = None
            match node:
                case And() | Or():
                    waiting.append(self.chain(node, rows))
                case Not():
                    waiting.append(self.negation(node, rows))
                case _:
                    truth = self.ask(node, rows)
            while True:
                if not waiting:
                    assert truth is not None  # noqa: S101 - a predicate is the whole filter
                    return truth.yes
                try:
                    node, rows = next(waiting[-1]) if truth is None else waiting[-1].send(truth)
                    break
                except StopIteration as done:
                    truth = done.value
                    waiting.pop()

    def chain(self, node: And | Or, rows: Rows) -> Step:
        """Each operand is asked of the rows that none before has decided."""
        made: Truth | None = None
        operands = sorted(node.operands, key=self.cost) if self.indexes else node.operands
        for operand in operands:
            truth = yield operand, rows
            if made is not None:
                truth = made.both(truth) if isinstance(node, And) else made.either(truth)
            made = truth
            rows = rows.where(~made.no if isinstance(node, And) else ~made.yes)
            if not rows.count:
                break
        assert made is not None  # noqa: S101 - there are two operands or more
        return made

    def negation(self, node: Not, rows: Rows) -> Step:
        truth = yield node.operand, rows
        return truth.negated()

    def cost(self, node: Expression) -> int:
        return Cost.INDEXED if self.served(node) else cost(node, self.asked.types)

    def served(self, node: Expression) -> tuple[ScalarIndex, Question, Keys] | None:
        """The index that answers a predicate, what it is asked, and the keys from what it indexes to the subject."""
        question = question_of(node) if self.indexes else None
        if question is None:
            return None
        subject = question.subject
        keys = subject.keys if isinstance(subject, JsonPath) else ()
        root = subject.root if isinstance(subject, JsonPath) else subject.name
        none: Keys = ()
        for name, below in ((subject.text, none), (root, keys)):
            index = self.indexes.get(name)
            if index is not None and index.serves(question.lookup, below):
                return index, question, below
        return None

    def ask(self, node: Expression, rows: Rows) -> Truth:
        started = time.perf_counter()
        served = self.served(node)
        if served is None:
            truth, scanned = self.scanned(node, rows)
        else:
            truth, scanned = self.looked_up(node, rows, *served)
        work = self.works.get(id(node))
        if work is None:
            work = self.works[id(node)] = PredicateWork(self.text(node), served[0].kind if served else None)
        work.rows_scanned += scanned
        work.rows_passed += rows.passed(truth)
        work.seconds += time.perf_counter() - started
        return truth

    def text(self, node: Expression) -> str:
        text = self.asked.texts.get(id(node))
        if text is None:
            text = self.asked.texts[id(node)] = shown(node)
        return text

    def scanned(self, node: Expression, rows: Rows) -> tuple[Truth, int]:
        if self.predicates.is_numeric(node) and rows.count * _PICK >= rows.total:
            return self.predicates.truth(node, None), rows.total
        positions = rows.positions()
        return spread(self.predicates.truth(node, positions), positions, rows.total), rows.count

    def looked_up(
        self, node: Expression, rows: Rows, index: ScalarIndex, question: Question, keys: Keys
    ) -> tuple[Truth, int]:
        mine = slice(self.start, self.start + self.rows)
        found = index.find(question.lookup, keys)[mine]
        null = None if index.null is None else index.null[mine]
        scanned = 0
        if not index.exact:
            truth, scanned = self.scanned(node, rows.where(found))
            found = found & truth.yes
        if isinstance(question.lookup, Existing):
            return Truth(~found if question.negated else found), scanned
        return of_nullable(~found if question.negated else found, null), scanned
