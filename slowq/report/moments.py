"""Times as the document writes them: ISO 8601, UTC, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(moment_s: float) -> str:
    """Unix seconds as ``2026-11-21T04:55:14.450Z``."""
    return datetime.fromtimestamp(round(moment_s * 1e3) / 1e3, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"
