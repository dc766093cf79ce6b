"""From the place of a term to the rows that hold it: as row numbers, or as bits where they take less room."""

from __future__ import annotations

import numpy as np

from slowq.engine.scalar.truth import Array, Mask, Positions

_DENSE = 32  # a row number takes 32 bits: a term in more than every 32nd row is smaller as bits


class Postings:
    """`rows[offsets[t]:offsets[t + 1]]` are the rows of term t, but for the terms in `dense`, whose rows are `bits`."""

    def __init__(self, total: int, offsets: Array, rows: Array, dense: Array, bits: Array) -> None:
        self.total = total
        self._offsets = offsets
        self._rows = rows
        self._dense = dense
        self._bits = bits

    @classmethod
    def of(cls, terms: Array, rows: Array, count: int, total: int, *, as_bits: bool = False) -> Postings:
        """Pairs of term and row; `count` terms, `total` rows in the segment."""
        order = np.argsort(terms, kind="stable")
        counts = np.bincount(terms, minlength=count)
        offsets = np.concatenate(([0], np.cumsum(counts)))
        sorted_rows = rows[order].astype(np.uint32)
        dense = np.flatnonzero(counts * _DENSE > total) if as_bits else np.zeros(0, dtype=np.int64)
        bits = np.zeros((len(dense), (total + 7) // 8), dtype=np.uint8)
        kept = np.ones(len(sorted_rows), dtype=np.bool_)
        for at, term in enumerate(dense):
            mine = slice(offsets[term], offsets[term + 1])
            mask = np.zeros(total, dtype=np.bool_)
            mask[sorted_rows[mine]] = True
            bits[at] = np.packbits(mask)
            kept[mine] = False
        if len(dense):
            counts[dense] = 0
            offsets = np.concatenate(([0], np.cumsum(counts)))
            sorted_rows = sorted_rows[kept]
        return cls(total, offsets.astype(np.int64), sorted_rows, dense.astype(np.int64), bits)

    def of_terms(self, terms: Positions) -> Mask:
        """Rows with any of the terms, which ascend."""
        lengths = self._offsets[terms + 1] - self._offsets[terms]
        ends = np.cumsum(lengths)
        count = int(ends[-1]) if len(ends) else 0
        places = np.repeat(self._offsets[terms] - (ends - lengths), lengths) + np.arange(count)
        return self._mask(self._rows[places], np.isin(self._dense, terms))

    def of_interval(self, first: int, behind: int) -> Mask:
        if first >= behind:
            return np.zeros(self.total, dtype=np.bool_)
        rows = self._rows[self._offsets[first] : self._offsets[behind]]
        return self._mask(rows, (self._dense >= first) & (self._dense < behind))

    def _mask(self, rows: Array, dense: Mask) -> Mask:
        if dense.any():
            packed = np.bitwise_or.reduce(self._bits[dense], axis=0)
            mask = np.unpackbits(packed, count=self.total).view(np.bool_)
        else:
            mask = np.zeros(self.total, dtype=np.bool_)
        mask[rows] = True
        return mask

    def arrays(self) -> dict[str, Array]:
        return {"term_offsets": self._offsets, "rows": self._rows, "dense": self._dense, "bits": self._bits}
