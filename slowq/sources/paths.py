"""From what the user typed to the files to read, in the order in which they were written.

A folder is read recursively, hidden names left out. Rotated files of one log come oldest first:
`proxy-7-2025-08-23T19-00-00.000.log` (lumberjack) before `proxy-7.log`, `milvus.log.2` before `milvus.log.1` before
`milvus.log`, and `<pod>-pre.log` and `pod_log_previous/` (export-milvus-log.sh) before `<pod>.log` and `pod_log/`.
"""

import glob
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from slowq.errors import InputError

STDIN = "-"
_COMPRESSED = re.compile(r"\.(?:gz|zst|zstd|bz2|xz)$")
_LUMBERJACK = re.compile(r"^(?P<stem>.+?)[-.](?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})(?P<end>\.[^.]+)?$")
_NUMBERED = re.compile(r"^(?P<stem>.+)\.(?P<number>\d{1,4})$")
_DATED = re.compile(r"^(?P<stem>.+?)[-.](?P<time>\d{4}-?\d\d-?\d\d(?:[T_-]?\d{2,6})?)(?P<end>\.[^.]+)?$")
_PREVIOUS = re.compile(r"-pre$")
_POD_PATH = re.compile(r"(?:^|/)[^/]+_(?P<pod>[^/_]+)_[0-9a-f-]{8,}/(?P<container>[^/]+)/\d+\.log")
_EXPORT = re.compile(r"(?:^|/)pod_(?:log|log_previous|describe)/(?P<pod>[^/]+?)(?:\.log|\.txt)?$")
_ROLE = re.compile(
    r"(?:proxy|querynode|datanode|indexnode|streamingnode|standalone|mixcoord|rootcoord|querycoord|datacoord|indexcoord)"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read, or standard input. `trouble` says why it cannot be read, where that is known already."""

    path: str
    size: int | None = None
    trouble: str | None = None


def find(patterns: Iterable[str]) -> list[Source]:
    """The files behind paths, folders and globs, each once, in the order in which their lines were written.

    Raises InputError for a path that is not there or cannot be read, and for a folder without files. What cannot be
    read in a folder or behind a glob is a source with its trouble, so that the others are read.
    """
    found: dict[str, Source] = {}
    for pattern in patterns:
        for source in _expand(pattern):
            found.setdefault(source.path if source.path == STDIN else os.path.realpath(source.path), source)
    return sorted(found.values(), key=lambda source: rotation_key(source.path))


def _expand(pattern: str) -> list[Source]:
    if pattern == STDIN:
        return [Source(STDIN)]
    if os.path.isdir(pattern):
        files = list(_files_below(pattern))
        if not files:
            raise InputError(f"no files in the folder {pattern!r}", hint="name the folder that holds the logs")
        return files
    if os.path.exists(pattern):
        source = _source(pattern)
        if source.trouble is not None:
            raise InputError(f"cannot read {pattern!r}: {source.trouble}")
        return [source]
    matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []
    if not matches:
        what = "nothing matches" if glob.has_magic(pattern) else "no such file or folder:"
        raise InputError(f"{what} {pattern!r}", hint="check the path; '-' reads standard input")
    files = [
        source for match in matches for source in (_files_below(match) if os.path.isdir(match) else [_source(match)])
    ]
    if not files:
        raise InputError(f"no files in the folders that match {pattern!r}", hint="name the folder that holds the logs")
    return files


def _source(path: str) -> Source:
    try:
        status = os.stat(path)
    except OSError as error:
        return Source(path, trouble=error.strerror or str(error))
    return Source(path, status.st_size if stat.S_ISREG(status.st_mode) else None)


def _files_below(folder: str) -> list[Source]:
    files: list[Source] = []

    def note(error: OSError) -> None:
        files.append(Source(str(error.filename), trouble=error.strerror or str(error)))

    # Links to folders are not followed: they could lead in circles.
    for directory, names, entries in os.walk(folder, onerror=note):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for entry in sorted(entries):
            path = os.path.join(directory, entry)
            if not entry.startswith(".") and os.path.isfile(path):
                files.append(_source(path))
    return files


def rotation_key(path: str) -> tuple[str, int, str]:
    """What sorts the files of one log by age: the log's name, then old before new."""
    folder, name = os.path.split(path)
    name = _COMPRESSED.sub("", name)
    for suffix in (".tar", ".tgz", ".zip"):
        name = name.removesuffix(suffix)
    family = folder.replace("pod_log_previous", "pod_log")
    age = 0 if "pod_log_previous" in folder else 2
    if match := _LUMBERJACK.match(name):
        return os.path.join(family, match["stem"] + (match["end"] or "")), age - 1, match["time"]
    if match := _NUMBERED.match(name):
        return os.path.join(family, match["stem"]), age - 1, f"{9999 - int(match['number']):04d}"
    stem, extension = os.path.splitext(name)
    if _PREVIOUS.search(stem):
        return os.path.join(family, _PREVIOUS.sub("", stem) + extension), age - 1, ""
    if match := _DATED.match(name):
        return os.path.join(family, match["stem"] + (match["end"] or "")), age - 1, match["time"]
    return os.path.join(family, name), age, ""


def node_of(path: str) -> str | None:
    """The pod or component that a file's name tells; None where it tells none.

    `/var/log/pods/<namespace>_<pod>_<uid>/<container>/0.log`, `pod_log/<pod>.log`, `proxy-7.log`, `<pod>-pre.log`.
    """
    inner = path.rpartition("!")[2].replace(os.sep, "/")
    if match := _POD_PATH.search(inner):
        return match["pod"]
    if match := _EXPORT.search(inner):
        return _COMPRESSED.sub("", match["pod"]).removesuffix(".log")
    name = _COMPRESSED.sub("", inner.rpartition("/")[2])
    if not _ROLE.search(name):
        return None
    stem = os.path.splitext(os.path.basename(rotation_key(name)[0]))[0]
    return _PREVIOUS.sub("", stem) or None
