"""What is known of the fields that a filter names: their types and scalar indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from slowq.filters.ast import Expression, Field, JsonPath, LiteralKind

INTEGERS = frozenset(("INT8", "INT16", "INT32", "INT64"))
NARROW_INTEGERS = INTEGERS - {"INT64"}
STRINGS = frozenset(("VARCHAR", "STRING"))

Version: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """`index` is None where it is not known whether there is one, and "" where there is none."""

    type: str = ""
    index: str | None = None
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of a collection by name. Without any, every name may be a dynamic field and hold any JSON value."""

    fields: Mapping[str, FieldInfo] = field(default_factory=dict)
    collection: str = ""

    def of(self, subject: Expression) -> FieldInfo:
        """What is known of a bare field; of a JSON path only that its root is JSON, where it is."""
        if isinstance(subject, Field):
            return self.fields.get(subject.name, FieldInfo())
        if isinstance(subject, JsonPath):
            return self.fields.get(subject.root, FieldInfo())
        return FieldInfo()

    def is_integer(self, subject: Expression) -> bool:
        return isinstance(subject, Field) and self.of(subject).type in INTEGERS

    def is_narrow_integer(self, subject: Expression) -> bool:
        """An integer that leaves room in the 64 bits in which Milvus computes."""
        return isinstance(subject, Field) and self.of(subject).type in NARROW_INTEGERS

    def is_ordered(self, subject: Expression, kind: LiteralKind) -> bool:
        """Whether `not (x < 1)` is `x >= 1` for values of that kind: a field always of their type, and never NaN."""
        types = {"int": INTEGERS, "string": STRINGS}.get(kind, frozenset())
        return isinstance(subject, Field) and self.of(subject).type in types

    def may_be_array_element(self, subject: Expression) -> bool:
        """`x[0]` is of an array unless the schema says that `x` is JSON; there `!=` is not the opposite of `==`."""
        if not isinstance(subject, JsonPath) or len(subject.keys) != 1 or not isinstance(subject.keys[0], int):
            return False
        return subject.root != "$meta" and self.of(subject).type != "JSON"
