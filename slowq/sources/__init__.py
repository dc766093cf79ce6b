"""Where bytes come from: files, folders, globs, archives, standard input. Nothing is ever written to disk."""

from slowq.sources.paths import Source, find
from slowq.sources.streams import Member, Trouble, members

__all__ = ["Member", "Source", "Trouble", "find", "members"]
