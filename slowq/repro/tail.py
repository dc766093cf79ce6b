"""What is written to the log of a running server from one moment on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from slowq.errors import InputError

# Milvus writes at once up to 2.6.6; later it gathers lines for up to ten seconds (`log.asyncWrite.flushInterval`).
SETTLE_S = 0.3
_NOT_OF_TEXT = (".gz", ".zst", ".bz2", ".xz", ".zip", ".tar")


@dataclass(slots=True)
class Tail:
    """`path` is a log file or a folder of them. A file that is rotated is followed under its new name, by its inode."""

    path: Path
    _seen: dict[tuple[int, int], int] = field(default_factory=dict)  # device and inode → bytes

    def __post_init__(self) -> None:
        """Raises InputError where there is nothing to be read."""
        try:
            if self.path.is_file():
                self.path.open("rb").close()
            elif not any(self.path.iterdir()):
                raise InputError(f"--target-log: there is no file in {str(self.path)!r}")
        except OSError as error:
            raise InputError(f"--target-log: cannot read {str(self.path)!r}: {error.strerror}") from error

    def begin(self) -> None:
        """What is there by now is not asked for."""
        self._seen = {(one.st_dev, one.st_ino): one.st_size for _, one in self._files()}

    def read(self) -> bytes:
        """What came since `begin` or the last `read`, whole lines of each file, the file written last at the end."""
        time.sleep(SETTLE_S)
        found = []
        for path, status in sorted(self._files(), key=lambda one: one[1].st_mtime_ns):
            key = (status.st_dev, status.st_ino)
            begin = self._seen.get(key, 0)
            if status.st_size < begin:  # emptied where it is, as by copytruncate
                begin = 0
            try:
                with path.open("rb") as file:
                    file.seek(begin)
                    text = file.read(status.st_size - begin)
            except OSError:
                continue  # removed by the rotation
            whole = text[: text.rfind(b"\n") + 1]
            self._seen[key] = begin + len(whole)
            found.append(whole)
        return b"".join(found)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Of a file also those beside it, among which it may be after it was rotated."""
        folder = self.path if self.path.is_dir() else self.path.parent
        found: dict[tuple[int, int], tuple[Path, os.stat_result]] = {}
        for path in sorted(folder.rglob("*") if self.path.is_dir() else folder.glob(f"{self.path.stem}*")):
            try:
                status = path.stat()
            except OSError:
                continue
            if path.is_file() and not path.name.endswith(_NOT_OF_TEXT):
                found.setdefault((status.st_dev, status.st_ino), (path, status))  # a link to it is not another file
        return list(found.values())
