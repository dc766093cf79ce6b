"""INVERTED, STL_SORT, TRIE, BITMAP and HYBRID: a sorted dictionary with the rows of each term.

Milvus builds them with four libraries; here they are one structure, and differ in what they answer, as those do in
Milvus 2.6: TRIE no ranges, INVERTED of LIKE only prefixes. BITMAP keeps frequent terms as bits.

Measured beside pyroaring (1 M rows, `in` of 100 of 10,000 terms): 0.05 ms for both, so there is no need for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar import columns
from slowq.engine.scalar.indexes.index import Keys, ScalarIndex
from slowq.engine.scalar.indexes.lookups import Between, Containing, Existing, Lookup, Matching, OneOf
from slowq.engine.scalar.indexes.postings import Postings
from slowq.engine.scalar.indexes.terms import NumberTerms, Terms, TextTerms
from slowq.engine.scalar.like import pattern_of
from slowq.engine.scalar.truth import Array, Mask
from slowq.engine.scalar.wanted import Wanted, wanted_of


class TermIndex(ScalarIndex):
    """`lists`, where the values are arrays found by what they contain, tells the rows that have one."""

    def __init__(
        self, kind: str, rows: int, null: Mask | None, terms: Terms, postings: Postings, lists: Mask | None = None
    ) -> None:
        super().__init__(kind, rows, null)
        self._terms = terms
        self._postings = postings
        self._lists = lists

    def serves(self, lookup: Lookup, keys: Keys) -> bool:
        if keys or isinstance(lookup, Containing) != (self._lists is not None):
            return False
        match lookup:
            case OneOf(values=values) | Containing(values=values):
                return self._terms.takes(wanted_of(values))
            case Between(low=low, high=high):
                bounds = Wanted(bound for bound in (low, high) if bound is not None)
                return self.kind != "TRIE" and self._terms.takes(bounds)
            case Matching(pattern=pattern):
                if not isinstance(self._terms, TextTerms):
                    return False
                return self.kind != "INVERTED" or pattern_of(pattern).kind in ("exact", "prefix")
            case Existing():
                return False

    def find(self, lookup: Lookup, keys: Keys) -> Mask:
        match lookup:
            case OneOf(values=values):
                return self._postings.of_terms(self._terms.places(wanted_of(values)))
            case Between():
                return self._postings.of_interval(*self._terms.interval(lookup))
            case Matching(pattern=pattern):
                return self._matching(pattern)
            case Containing(values=values, all=True):
                assert self._lists is not None  # noqa: S101 - else it is not served
                found = self._lists.copy()
                for value in dict.fromkeys(values):
                    found &= self._postings.of_terms(self._terms.places(Wanted((value,))))
                return found
            case Containing(values=values):
                return self._postings.of_terms(self._terms.places(wanted_of(values)))
            case Existing():
                raise AssertionError("not served")

    def _matching(self, like: str) -> Mask:
        assert isinstance(self._terms, TextTerms)  # noqa: S101 - else it is not served
        pattern = pattern_of(like)
        if pattern.kind == "exact":
            return self._postings.of_terms(self._terms.places(Wanted((pattern.text,))))
        if pattern.kind == "prefix":
            return self._postings.of_interval(*self._terms.with_prefix(pattern.text))
        return self._postings.of_terms(self._terms.matching(pattern))

    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        about: dict[str, Any] = {"text": isinstance(self._terms, TextTerms)}
        lists = {} if self._lists is None else {"lists": np.packbits(self._lists)}
        if isinstance(self._terms, NumberTerms):
            about |= {"boolean": self._terms.boolean, "exact": self._terms.exact}
        return about, {**self._terms.arrays(), **self._postings.arrays(), **lists}

    @classmethod
    def restored(cls, about: dict[str, Any], arrays: dict[str, Array], null: Mask | None) -> TermIndex:
        terms: Terms
        if about["text"]:
            terms = TextTerms(arrays["offsets"], arrays["data"])
        else:
            terms = NumberTerms(arrays["values"], boolean=about["boolean"], exact=about["exact"])
        postings = Postings(about["total"], *(arrays[name] for name in ("term_offsets", "rows", "dense", "bits")))
        packed = arrays.get("lists")
        lists = None if packed is None else np.unpackbits(packed, count=about["total"]).view(np.bool_)
        return cls(about["kind"], about["total"], null, terms, postings, lists)


def of_values(
    kind: str,
    values: pa.Array,
    rows: Array | None,
    total: int,
    null: Mask | None,
    *,
    lists: Mask | None = None,
    exact: bool = True,
) -> TermIndex:
    """`values` with the row of each (None: one after the other); NULL values are left out."""
    where = np.arange(len(values)) if rows is None else rows
    if values.null_count:
        valid = ~_nulls(values)
        values, where = values.drop_null(), where[valid]
    terms: Terms
    if columns.is_text(values.type):
        terms, codes = _text_terms(values)
    else:
        numbers = columns.numbers(values)
        known = ~np.isnan(numbers) if numbers.dtype.kind == "f" else None  # NaN equals nothing
        if known is not None and not known.all():
            numbers, where = numbers[known], where[known]
        if numbers.dtype.kind in "bi":
            numbers = numbers.astype(np.int64)
        distinct, codes = np.unique(numbers, return_inverse=True)
        terms = NumberTerms(distinct, boolean=values.type == pa.bool_(), exact=exact)
    postings = Postings.of(codes, where, len(terms), total, as_bits=kind == "BITMAP")
    return TermIndex(kind, total, null, terms, postings, lists)


def of_column(kind: str, column: pa.Array) -> TermIndex:
    null = columns.nulls(column)
    if not pa.types.is_list(column.type) and not pa.types.is_large_list(column.type):
        return of_values(kind, column, None, len(column), null)
    offsets, elements = columns.lists(column)
    first, last = (int(offsets[0]), int(offsets[-1])) if len(offsets) else (0, 0)
    rows = np.repeat(np.arange(len(column)), np.diff(offsets))
    there = np.ones(len(column), dtype=np.bool_) if null is None else ~null
    return of_values(kind, elements.slice(first, last - first), rows, len(column), null, lists=there)


def _nulls(values: pa.Array) -> Mask:
    null = columns.nulls(values)
    return np.zeros(len(values), dtype=np.bool_) if null is None else null


def _text_terms(values: pa.Array) -> tuple[TextTerms, Array]:
    encoded = values.cast(pa.large_string()).dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return TextTerms.of(encoded.dictionary.take(pa.array(order))), ranks[encoded.indices.to_numpy(zero_copy_only=False)]
