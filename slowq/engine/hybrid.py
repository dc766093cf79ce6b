"""Joining the searches of a hybrid search: reciprocal rank fusion, or a weighted sum of normalised scores.

Formulas: Milvus' `internal/proxy/reScorer.go`. RRF: sum of 1 / (k + rank), ranks from 1. Weighted: L2 distances become
1 - 2/pi * atan(d), IP 0.5 + atan(s)/pi, COSINE (1 + s) / 2, BM25 2/pi * atan(s).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slowq.engine.faults import invalid
from slowq.engine.requests import HybridSearch, Ranker, SearchAnswer
from slowq.engine.search import Floats


def joined(answers: Sequence[SearchAnswer], request: HybridSearch, metrics: Sequence[str]) -> SearchAnswer:
    """One list of hits a query, best first; without output fields."""
    ranker, first = request.ranker, answers[0]
    if ranker.kind == "weighted" and len(ranker.weights) != len(answers):
        raise invalid(
            f"the length of weights param mismatch with ann search requests: {len(ranker.weights)} {len(answers)}"
        )
    keys, scores, counts = [], [], []
    begins = [0] * len(answers)
    for query in range(len(first.counts)):
        totals: dict[object, float] = {}
        for place, answer in enumerate(answers):
            end = begins[place] + answer.counts[query]
            own = answer.keys[begins[place] : end].tolist()
            points = _points(ranker, place, answer.scores[begins[place] : end], metrics[place])
            for key, point in zip(own, points.tolist(), strict=True):
                totals[key] = totals.get(key, 0.0) + point
            begins[place] = end
        best = sorted(totals.items(), key=lambda one: -one[1])[request.offset : request.offset + request.limit]
        keys += [key for key, _ in best]
        scores += [score for _, score in best]
        counts.append(len(best))
    result = np.array(scores, np.float32)
    if request.round_decimal >= 0:
        result = np.round(result, request.round_decimal)
    return SearchAnswer(
        first.collection, first.primary, np.array(keys, first.keys.dtype), result, counts, {}, None, first.session_ts
    )


def _points(ranker: Ranker, place: int, scores: Floats, metric: str) -> Floats:
    if ranker.kind == "rrf":
        return (1.0 / (ranker.k + np.arange(1, len(scores) + 1))).astype(np.float32)
    normal = _normalised(scores, metric) if ranker.normalise else scores
    return (normal * ranker.weights[place]).astype(np.float32)


def _normalised(scores: Floats, metric: str) -> Floats:
    turn: Floats = (np.arctan(scores) / np.pi).astype(np.float32)
    if metric == "COSINE":
        return ((1 + scores) / 2).astype(np.float32)
    if metric == "IP":
        return (turn + 0.5).astype(np.float32)
    return (2 * turn if metric == "BM25" else 1 - 2 * turn).astype(np.float32)
