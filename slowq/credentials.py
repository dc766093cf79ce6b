"""Secrets of the user: from the environment, or from a file that the environment names, and from nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from slowq.errors import UsageError


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """What the variable holds, or the file that the variable ``…_FILE`` names; None where neither is set."""
    if path := environment.get(f"{name}_FILE"):
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {name}_FILE: {getattr(error, 'strerror', None) or error}") from error
    return environment.get(name)
