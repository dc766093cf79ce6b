"""The rows of one vector field, in the form in which they were inserted.

    kind       data
    float      float32 (rows, dim)
    float16    float16 (rows, dim)
    bfloat16   uint16 (rows, dim): the upper half of the bits of a float32
    int8       int8 (rows, dim)
    binary     uint8 (rows, dim / 8)
    sparse     float32 (values,), beside `indices` uint32 (values,) and `indptr` int64 (rows + 1,)

Frozen: nobody writes into the arrays, so that threads share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.files import Array, DamagedError, read_array, replace_folder, write_array

FieldKind = Literal["float", "float16", "bfloat16", "int8", "binary", "sparse"]
Floats = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]

_TYPES: dict[FieldKind, npt.DTypeLike] = {
    "float": np.float32,
    "float16": np.float16,
    "bfloat16": np.uint16,
    "int8": np.int8,
    "binary": np.uint8,
}


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    kind: FieldKind
    data: Array
    indptr: npt.NDArray[np.int64] | None = None
    indices: npt.NDArray[np.uint32] | None = None
    mapped: tuple[MappedFile, ...] = ()

    @staticmethod
    def dense(array: npt.ArrayLike) -> "Vectors":
        """The kind follows from the type: float32, float16, uint16 (bfloat16), int8, uint8 (binary); other numbers become
        float32."""
        rows = np.asarray(array)
        kind: FieldKind = next((kind for kind, type_ in _TYPES.items() if rows.dtype == type_), "float")
        return Vectors.of_kind(kind, rows)

    @staticmethod
    def of_kind(kind: FieldKind, array: npt.ArrayLike) -> "Vectors":
        data = np.ascontiguousarray(array, dtype=_TYPES[kind])
        if data.ndim != 2:
            raise ValueError(f"vectors are rows and dimensions, not an array of shape {data.shape}")
        return Vectors(kind, data)

    @staticmethod
    def sparse(indptr: npt.ArrayLike, indices: npt.ArrayLike, values: npt.ArrayLike) -> "Vectors":
        return Vectors(
            "sparse",
            np.ascontiguousarray(values, dtype=np.float32),
            np.ascontiguousarray(indptr, dtype=np.int64),
            np.ascontiguousarray(indices, dtype=np.uint32),
        )

    @property
    def rows(self) -> int:
        return len(self.data) if self.indptr is None else len(self.indptr) - 1

    @property
    def dim(self) -> int:
        """0 for sparse; bits for binary."""
        if self.indptr is not None:
            return 0
        return int(self.data.shape[1]) * (8 if self.kind == "binary" else 1)

    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.data, self.indptr, self.indices) if part is not None)

    def postings(self) -> tuple[Offsets, npt.NDArray[np.uint32], Floats]:
        """`indptr`, `indices`, `values` of sparse rows."""
        if self.indptr is None or self.indices is None:
            raise TypeError(f"{self.kind} vectors are not sparse")
        return self.indptr, self.indices, cast(Floats, self.data)

    def floats(self, start: int = 0, stop: int | None = None) -> Floats:
        """The rows from `start` to `stop` as float32; the array itself where it is that already."""
        part = self.data[start:stop]
        if self.kind == "bfloat16":
            return (part.astype(np.uint32) << 16).view(np.float32)
        if self.kind in ("binary", "sparse"):
            raise TypeError(f"{self.kind} vectors have no float32 form")
        return part.astype(np.float32, copy=False)

    def take(self, offsets: npt.ArrayLike) -> "Vectors":
        wanted = np.asarray(offsets, dtype=np.int64)
        if self.kind != "sparse":
            return Vectors(self.kind, self.data[wanted])
        indptr, indices, values = self.postings()
        lengths = indptr[wanted + 1] - indptr[wanted]
        ends = np.concatenate(([0], np.cumsum(lengths)))
        places = np.arange(ends[-1]) + np.repeat(indptr[wanted] - ends[:-1], lengths)
        return Vectors("sparse", values[places], ends, indices[places])

    @staticmethod
    def concat(parts: Sequence["Vectors"]) -> "Vectors":
        """The rows of all parts, of one kind and dimension, in order."""
        first = parts[0]
        data = np.concatenate([part.data for part in parts])
        if first.kind != "sparse":
            return Vectors(first.kind, data)
        lengths = np.concatenate([np.diff(part.postings()[0]) for part in parts])
        indices = np.concatenate([part.postings()[1] for part in parts])
        return Vectors("sparse", data, np.concatenate(([0], np.cumsum(lengths))), indices)

    def save(self, path: Path) -> None:
        """One `.npy` file; for sparse rows a folder of three."""
        if self.kind != "sparse":
            write_array(path, self.data)
        else:
            replace_folder(path, self._write_postings)

    def _write_postings(self, folder: Path) -> None:
        indptr, indices, values = self.postings()
        write_array(folder / "indptr.npy", indptr)
        write_array(folder / "indices.npy", indices)
        write_array(folder / "values.npy", values)

    @staticmethod
    def load(path: Path, mmap: bool = False) -> "Vectors":
        """Raises `DamagedError`, which names the file. The pages of what is mapped are in memory, as it was checked."""
        if path.is_dir():
            read = [read_array(path / f"{n}.npy", mapped=mmap) for n in ("indptr", "indices", "values")]
            indptr, indices, values = (array for array, _ in read)
            if len(indptr) == 0 or indptr[-1] != len(indices) or len(indices) != len(values):
                raise DamagedError(
                    path / "indptr.npy", f"it ends at {indptr[-1:]} for {len(indices)} indices and {len(values)} values"
                )
            return replace(Vectors.sparse(indptr, indices, values), mapped=_mappings(*(file for _, file in read)))
        data, mapped = read_array(path, mapped=mmap)
        if data.ndim != 2 or data.dtype not in _TYPES.values():
            raise DamagedError(path, f"it holds an array of {data.dtype} {data.shape}, which are no vectors")
        return replace(Vectors.dense(data), mapped=_mappings(mapped))

    def warm(self) -> int:
        """Reads what is mapped into memory; returns its bytes."""
        return sum(file.warm() for file in self.mapped)

    def cool(self) -> None:
        """Drops what is mapped from memory, so that the next one who needs it reads it again."""
        for file in self.mapped:
            file.cool()


def _mappings(*files: MappedFile | None) -> tuple[MappedFile, ...]:
    return tuple(file for file in files if file is not None)
