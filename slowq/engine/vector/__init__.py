"""Vector indexes of the reference engine, on faiss: built over the rows of a segment, searched with Milvus' parameters under
a mask.

    index = build("HNSW", "COSINE", {"M": 16, "efConstruction": 200}, Vectors.dense(rows))
    hits, work = index.search(Vectors.dense(queries), k=10, params={"ef": 64}, mask=passed)

It knows nothing of the rest of the engine, and nothing else imports faiss.
"""

from slowq.engine.vector.build import build, open_index, refill
from slowq.engine.vector.exact import brute_force, brute_force_range
from slowq.engine.vector.files import DamagedError, read_array, write_array
from slowq.engine.vector.index import VectorIndex
from slowq.engine.vector.params import BadIndexParam, check_build, check_search
from slowq.engine.vector.results import Hits, Work, better
from slowq.engine.vector.vectors import FieldKind, Vectors

__all__ = [
    "BadIndexParam",
    "DamagedError",
    "FieldKind",
    "Hits",
    "VectorIndex",
    "Vectors",
    "Work",
    "better",
    "brute_force",
    "brute_force_range",
    "build",
    "check_build",
    "check_search",
    "open_index",
    "read_array",
    "refill",
    "write_array",
]
