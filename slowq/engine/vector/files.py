"""Files that know when they are damaged.

Each file ends in one line of fixed length, in ASCII: the CRC-32 and the length of what comes before it. Readers of `.npy` and
of faiss stop before it, so the file stays what its name says. Whoever opens a file reads it once from end to end and adds it
up, block by block, also where it is mapped; what changes on the disk after that is not seen.
"""

import math
import os
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from slowq.engine.durable import sync_folder
from slowq.engine.mapped import MappedFile
from slowq.errors import InputError

Array = npt.NDArray[np.generic]

_SEAL = "\ncrc32 {crc:08x} bytes {size:016d}\n"
_SEAL_BYTES = len(_SEAL.format(crc=0, size=0))
_BLOCK = 1 << 20


class DamagedError(InputError):
    """A file of an index or of vectors cannot be what was written; `path` is the file at fault."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}.", hint="Build the index again from the segment's rows.")
        self.path = path


def seal(path: Path) -> None:
    """Ends the file with its CRC and length, and brings it to the disk."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        crc = _sum(file, size)
        file.write(_SEAL.format(crc=crc, size=size).encode())
        file.flush()
        os.fsync(file.fileno())


def sealed_size(path: Path) -> int:
    """The bytes before the seal, which were added up. Raises `DamagedError`."""
    try:
        length = path.stat().st_size - _SEAL_BYTES
        if length < 0:
            raise DamagedError(path, f"{length + _SEAL_BYTES} bytes are too few for the line that ends it")
        with path.open("rb") as file:
            file.seek(length)
            crc, size = _read_seal(path, file.read())
            if size != length:
                raise DamagedError(path, f"it has {length} bytes of data, its last line says {size}")
            file.seek(0)
            if _sum(file, length) != crc:
                raise DamagedError(path, "its bytes do not add up to the CRC in its last line")
    except OSError as error:
        raise DamagedError(path, f"it cannot be read ({error.strerror})") from error
    return size


def _sum(file: BinaryIO, size: int) -> int:
    crc = 0
    while size > 0:
        block = file.read(min(size, _BLOCK))
        crc = zlib.crc32(block, crc)
        size = size - len(block) if block else 0
    return crc


def _read_seal(path: Path, line: bytes) -> tuple[int, int]:
    try:
        _, crc, _, size = line.split()
        found = int(crc, 16), int(size)
    except ValueError:
        found = (0, -1)
    if _SEAL.format(crc=found[0], size=found[1]).encode() != line:
        raise DamagedError(
            path, "its last line is not the one that tells its length; it was cut or not written to its end"
        )
    return found


def write_array(path: Path, array: Array) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    seal(path)


# What `np.save` writes. NumPy's own reader asks the parser of Python for it, which several threads at once can confuse
# ("AST constructor recursion depth mismatch", issue 106905 of CPython).
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<|][a-z]\d{1,2})', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n",
    re.S,
)
_MOST_HEADER = 1 << 10


def array_place(path: Path) -> tuple[int, tuple[int, ...], np.dtype[np.generic]]:
    """Where the array of a `.npy` file begins, its shape and type. Raises `DamagedError`."""
    size = sealed_size(path)
    with path.open("rb") as file:
        header = _HEADER.match(file.read(_MOST_HEADER))
    if header is None or header.end() != 10 + int.from_bytes(header[1], "little"):
        raise DamagedError(path, "it does not begin as an array")
    start, dtype = header.end(), np.dtype(header[2].decode())
    shape = tuple(int(one) for one in header[3].split(b",") if one.strip())
    if start + math.prod(shape) * dtype.itemsize != size:
        raise DamagedError(path, f"its header promises {shape} of {dtype}, which are not its {size - start} bytes")
    return start, shape, dtype


def read_array(path: Path, *, mapped: bool = False) -> tuple[Array, MappedFile | None]:
    """The array of a `.npy` file, and the mapping behind it where it was asked for. Raises `DamagedError`."""
    start, shape, dtype = array_place(path)
    count = math.prod(shape)
    if not mapped:
        return np.fromfile(path, dtype=dtype, count=count, offset=start).reshape(shape), None
    memory = MappedFile(path, start + count * dtype.itemsize)
    return memory.bytes[start:].view(dtype).reshape(shape), memory


def replace_folder(path: Path, write: Callable[[Path], None]) -> None:
    """`write` fills a folder beside `path`, which then takes its place: whoever opens `path` sees the old files or the new,
    never both."""
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write(part)
    sync_folder(part)
    shutil.rmtree(path, ignore_errors=True)
    part.rename(path)
    sync_folder(path.parent)
