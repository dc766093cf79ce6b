"""The parameters of indexes and searches: names, limits and defaults of Knowhere 2.6, and its words for what is wrong."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from slowq.engine.vector.vectors import FieldKind

_INT_MAX = 2**31 - 1
_DENSE = ("L2", "IP", "COSINE")
_DENSE_KINDS: tuple[FieldKind, ...] = ("float", "float16", "bfloat16", "int8")
Values = dict[str, object]


class BadIndexParam(ValueError):  # noqa: N818 - the name of a fact about the request
    """`name` is the parameter at fault."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter; `default` None means that it has none and may be left out, unless it is `required`."""

    form: Literal["int", "float", "bool", "str"] = "int"
    low: float = 1
    high: float = _INT_MAX
    default: object = None
    required: bool = False
    one_of: tuple[str, ...] = ()
    below_high: bool = False

    def read(self, name: str, value: object) -> object:
        """The value as its type; clients send numbers as texts too. Raises `BadIndexParam`."""
        match self.form:
            case "int":
                return self._within(name, value, self._number(name, value, "should be integer"))
            case "float":
                return self._within(name, value, self._number(name, value, "should be a number"))
            case "bool":
                if isinstance(value, bool):
                    return value
                if str(value).lower() in ("true", "false"):
                    return str(value).lower() == "true"
                raise _conflict(name, value, "should be a boolean")
            case "str":
                text = str(value).upper()
                if text not in self.one_of:
                    raise BadIndexParam(name, f"invalid {name}: {value}, optional types are [{' '.join(self.one_of)}]")
                return text

    def _number(self, name: str, value: object, should: str) -> float:
        whole_number = self.form == "int"
        if isinstance(value, bool) or not isinstance(value, int | str if whole_number else int | float | str):
            raise _conflict(name, value, should)
        try:
            return int(value) if whole_number else float(value)
        except ValueError:
            raise _conflict(name, value, should) from None

    def _within(self, name: str, value: object, number: float) -> float:
        if self.low <= number <= self.high and not (self.below_high and number == self.high):
            return number
        low, high = (int(v) if self.form == "int" else float(v) for v in (self.low, self.high))
        end = ")" if self.below_high else "]"
        raise BadIndexParam(
            name, f"Out of range in json: param '{name}' ({value}) should be in range [{low}, {high}{end}"
        )


def _conflict(name: str, value: object, should: str) -> BadIndexParam:
    return BadIndexParam(name, f"Type conflict in json: param '{name}' ({json.dumps(value, default=str)}) {should}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What Milvus says of one index type."""

    build: Mapping[str, Param]
    search: Mapping[str, Param]
    metrics: tuple[str, ...] = _DENSE
    fields: tuple[FieldKind, ...] = _DENSE_KINDS
    check_build: Callable[[Values, int], None] = lambda params, dim: None
    check_search: Callable[[Values, int], None] = lambda params, top_k: None


def _width(name: str, shown: str = "") -> Callable[[Values, int], None]:
    """Knowhere's rule for the width of a graph search: at least k; max(k, 16) where it is not given."""

    def check(params: Values, top_k: int) -> None:
        width = params.get(name)
        if width is None:
            params[name] = max(top_k, 16)
        elif isinstance(width, int) and width < top_k:
            raise BadIndexParam(name, f"{shown or name}({width}) should be larger than k({top_k})")

    return check


def _auto_width(params: Values, top_k: int) -> None:
    """AUTOINDEX has a `level` from 1, fast, to 5, thorough; it widens the graph walk, and has no meaning to the other
    kinds."""
    params.setdefault("ef", max(top_k, 16) * whole(params, "level"))
    _width("ef")(params, top_k)


def _reorder(params: Values, top_k: int) -> None:
    params.setdefault("reorder_k", top_k)
    _width("reorder_k")(params, top_k)


def _divided_by(name: str, phrase: str) -> Callable[[Values, int], None]:
    def check(params: Values, dim: int) -> None:
        part = whole(params, name)
        if dim % part:
            what = f"a multiple of {phrase}. Dimension:{dim}, {name}:{part}"
            raise BadIndexParam(name, f"The dimension of a vector (dim) should be {what}")

    return check


def _whole_elements(params: Values, dim: int) -> None:
    bits, bands = whole(params, "mh_element_bit_width"), whole(params, "mh_lsh_band")
    if bits % 8 or dim % bits:
        raise BadIndexParam(
            "mh_element_bit_width", f"mh_element_bit_width({bits}) should be whole bytes and divide dim({dim})"
        )
    if bands > dim // bits:
        raise BadIndexParam("mh_lsh_band", f"mh_lsh_band({bands}) should not be larger than the {dim // bits} elements")


_NLIST = {"nlist": Param(high=65536, default=128)}
_NPROBE = {"nprobe": Param(high=65536, default=8)}
_GRAPH = {"M": Param(low=2, high=2048, default=30), "efConstruction": Param(default=360)}
_EF = {"ef": Param()}
_REFINE = {
    "refine": Param("bool", default=False),
    "refine_type": Param("str", one_of=("SQ6", "SQ8", "FP16", "BF16", "FP32", "FLAT"), default="FP32"),
}
_REFINE_K = {"refine_k": Param("float", default=1.0)}
_RATIO = Param("float", low=0, high=1, below_high=True, default=0.0)
_SQ_TYPE = Param("str", one_of=("SQ4U", "SQ6", "SQ8", "BF16", "FP16"), default="SQ8")
_BM25 = {
    "bm25_k1": Param("float", low=0, high=3),
    "bm25_b": Param("float", low=0, high=1),
    "bm25_avgdl": Param("float", low=0),
}
_BM25_BUILD = {
    "bm25_k1": Param("float", low=0, high=3, default=1.2),
    "bm25_b": Param("float", low=0, high=1, default=0.75),
}
_SPARSE = Kind(
    {
        "drop_ratio_build": _RATIO,  # passed over by Milvus since 2.5, and here
        "inverted_index_algo": Param(
            "str", one_of=("DAAT_MAXSCORE", "DAAT_WAND", "TAAT_NAIVE"), default="DAAT_MAXSCORE"
        ),
        **_BM25,
        **_BM25_BUILD,
    },
    {"drop_ratio_search": _RATIO, **_BM25},
    metrics=("IP", "BM25"),
    fields=("sparse",),
)
_BITS: tuple[FieldKind, ...] = ("binary",)

KINDS: dict[str, Kind] = {
    "FLAT": Kind({}, {}),
    "IVF_FLAT": Kind(_NLIST, _NPROBE),
    "IVF_SQ8": Kind(_NLIST | _REFINE, _NPROBE | _REFINE_K),
    "IVF_PQ": Kind(
        _NLIST | {"m": Param(high=65536, required=True), "nbits": Param(high=24, default=8)} | _REFINE,
        _NPROBE | _REFINE_K,
        check_build=_divided_by("m", "the number of subquantizers (m)"),
    ),
    "SCANN": Kind(
        _NLIST | {"with_raw_data": Param("bool", default=True), "sub_dim": Param(high=65536, default=2)},
        _NPROBE | {"reorder_k": Param()},
        check_build=_divided_by("sub_dim", "sub_dim"),
        check_search=_reorder,
    ),
    "HNSW": Kind(_GRAPH, _EF, check_search=_width("ef")),
    "HNSW_SQ": Kind(_GRAPH | {"sq_type": _SQ_TYPE} | _REFINE, _EF | _REFINE_K, check_search=_width("ef")),
    "HNSW_PQ": Kind(
        _GRAPH | {"m": Param(high=65536, default=32), "nbits": Param(high=24, default=8)} | _REFINE,
        _EF | _REFINE_K,
        check_build=_divided_by("m", "the number of subquantizers (m)"),
        check_search=_width("ef"),
    ),
    "DISKANN": Kind(
        {
            "max_degree": Param(high=2048, default=56),
            "search_list_size": Param(default=100),
            "pq_code_budget_gb_ratio": Param("float", low=0, default=0.125),
            "search_cache_budget_gb_ratio": Param("float", low=0, default=0.1),
        },
        {"search_list": Param(), "beamwidth": Param(high=128, default=8)},
        check_search=_width("search_list", "search_list_size"),
    ),
    "BIN_FLAT": Kind({}, {}, metrics=("HAMMING", "JACCARD"), fields=_BITS),
    "BIN_IVF_FLAT": Kind(_NLIST, _NPROBE, metrics=("HAMMING", "JACCARD"), fields=_BITS),
    "MINHASH_LSH": Kind(
        {
            "mh_lsh_band": Param(default=1),
            "mh_element_bit_width": Param(low=8, high=256, default=8),
            "with_raw_data": Param("bool", default=False),
        },
        {"mh_search_with_jaccard": Param("bool", default=False), "refine_k": Param(default=1)},
        metrics=("MHJACCARD",),
        fields=_BITS,
        check_build=_whole_elements,
    ),
    "SPARSE_INVERTED_INDEX": _SPARSE,
    "SPARSE_WAND": _SPARSE,  # Milvus' older name
    "AUTOINDEX": Kind(
        {},
        {"level": Param(high=5, default=1)} | _EF | _NPROBE | {"drop_ratio_search": _RATIO} | _BM25,
        check_search=_auto_width,
    ),
}
_AUTO_DENSE: tuple[str, Values] = ("HNSW", {"M": 18, "efConstruction": 240})
_AUTO: Mapping[FieldKind, tuple[str, Values]] = {
    "binary": ("BIN_IVF_FLAT", {"nlist": 1024}),
    "sparse": ("SPARSE_INVERTED_INDEX", {}),
}


def actual_kind(kind: str, field_kind: FieldKind) -> str:
    """What AUTOINDEX stands for, by Milvus' `autoIndex.params`; other kinds are themselves."""
    return _AUTO.get(field_kind, _AUTO_DENSE)[0] if kind == "AUTOINDEX" else kind


def _kind(kind: str) -> Kind:
    try:
        return KINDS[kind]
    except KeyError:
        raise BadIndexParam("index_type", f"invalid index type: {kind}") from None


def check_build(kind: str, metric: str, field_kind: FieldKind, dim: int, params: Mapping[str, object]) -> Values:
    """The build parameters with defaults filled in. Raises `BadIndexParam`; unknown parameters are passed over, as in
    Milvus."""
    if kind == "AUTOINDEX":
        actual, chosen = _AUTO.get(field_kind, _AUTO_DENSE)
        return check_build(actual, metric, field_kind, dim, dict(params) | chosen)
    about = _kind(kind)
    if field_kind not in about.fields:
        raise BadIndexParam("index_type", f"data type {field_kind} vector can't build with this index {kind}")
    if metric not in about.metrics:
        raise BadIndexParam(
            "metric_type", f"metric type {metric} not found or not supported, supported: [{' '.join(about.metrics)}]"
        )
    known = _read(about.build, params)
    about.check_build(known, dim)
    return known


def check_search(kind: str, metric: str, params: Mapping[str, object], top_k: int) -> Values:
    """The search parameters with defaults filled in; `nprobe` above `nlist` means all lists, as in Milvus. Raises
    `BadIndexParam`."""
    about = _kind(kind)
    known = _read(about.search, params)
    about.check_search(known, top_k)
    return known


def _read(known: Mapping[str, Param], params: Mapping[str, object]) -> Values:
    values: Values = {}
    for name, param in known.items():
        if name in params:
            values[name] = param.read(name, params[name])
        elif param.required:
            raise BadIndexParam(name, f"param '{name}' not exist in json")
        elif param.default is not None:
            values[name] = param.default
    return values


def number(params: Mapping[str, object], name: str) -> float:
    """A number of checked parameters."""
    value = params[name]
    assert isinstance(value, int | float)  # noqa: S101 - what `Param.read` returns
    return value


def whole(params: Mapping[str, object], name: str) -> int:
    """An integer of checked parameters."""
    value = params[name]
    assert isinstance(value, int)  # noqa: S101 - what `Param.read` returns
    return value
