"""Milvus' filters on the columns of a segment, and its scalar indexes.

compile                 text → Filter: parsed, templates filled, checked against the fields
evaluate                Filter, columns and indexes → which rows pass, and what each predicate cost
check_index, index_key  which index a field takes, and under which key `evaluate` is given it
build_index, open_index a ScalarIndex from a column, or from a file
min_max, may_match, match_each  whether a segment can hold a passing row, by the range of one of its fields (Ranges: of many)
"""

from slowq.engine.scalar.compiled import Filter, compile  # noqa: A004 - the word for it
from slowq.engine.scalar.evaluation import PredicateWork, evaluate
from slowq.engine.scalar.fields import FilterError, ScalarField
from slowq.engine.scalar.indexes.build import build_index, open_index
from slowq.engine.scalar.indexes.files import IndexFileError
from slowq.engine.scalar.indexes.index import ScalarIndex
from slowq.engine.scalar.indexes.kinds import ScalarIndexError, check_index, index_key
from slowq.engine.scalar.pruning import Ranges, match_each, may_match, min_max

__all__ = [
    "Filter",
    "FilterError",
    "IndexFileError",
    "PredicateWork",
    "Ranges",
    "ScalarField",
    "ScalarIndex",
    "ScalarIndexError",
    "build_index",
    "check_index",
    "compile",
    "evaluate",
    "index_key",
    "match_each",
    "may_match",
    "min_max",
    "open_index",
]
