"""What a filter makes Milvus do: counts, and the predicates that an index could serve.

Features do not depend on the values in a filter. The size of a list enters as the floor of its size class (`sizes`:
0, 1, 2, 11, 101, 1001, 10001), so that requests which differ only in their values share one `Features`;
`skeleton.longest_list` has the exact length of one text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import NamedTuple

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
    ListOf,
    Literal,
    Not,
    Or,
    Range,
    Regex,
    SubField,
    Template,
    Unary,
)
from slowq.filters.sizes import class_floor

PredicateKind = OneOf[
    "equality",
    "range",
    "in",
    "not_equal",
    "like_prefix",
    "like_infix",
    "like_suffix",
    "json",
    "json_contains",
    "array_contains",
    "array_length",
    "arithmetic",
    "null",
    "text",
    "geometry",
    "other",
]

_JSON_FUNCTIONS = frozenset(("json_contains", "json_contains_all", "json_contains_any"))
_ARRAY_FUNCTIONS = frozenset(("array_contains", "array_contains_all", "array_contains_any", "array_length"))
_TEXT_FUNCTIONS = frozenset(("text_match", "phrase_match", "text_match_fuzzy"))
_LOGIC = (And, Or, Not)
_BOOLEAN = (*_LOGIC, Comparison, Range, In, Like, Regex, IsNull, Exists)


class Predicate(NamedTuple):
    """`subject` is a field, a path such as `meta["a"]`, or "" where there is none (`1 == 1`, `random_sample(0.1)`)."""

    subject: str
    kind: PredicateKind


_NUMBERS_LEFT_ALONE = 150


@dataclass(frozen=True, slots=True)
class OrChain:
    """Equalities on one field that one OR joins: what could be an IN."""

    subject: str
    terms: int
    of_numbers: bool = False

    @property
    def is_merged(self) -> bool:
        """Whether a proxy that rewrites filters makes an IN of it: of numbers only where there are more than 150 (PR #46549)."""
        return not self.of_numbers or self.terms > _NUMBERS_LEFT_ALONE


@dataclass(frozen=True, slots=True)
class Features:
    """Names of functions are in lower case; tuples are sorted and without doubles."""

    comparisons: int = 0  # leaf predicates: what is evaluated for rows
    depth: int = 0  # levels of and, or, not, one for the predicate, more where predicates hold predicates
    longest_or_chain: int = 0  # operands of the widest OR
    same_field_or_chain: OrChain | None = None  # the longest one
    longest_in_list: int = 0  # floor of the size class; also lists in function arguments
    in_list_fields: tuple[str, ...] = ()  # subjects of IN with a list of literals
    fields: frozenset[str] = frozenset()  # plain fields, also those in function arguments; no roots of JSON paths
    json_paths: tuple[str, ...] = ()
    json_functions: tuple[str, ...] = ()  # json_contains, json_contains_all, json_contains_any, exists
    array_functions: tuple[str, ...] = ()
    like_prefix: tuple[str, ...] = ()  # subjects
    like_infix: tuple[str, ...] = ()  # also patterns with `_` or a `%` between letters, which are as costly
    like_suffix: tuple[str, ...] = ()
    text_functions: tuple[str, ...] = ()
    geometry_functions: tuple[str, ...] = ()
    arithmetic_on_field: tuple[str, ...] = ()  # of each computed value the first subject
    field_to_field: int = 0  # comparisons with a field on both sides
    negations: int = 0  # not, !=, not in, !~
    null_tests: int = 0
    templates: tuple[str, ...] = ()  # names
    random_sample: bool = False
    literals: int = 0  # values; a list counts with the floor of its size class
    predicates: tuple[Predicate, ...] = ()


def features_of(expression: Expression) -> Features:
    """One pass, without recursion; linear in the number of nodes."""
    return _Survey().of(expression)


@dataclass(frozen=True, slots=True)
class _Operand:
    """One side of a predicate: the first field or path in it, and what is done to that before it is compared."""

    subject: str | None = None
    is_path: bool = False
    through: PredicateKind | None = None


_CONSTANT = _Operand()


@dataclass(slots=True)
class _Survey:
    pending: list[tuple[Expression, int]] = field(default_factory=list)  # boolean nodes with their depth
    comparisons: int = 0
    depth: int = 0
    longest_or_chain: int = 0
    same_field_or_chain: OrChain | None = None
    longest_list: int = 0
    field_to_field: int = 0
    negations: int = 0
    null_tests: int = 0
    literals: int = 0
    fields: set[str] = field(default_factory=set)
    json_paths: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    arithmetic: set[str] = field(default_factory=set)
    in_list_subjects: set[str] = field(default_factory=set)
    predicates: set[Predicate] = field(default_factory=set)

    def of(self, expression: Expression) -> Features:
        self.pending.append((expression, 1))
        while self.pending:
            node, depth = self.pending.pop()
            self.depth = max(self.depth, depth)
            if isinstance(node, _LOGIC):
                self.logic(node, depth)
            else:
                self.comparisons += 1
                self.predicates.add(self.predicate(node, depth))
        return self.features()

    def logic(self, node: And | Or | Not, depth: int) -> None:
        self.pending.extend([(child, depth + 1) for child in node.children()])
        if isinstance(node, Not):
            self.negations += 1
        elif isinstance(node, Or):
            self.longest_or_chain = max(self.longest_or_chain, len(node.operands))
            self.or_chain(node)

    def or_chain(self, node: Or) -> None:
        pairs = [pair for term in node.operands if (pair := _equality(term)) is not None]
        if not pairs:
            return
        terms, subject = min((-count, subject) for subject, count in Counter(subject for subject, _ in pairs).items())
        known = self.same_field_or_chain
        if terms < -1 and (known is None or (terms, subject) < (-known.terms, known.subject)):
            values = [value for name, value in pairs if name == subject]
            self.same_field_or_chain = OrChain(subject, -terms, all(map(_is_number, values)))

    def predicate(self, node: Expression, depth: int) -> Predicate:
        if isinstance(node, Call | Field | JsonPath | SubField):
            operand = self.operand(node, depth)
            return Predicate(operand.subject or "", operand.through or ("json" if operand.is_path else "other"))
        operands = [self.operand(child, depth) for child in node.children()]
        with_subject = [operand for operand in operands if operand.subject is not None]
        first = with_subject[0] if with_subject else _CONSTANT
        subject = first.subject or ""
        if isinstance(node, Comparison) and len(with_subject) == 2:
            self.field_to_field += 1
            self.negations += node.op == "!="
            return Predicate(subject, first.through or "other")
        kind = self.kind(node, subject)
        if kind in ("like_prefix", "like_infix", "like_suffix", "null", "other") and first.through is None:
            return Predicate(subject, kind)
        return Predicate(subject, first.through or ("json" if first.is_path else kind if subject else "other"))

    def kind(self, node: Expression, subject: str) -> PredicateKind:
        """What the predicate asks of a plain field."""
        match node:
            case Comparison(op=op):
                self.negations += op == "!="
                return "equality" if op == "==" else "not_equal" if op == "!=" else "range"
            case Range():
                return "range"
            case In(negated=negated, values=values):
                self.negations += negated
                if isinstance(values, ListLiteral) and subject:
                    self.in_list_subjects.add(subject)
                return "not_equal" if negated else "in"
            case Like():
                return _like_predicate(node)
            case Regex(negated=negated):
                self.negations += negated
                return "other"
            case IsNull():
                self.null_tests += 1
                return "null"
            case Exists():
                self.functions.add("exists")
                return "json"
            case Arithmetic() | Unary():
                return "arithmetic"
            case _:
                return "other"

    def operand(self, root: Expression, depth: int) -> _Operand:
        """Take stock of a value. Predicates inside it (of element_filter, or compared with one another) wait."""
        found = _CONSTANT
        through: PredicateKind | None = None
        pending = [root]
        while pending:
            node = pending.pop()
            if isinstance(node, _BOOLEAN):
                self.pending.append((node, depth + 1))
                continue
            if isinstance(node, Field | JsonPath | SubField):
                found = found if found.subject is not None else _Operand(node.text, isinstance(node, JsonPath))
            elif isinstance(node, Arithmetic | Unary):
                through = through or "arithmetic"
            elif isinstance(node, Call):
                through = through or _call_kind(node.name)
            self.count(node)
            pending.extend(reversed(node.children()))
        if through is None or (found.subject is None and through == "arithmetic"):
            return found
        if through == "arithmetic" and found.subject is not None:
            self.arithmetic.add(found.subject)
        return _Operand(found.subject, found.is_path, through)

    def count(self, node: Expression) -> None:
        match node:
            case Literal():
                self.literals += 1
            case Field(name=name):
                self.fields.add(name)
            case JsonPath():
                self.json_paths.add(node.text)
            case ListLiteral(values=values):
                self.list_of(len(values))
                self.literals += class_floor(len(values))
            case ListOf(items=items):
                self.list_of(len(items))
            case Template(name=name):
                self.templates.add(name)
            case Call(name=name):
                self.functions.add(name)
            case _:
                pass

    def list_of(self, length: int) -> None:
        self.longest_list = max(self.longest_list, class_floor(length))

    def features(self) -> Features:
        functions = sorted(self.functions)
        return Features(
            comparisons=self.comparisons,
            depth=self.depth,
            longest_or_chain=self.longest_or_chain,
            same_field_or_chain=self.same_field_or_chain,
            longest_in_list=self.longest_list,
            in_list_fields=tuple(sorted(self.in_list_subjects)),
            fields=frozenset(self.fields),
            json_paths=tuple(sorted(self.json_paths)),
            json_functions=tuple(name for name in functions if name in _JSON_FUNCTIONS or name == "exists"),
            array_functions=tuple(name for name in functions if name in _ARRAY_FUNCTIONS),
            like_prefix=self.subjects("like_prefix"),
            like_infix=self.subjects("like_infix"),
            like_suffix=self.subjects("like_suffix"),
            text_functions=tuple(name for name in functions if name in _TEXT_FUNCTIONS),
            geometry_functions=tuple(name for name in functions if name.startswith("st_")),
            arithmetic_on_field=tuple(sorted(self.arithmetic)),
            field_to_field=self.field_to_field,
            negations=self.negations,
            null_tests=self.null_tests,
            templates=tuple(sorted(self.templates)),
            random_sample="random_sample" in functions,
            literals=self.literals,
            predicates=tuple(sorted(self.predicates)),
        )

    def subjects(self, kind: PredicateKind) -> tuple[str, ...]:
        return tuple(sorted(predicate.subject for predicate in self.predicates if predicate.kind == kind))


def _equality(term: Expression) -> tuple[str, Literal | Template] | None:
    """The field or path that the term compares for equality, and the constant."""
    if not isinstance(term, Comparison) or term.op != "==":
        return None
    for subject, value in ((term.left, term.right), (term.right, term.left)):
        if isinstance(subject, Field | JsonPath | SubField) and isinstance(value, Literal | Template):
            return subject.text, value
    return None


def _is_number(value: Literal | Template) -> bool:
    return isinstance(value, Literal) and value.kind in ("int", "float")


def _like_predicate(node: Like) -> PredicateKind:
    match node.kind:
        case "exact":
            return "equality"
        case "prefix":
            return "like_prefix"
        case "suffix":
            return "like_suffix"
        case "infix" | "inner" | "single":
            return "like_infix"
        case None:
            return "other"


def _call_kind(name: str) -> PredicateKind:
    if name in _JSON_FUNCTIONS:
        return "json_contains"
    if name == "array_length":
        return "array_length"
    if name in _ARRAY_FUNCTIONS:
        return "array_contains"
    if name in _TEXT_FUNCTIONS:
        return "text"
    return "geometry" if name.startswith("st_") else "other"
