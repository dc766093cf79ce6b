"""Metrics: where they come from, and which quantity each of them measures.

`file` reads a metrics file, `catalogue` knows the metrics of Milvus by version, `measure` makes tracks of raw series.
The tracks are in the words of `slowq.measures`, which is all that the rest of slowq sees.
"""

from slowq.metrics.file import load
from slowq.metrics.measure import tracks, version_of
from slowq.metrics.raw import Raw

__all__ = ["Raw", "load", "tracks", "version_of"]
