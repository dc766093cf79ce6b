"""What the reports for CI systems have in common: where a cite lies in a repository, and texts that stay texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from slowq.report.text import visible

# What XML 1.0 cannot hold at all, whatever the escaping.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def line(text: str) -> str:
    """The text on one line, with what is not plainly printable written out."""
    return visible(" ".join(text.split()))


def xml(text: str) -> str:
    """What XML can hold, with the rest written out as `visible` does."""
    return _NOT_XML.sub(lambda one: one[0].encode("unicode_escape", "surrogatepass").decode("ascii"), line(text))


def file_and_line(cite: Mapping[str, Any]) -> tuple[str, int]:
    """The file that lies on disk: of a member of an archive the archive, whose lines have no numbers of their own."""
    path, archived, _ = str(cite["path"]).partition("!")
    path = path.removeprefix("./")
    return path, 1 if archived else max(1, int(cite["line"]))


def fingerprint(*words: str) -> str:
    """The same for the same words on every machine and in every run."""
    return hashlib.sha256("\x00".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]
