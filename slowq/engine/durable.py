"""What makes a new name last: a file is there after a crash only when the folder that names it was synced too."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
