"""Milvus version texts, as logs, image tags and people write them, to a range of versions."""

import re

Version = tuple[int, int, int]

_UNBOUNDED = 999  # above every patch and minor number that Milvus has used

_ONE = r"(\d{1,3})(?:\.(\d{1,3}|[xX*]))?(?:\.(\d{1,3}|[xX*]))?(?![\d.])"
_DOTTED = r"(\d{1,3})\.(\d{1,3}|[xX*])(?:\.(\d{1,3}|[xX*]))?(?![\d.])"
_VERSION = re.compile(
    rf"(?:milvus[ :-]?)?v?{_ONE}(?:\s*(?:-|\u2013|\.\.|\bto\b)\s*v?{_DOTTED})?",
    re.ASCII | re.IGNORECASE,
)

_SESSION = re.compile(r'"Version":\s?"v?(\d{1,4}+\.\d{1,4}+\.\d{1,4}+[\w.-]{0,40}+)"')


def of_session(detail: str) -> str | None:
    """The version in the session that a component registers at start-up: `{…,"Version":"2.3.5"}`."""
    found = _SESSION.search(detail)
    return found[1] if found else None


def version_range(text: str) -> tuple[Version, Version] | None:
    """The lowest and the highest version that `text` can mean, both included; None where it names no release.

    "2.4.5", "v2.4.5-gpu" and the nightly tag "2.2.0-20221118-b494b564" mean one version; "2.3", "2.3.x" and "2.6-dev"
    a whole line of releases, its patch numbers from 0 to 999; "2.5.16-2.5.17" all between. A build of the master
    branch ("master-20230818-74fb244b") names no release.
    """
    found = _VERSION.match(text.strip())
    if found is None:
        return None
    low, high = _bounds(found[1], found[2], found[3])
    if found[4] is not None:
        high = _bounds(found[4], found[5], found[6])[1]
    return (low, high) if low <= high else None


def _bounds(major: str, minor: str | None, patch: str | None) -> tuple[Version, Version]:
    first = int(major)
    if minor is None or not minor.isdigit():
        return (first, 0, 0), (first, _UNBOUNDED, _UNBOUNDED)
    second = int(minor)
    if patch is None or not patch.isdigit():
        return (first, second, 0), (first, second, _UNBOUNDED)
    return (first, second, int(patch)), (first, second, int(patch))
