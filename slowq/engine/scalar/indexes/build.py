"""Indexes made from columns, and read from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar.fields import META, ScalarField
from slowq.engine.scalar.indexes import files, json_index, ngram, term_index
from slowq.engine.scalar.indexes.index import ScalarIndex
from slowq.engine.scalar.indexes.kinds import BITMAP_CARDINALITY, check_index, path_of
from slowq.engine.scalar.truth import Array


def build_index(kind: str, array: pa.Array, field: ScalarField, params: Mapping[str, str]) -> ScalarIndex:
    """An index of all rows of a column. Raises ScalarIndexError for what `check_index` refuses."""
    checked = check_index(kind, field, params)
    name = checked["index_type"]
    grams = (int(checked["min_gram"]), int(checked["max_gram"])) if name == "NGRAM" else None
    if field.type == "JSON":
        column = pc.fill_null(array, b"{}") if field.name == META and array.null_count else array
        keys = path_of(field, checked["json_path"]).keys
        if checked["json_cast_type"] == "JSON":
            return json_index.of_all_paths(column, keys)
        return json_index.of_path(name, column, keys, checked["json_cast_type"], grams)
    if grams is not None:
        return ngram.of_column(array, *grams)
    return term_index.of_column(_settled(name, array), array)


def _settled(kind: str, array: pa.Array) -> str:
    """What HYBRID becomes: BITMAP for few distinct values, else the sorted one of Milvus 2.6.10 (arrays: INVERTED)."""
    if kind != "HYBRID":
        return kind
    lists = pa.types.is_list(array.type) or pa.types.is_large_list(array.type)
    values = array.flatten() if lists else array
    if len(pc.unique(values)) <= BITMAP_CARDINALITY:
        return "BITMAP"
    return "INVERTED" if lists else "STL_SORT"


def open_index(path: Path, *, mmap: bool = False) -> ScalarIndex:
    """In memory or mapped. Raises IndexFileError, which names the file, for one that is damaged or no index."""
    about, arrays, mapped = files.read(path, mapped=mmap)
    opened = _restored(about, arrays)
    opened.mapped = mapped
    return opened


def _restored(about: dict[str, Any], arrays: dict[str, Array]) -> ScalarIndex:
    packed = arrays.pop("null", None)
    null = None if packed is None else np.unpackbits(packed, count=about["total"]).view(np.bool_)
    if about.get("flat"):
        return json_index.FlatJsonIndex.restored(about, arrays, null)
    if about["kind"] == "NGRAM":
        return ngram.NgramIndex.restored(about, arrays, null)
    return term_index.TermIndex.restored(about, arrays, null)
