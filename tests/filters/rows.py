"""Random rows with NULLs, missing JSON paths and mixed types, and filters whose values meet theirs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from slowq.filters.ast import (
    And,
    Arithmetic,
    Call,
    Comparison,
    Exists,
    Expression,
    Field,
    In,
    IsNull,
    JsonPath,
    Like,
    ListLiteral,
    Literal,
    Not,
    Or,
    Range,
)
from slowq.filters.schema import FieldInfo, Schema

SCHEMA = Schema(
    {
        "id": FieldInfo("INT64", "", primary=True),
        "small": FieldInfo("INT8"),
        "big": FieldInfo("INT64", "INVERTED"),
        "price": FieldInfo("DOUBLE"),
        "name": FieldInfo("VARCHAR", "STL_SORT"),
        "flag": FieldInfo("BOOL"),
        "meta": FieldInfo("JSON"),
        "tags": FieldInfo("ARRAY"),
    }
)
WORDS = ["", "a", "ab", "abc", "abd", "b", "é", "z%", "a_c", "A"]
EDGES = [-(2**63), 2**63 - 1, 2**53, 2**53 + 1]
COMPARED = ["==", "!=", "<", "<=", ">", ">="]
MIXED: list[int | str] = [1, "a", 2]
NULLABLE: list[Field | JsonPath] = [Field("small"), JsonPath("meta", ("k",))]
NUMBERS: list[Field | JsonPath] = [Field("small"), Field("big"), JsonPath("meta", ("k",))]


def row(rng: random.Random, number: int, *, nulls: bool = True) -> dict[str, Any]:
    def maybe(value: Any) -> Any:
        return None if nulls and rng.random() < 0.15 else value

    dynamic = {key: _json(rng) for key in ("loose", "other") if rng.random() < 0.7}
    return {
        "id": number,
        "small": maybe(rng.randint(-6, 6)),
        "big": maybe(rng.choice([rng.randint(-12, 12), *EDGES])),
        "price": maybe(rng.choice([-1.5, 0.0, 0.5, 1.0, 2.0, 3.25])),
        "name": maybe(rng.choice(WORDS)),
        "flag": maybe(rng.random() < 0.5),
        "meta": maybe({key: _json(rng) for key in ("k", "l", "n") if rng.random() < 0.75}),
        "tags": maybe([rng.randint(0, 4) for _ in range(rng.randint(0, 3))]),
        "$meta": dynamic,
    }


def _json(rng: random.Random) -> Any:
    return rng.choice(
        [
            rng.randint(-3, 6),
            float(rng.randint(0, 3)),
            1.5,
            rng.choice(WORDS),
            True,
            False,
            None,
            [1, "a", 2.0],
            {"k": 1},
        ]
    )


class Filters:
    """`milvus_23`: only what Milvus 2.3.5 accepts on a collection of these fields."""

    def __init__(self, rng: random.Random, *, milvus_23: bool = False) -> None:
        self.rng = rng
        self.milvus_23 = milvus_23

    def filter(self, depth: int = 3) -> Expression:
        kind = self.rng.random()
        if depth == 0 or kind < 0.25:
            return self.predicate()
        if kind < 0.4:
            return Not(self.filter(depth - 1))
        if kind < 0.55:
            return self.chain()
        node: type[And | Or] = And if kind < 0.78 else Or
        operands = [self.filter(depth - 1) for _ in range(self.rng.randint(2, 4))]
        if self.rng.random() < 0.2:
            operands.append(self.rng.choice(operands))
        return joined(node, operands)

    def chain(self) -> Expression:
        """Terms on one subject: what most rewrites are about."""
        subject, literal = self.subject()
        nodes: list[type[And | Or]] = [And, Or]
        node = self.rng.choice(nodes)
        ops = self.rng.choice([["=="], ["!="], COMPARED, ["<", "<=", ">", ">="]])
        terms: list[Expression] = [
            self.compared(self.rng.choice(ops), subject, Literal(literal())) for _ in range(self.rng.randint(2, 4))
        ]
        if self.rng.random() < 0.4:
            terms.append(self.listed(subject, literal))
        return joined(node, terms)

    def compared(self, op: str, left: Expression, right: Expression) -> Expression:
        return Comparison(op, right, left) if self.rng.random() < 0.2 else Comparison(op, left, right)

    def listed(self, subject: Expression, literal: Callable[[], Any]) -> Expression:
        values = [literal() for _ in range(self.rng.randint(1, 5))]
        if isinstance(values[0], int) and not isinstance(values[0], bool) and self.rng.random() < 0.2:
            values = list(range(-3, 9))
        return In(subject, self.rng.random() < 0.3, ListLiteral(tuple(values)))

    def predicate(self) -> Expression:
        subject, literal = self.subject()
        return self.rng.choice([self._comparison, self._comparison, self._range, self.listed, self._rare])(
            subject, literal
        )

    def _comparison(self, subject: Expression, literal: Callable[[], Any]) -> Expression:
        return self.compared(self.rng.choice(COMPARED), subject, Literal(literal()))

    def _range(self, subject: Expression, literal: Callable[[], Any]) -> Expression:
        low, high = literal(), literal()
        if isinstance(low, bool):
            return self._comparison(subject, literal)
        if self.milvus_23 and low >= high:  # it refuses others
            return self._comparison(subject, literal)
        ends = [self.rng.choice(["<", "<="]) for _ in range(2)]
        return Range(Literal(low), ends[0], subject, ends[1], Literal(high))

    def _rare(self, subject: Expression, literal: Callable[[], Any]) -> Expression:
        choices: list[Callable[[], Expression]] = [
            lambda: Like(Field("name"), Literal(self.rng.choice(["a%", "abc%", "é%", "z%"]))),
            lambda: Comparison(
                self.rng.choice(["==", "!="]),
                Arithmetic(
                    self.rng.choice("+-"), Field(self.rng.choice(["small", "big"])), Literal(self.rng.randint(1, 3))
                ),
                Literal(self.rng.randint(-5, 5)),
            ),
            lambda: Comparison("==", Arithmetic("%", Field("small"), Literal(3)), Literal(self.rng.randint(-2, 2))),
            lambda: Exists(JsonPath("meta", (self.rng.choice("kln"),))),
            lambda: Call("json_contains", (JsonPath("meta", ("k",)), Literal(self.rng.choice(MIXED)))),
        ]
        if not self.milvus_23:
            choices += [
                lambda: Like(Field("name"), Literal(self.rng.choice(["abc", "%b%", "a_c", "%", r"z\%", ""]))),
                lambda: IsNull(self.rng.choice(NULLABLE), self.rng.random() < 0.5),
                lambda: Comparison(
                    self.rng.choice(COMPARED),
                    self.computed(),
                    Literal(self.rng.choice([0, 1, -2, 5, 130])),
                ),
                lambda: Call("array_length", (Field("tags"),)),
                lambda: Comparison(">", Literal(2), Literal(self.rng.randint(1, 3))),
                lambda: Comparison("<", Field("small"), Field("big")),
                lambda: In(subject, self.rng.random() < 0.5, ListLiteral(())),
                lambda: Comparison(self.rng.choice(COMPARED), subject, Arithmetic("*", Literal(2), Literal(3))),
            ]  # fmt: skip
        made = self.rng.choice(choices)()
        return Comparison(">", made, Literal(1)) if isinstance(made, Call) and made.name == "array_length" else made

    def computed(self) -> Expression:
        return Arithmetic(
            self.rng.choice("+-*/%"), self.rng.choice(NUMBERS), Literal(self.rng.choice([1, 2, -3, 0, 1.5]))
        )

    def subject(self) -> tuple[Expression, Callable[[], Any]]:
        rng = self.rng
        choices: list[tuple[Expression, Callable[[], Any]]] = [
            (Field("small"), lambda: rng.randint(-6, 6)),
            (Field("big"), lambda: rng.choice([rng.randint(-12, 12), rng.randint(-3, 3)])),
            (Field("price"), lambda: rng.choice([-1.5, 0.5, 1.0, 2.0])),
            (Field("name"), lambda: rng.choice(WORDS)),
            (JsonPath("meta", ("k",)), lambda: rng.randint(-3, 6)),
            (JsonPath("meta", ("l",)), lambda: rng.choice(WORDS)),
            (Field("loose"), lambda: rng.randint(-3, 6)),
        ]
        if not self.milvus_23:
            choices += [
                (Field("flag"), lambda: rng.random() < 0.5),
                (JsonPath("tags", (rng.randint(0, 2),)), lambda: rng.randint(0, 4)),
                (JsonPath("$meta", ("other",)), lambda: rng.choice([1, 2.5, "a", True])),
                (Field("big"), lambda: rng.choice([*EDGES, 0])),
                (JsonPath("meta", ("n",)), lambda: rng.choice([0.5, 1.5, 2.0])),
            ]
        return rng.choice(choices)


def joined(node: type[And | Or], operands: list[Expression]) -> Expression:
    return node(tuple(part for one in operands for part in (one.operands if isinstance(one, node) else (one,))))
