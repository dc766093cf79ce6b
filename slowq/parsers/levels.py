"""The effective consistency level of a request, and the Milvus version of the line that tells it.

A slow line prints the level of the request field, which says Strong where the collection's default was to be used. What the
proxy really waited for, the guarantee timestamp tells from 2.4.7 on: it is the request's start for Strong, that less
`common.gracefulTime` for Bounded, and 1 for Eventually. Before, the raw value of the client was logged: 0, 1 or 2 for
Strong, Eventually and Bounded, or a timestamp.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from slowq.parsers import releases, slow, values

_COMPUTED_SINCE = (2, 4, 7)  # from here the proxy logs the timestamp it computed, before it the raw request value
_RAW_LEVELS = {0: "Strong", 1: "Eventually", 2: "Bounded"}
# Milvus' proxy takes now - `common.gracefulTime` (5000 ms) for Bounded and now for Strong; half a second of tolerance
# leaves room for the time between the request's start and its timestamp.
GRACEFUL_S = 5.0
TOLERANCE_S = 0.5


def version_of(form: slow.Form, known: releases.Range | None) -> tuple[str | None, str | None, releases.Range | None]:
    """(version as shown, how it was learnt, range) of the Milvus that wrote a line of this form."""
    fields = releases.by_fields(
        form.kind,
        database=form.database is not None,
        level=form.consistency is not None,
        uses_default=form.uses_default is not None,
        nq=form.has_nq,
        per_nq=form.has_per_nq,
        travel=form.has_travel,
        label=form.label is not None,
    )
    if known is not None and (inside := releases.narrowed((known,), fields)) is not None:
        return releases.shown(inside), "the start-up lines of the log, or the context", inside
    if form.caller_line is not None:
        ranges = releases.by_caller(form.kind, form.caller_line)
        if (found := releases.narrowed(ranges, fields)) is not None:
            have = "has" if found[0] == found[1] else "have"
            said = f"the slow log's source line proxy/impl.go:{form.caller_line}, which only"
            return releases.shown(found), f"{said} {releases.in_words(found)} {have}", found
    return releases.shown(fields), "the fields of the slow log's lines", fields


def effective(
    forms: Sequence[slow.Form],
    versions: Sequence[tuple[str | None, str | None, releases.Range | None]],
    codes: np.ndarray,
    guarantee: np.ndarray,
    lag_s: np.ndarray,
) -> pd.Categorical:
    """The effective consistency level of each row; null where the line cannot tell it."""
    categories = pd.Index(["Bounded", "Customized", "Eventually", "Session", "Strong"], dtype="str")
    number = {name: code for code, name in enumerate(categories)}
    logged = np.array(
        [number.get(values.text(form.consistency) or "", -1) if form.uses_default == b"false" else -1 for form in forms]
        or [-1]
    )
    computed = np.array(
        [_is_computed(form, version[2]) for form, version in zip(forms, versions, strict=True)] or [False]
    )
    default = np.array([form.uses_default == b"true" for form in forms] or [False])
    found = logged[codes]
    unknown = found < 0
    of_computed = unknown & computed[codes]
    found[of_computed & (guarantee == 1)] = number["Eventually"]
    found[of_computed & (np.abs(lag_s) < TOLERANCE_S)] = number["Strong"]
    found[of_computed & (np.abs(lag_s - GRACEFUL_S) < TOLERANCE_S)] = number["Bounded"]
    # The raw value of an older client says the level, unless the collection's default was to be used.
    raw = unknown & ~computed[codes] & ~default[codes]
    for value, name in _RAW_LEVELS.items():
        found[raw & (guarantee == value)] = number[name]
    return pd.Categorical.from_codes(found, categories=categories)


def _is_computed(form: slow.Form, version: releases.Range | None) -> bool:
    """Whether the guarantee timestamp is the proxy's own, not what the client sent."""
    return form.consistency is not None or (version is not None and version[0] >= _COMPUTED_SINCE)
