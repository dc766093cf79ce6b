"""Collections as their owner declared them: fields, keys, partitions, indexes. All are values, JSON in the meta store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from slowq.engine.faults import FIELD_NAME, RequestFault, invalid
from slowq.engine.scalar import ScalarField
from slowq.engine.vector import FieldKind

DYNAMIC: Final = "$meta"
DEFAULT_PARTITION: Final = "_default"

INTEGERS = ("INT8", "INT16", "INT32", "INT64")
SCALARS = ("BOOL", *INTEGERS, "FLOAT", "DOUBLE", "VARCHAR", "JSON", "ARRAY")
VECTOR_KINDS: Final[Mapping[str, FieldKind]] = {
    "FLOAT_VECTOR": "float",
    "FLOAT16_VECTOR": "float16",
    "BFLOAT16_VECTOR": "bfloat16",
    "INT8_VECTOR": "int8",
    "BINARY_VECTOR": "binary",
    "SPARSE_FLOAT_VECTOR": "sparse",
}

INDEX_PROPERTIES: Final = ("mmap.enabled", "warmup")  # how its files are read; its other parameters say how it is built

MAX_DIMENSION = 32768  # proxy.maxDimension
MAX_FIELDS = 64  # proxy.maxFieldNum
MAX_VECTOR_FIELDS = 10  # proxy.maxVectorFieldNum of 2.6.18
MAX_LENGTH = 65535  # of a VARCHAR, proxy/util.go
MAX_CAPACITY = 4096  # of an ARRAY
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


def check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        text = (
            f"Invalid {what} name: {name!r}. The first character must be an underscore or letter, the others letters, "
            "digits or underscores, at most 255 of them"
        )
        raise (
            RequestFault(FIELD_NAME, f"{text}: field name invalid[field={name}]") if what == "field" else invalid(text)
        )


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """`params` are Milvus' type_params: dim, max_length, max_capacity, mmap.enabled."""

    id: int
    name: str
    type: str
    primary: bool = False
    auto_id: bool = False
    partition_key: bool = False
    clustering_key: bool = False
    nullable: bool = False
    default: Any = None
    element_type: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def is_vector(self) -> bool:
        return self.type in VECTOR_KINDS

    @property
    def dim(self) -> int:
        return int(self.params.get("dim", 0))

    @property
    def as_scalar(self) -> ScalarField:
        """As filters and scalar indexes know it."""
        return ScalarField(self.name, self.type, self.element_type, self.nullable)


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """One index of one field. `key` is what it serves: the field's name, or the JSON path in its canonical form."""

    id: int
    name: str
    field: str
    kind: str
    metric: str
    params: Mapping[str, str]
    key: str

    @property
    def built_from(self) -> tuple[str, str, dict[str, str]]:
        """Kind, metric and the parameters that say how it is built."""
        own = {key: value for key, value in self.params.items() if key not in INDEX_PROPERTIES}
        return self.kind, self.metric, own


@dataclass(frozen=True, slots=True)
class Collection:
    """`version` grows with each change, so that what was computed from an older one can be told."""

    id: int
    database: str
    name: str
    fields: tuple[FieldSpec, ...]
    dynamic: bool = False
    shards: int = 1
    consistency: str = "Bounded"
    properties: Mapping[str, str] = field(default_factory=dict)
    partitions: Mapping[str, int] = field(default_factory=dict)
    indexes: tuple[IndexSpec, ...] = ()
    created: int = 0
    updated: int = 0
    description: str = ""
    replicas: int = 0  # 0: not loaded
    loaded_partitions: tuple[str, ...] = ()  # () with replicas: all

    @property
    def primary(self) -> FieldSpec:
        return next(one for one in self.fields if one.primary)

    @property
    def loaded(self) -> bool:
        return self.replicas > 0

    def serves(self, partition: str) -> bool:
        """Whether that partition is loaded."""
        return self.loaded and partition in (self.loaded_partitions or self.partitions)

    @property
    def vectors(self) -> Iterator[FieldSpec]:
        return (one for one in self.fields if one.is_vector)

    @property
    def scalars(self) -> Iterator[FieldSpec]:
        return (one for one in self.fields if not one.is_vector)

    @property
    def partition_key(self) -> FieldSpec | None:
        return next((one for one in self.fields if one.partition_key), None)

    @property
    def clustering_key(self) -> FieldSpec | None:
        return next((one for one in self.fields if one.clustering_key), None)

    def named(self, name: str) -> FieldSpec | None:
        return next((one for one in self.fields if one.name == name), None)

    def indexed_scalar(self, name: str) -> ScalarField:
        """The field that an index of this name is on: one that is declared, or else a path into the dynamic field."""
        spec = self.named(name)
        return ScalarField(DYNAMIC, "JSON", nullable=True) if spec is None else spec.as_scalar

    def index_of(self, key: str) -> IndexSpec | None:
        return next((one for one in self.indexes if one.key == key), None)

    def mmap(self, spec: FieldSpec | IndexSpec, configured: bool) -> bool:
        """Whether the raw data of the field, or the index, is mapped: its own word, then the collection's, then the
        configuration's."""
        word = spec.params.get("mmap.enabled", self.properties.get("mmap.enabled"))
        return configured if word is None else word.lower() == "true"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Collection:
        raw = json.loads(text)
        raw["fields"] = tuple(FieldSpec(**one) for one in raw["fields"])
        raw["indexes"] = tuple(IndexSpec(**one) for one in raw["indexes"])
        raw["loaded_partitions"] = tuple(raw["loaded_partitions"])
        return Collection(**raw)

    def with_index(self, index: IndexSpec) -> Collection:
        return replace(self, indexes=(*self.indexes, index))


def check_collection(name: str, fields: tuple[FieldSpec, ...], shards: int) -> None:
    """Milvus' own rules for a schema (`proxy/util.go`, `rootcoord/create_collection_task.go`)."""
    check_name(name, "collection")
    if not 1 <= shards <= 16:
        raise invalid(f"maximum shards's number should be limited to 16, got {shards}")
    if len(fields) > MAX_FIELDS:
        raise invalid(f"maximum field's number should be limited to {MAX_FIELDS}")
    names = [one.name for one in fields]
    for spec in fields:
        check_name(spec.name, "field")
        if names.count(spec.name) > 1:
            raise invalid(f"duplicated field name {spec.name}")
        _check_field(spec, name)
    keys = [one for one in fields if one.primary]
    if len(keys) != 1:
        raise invalid("primary key is not specified" if not keys else "there are more than one primary key")
    vectors = [one for one in fields if one.is_vector]
    if not vectors:
        raise invalid("schema does not contain vector field")
    if len(vectors) > MAX_VECTOR_FIELDS:
        raise invalid(f"maximum vector field's number should be limited to {MAX_VECTOR_FIELDS}")
    for what in ("partition_key", "clustering_key"):
        _check_key([one for one in fields if getattr(one, what)], what.replace("_", " "))


def _check_field(spec: FieldSpec, collection: str) -> None:
    if spec.is_vector:
        _check_vector(spec)
    elif spec.type not in SCALARS:
        raise invalid(f"data type {spec.type} of field {spec.name} is not supported")
    if spec.primary and spec.type not in ("INT64", "VARCHAR"):
        raise invalid("the data type of primary key should be Int64 or VarChar")
    if spec.auto_id and not spec.primary:
        raise invalid(f"only primary field can speficy AutoID with true, field name = {spec.name}")
    if spec.primary and spec.nullable:
        raise invalid(f"primary field not support null, field name = {spec.name}")
    if "VARCHAR" in (spec.type, spec.element_type):
        length = _bounded(spec, "max_length", collection)
        if not 0 < length <= MAX_LENGTH:
            raise invalid(
                f"the maximum length specified for the field({spec.name}) should be in (0, {MAX_LENGTH}], "
                f"but got {length} instead"
            )
    if spec.type == "ARRAY":
        capacity = _bounded(spec, "max_capacity", collection)
        if not 0 < capacity <= MAX_CAPACITY:
            raise invalid(
                f"the maximum capacity specified for a Array should be in (0, {MAX_CAPACITY}], field name = {spec.name}"
            )
        if spec.element_type not in (*INTEGERS, "BOOL", "FLOAT", "DOUBLE", "VARCHAR"):
            raise invalid(f"element type {spec.element_type} is not supported, field name = {spec.name}")


def _check_vector(spec: FieldSpec) -> None:
    if spec.type == "SPARSE_FLOAT_VECTOR":
        if "dim" in spec.params:
            raise invalid(f"dim should not be specified for sparse vector field {spec.name}({spec.id})")
    elif not 2 <= spec.dim <= MAX_DIMENSION and spec.type != "BINARY_VECTOR":
        raise invalid(f"invalid dimension: {spec.dim} of field {spec.name}. should be in range 2 ~ {MAX_DIMENSION}")
    elif spec.type == "BINARY_VECTOR" and (spec.dim < 8 or spec.dim % 8):
        raise invalid(
            f"invalid dimension: {spec.dim} of field {spec.name}. binary vector dimension should be multiple of 8"
        )
    if spec.nullable:
        raise invalid(f"vector type not support null, field name = {spec.name}")


def _bounded(spec: FieldSpec, name: str, collection: str) -> int:
    """The number of a parameter that has to be there."""
    if name not in spec.params:
        raise invalid(f"type param({name}) should be specified for the field({spec.name}) of collection {collection}")
    try:
        return int(spec.params[name])
    except ValueError:
        raise invalid(f"the value for {name} of field {spec.name} must be an integer") from None


def _check_key(keys: list[FieldSpec], what: str) -> None:
    if len(keys) > 1:
        raise invalid(f"there are more than one {what}, field name = {keys[0].name}, {keys[1].name}")
    allowed = ("INT64", "VARCHAR") if what == "partition key" else (*INTEGERS, "FLOAT", "DOUBLE", "VARCHAR")
    for key in keys:
        if key.type not in allowed:
            raise invalid(f"the data type of {what} should be {' or '.join(allowed)}, field name = {key.name}")
        if key.primary and what == "partition key":
            raise invalid(f"the partition key field must not be primary field, field name = {key.name}")
