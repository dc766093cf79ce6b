"""Milvus boolean expressions: the `dsl` and `expr` of slow-log lines, `filter` and `expr` of the SDKs.

parse, try_parse     text → tree (`ast`)
Shapes, shape_of     text → Shape: normal form for grouping, features for rules; never raises
skeleton             what makes two texts the same before any parsing
served, advise       which index would serve a predicate, by Milvus version
"""

from slowq.filters.features import Features, OrChain, Predicate, PredicateKind, features_of
from slowq.filters.indexes import IndexAdvice, advise, best_index, served
from slowq.filters.parse import FilterSyntaxError, Trouble, parse, try_parse
from slowq.filters.shape import Shape, Shapes, normalise, shape_of
from slowq.filters.sizes import size_class
from slowq.filters.skeleton import longest_list, skeleton

__all__ = [
    "Features",
    "FilterSyntaxError",
    "IndexAdvice",
    "OrChain",
    "Predicate",
    "PredicateKind",
    "Shape",
    "Shapes",
    "Trouble",
    "advise",
    "best_index",
    "features_of",
    "longest_list",
    "normalise",
    "parse",
    "served",
    "shape_of",
    "size_class",
    "skeleton",
    "try_parse",
]
