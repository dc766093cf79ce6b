"""The calls of the table made by one pymilvus against one server, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import PROJECT, RealMilvus

OLD_CLIENT = PROJECT / ".venv-milvus" / "bin" / "python"  # with pymilvus 2.3.7
_DRIVER = "tests.engine.conformance.driver"


def ask(uri: str, server: str, *, token: str = "", python: Path | str = sys.executable, folder: Path = PROJECT) -> Any:
    """What the server answers, by the name of the case; `server` is its version."""
    command = [str(python), "-W", "ignore", "-m", _DRIVER, uri, server, token]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def ask_milvus(milvus: RealMilvus) -> dict[str, Any]:
    answers: dict[str, Any] = ask(milvus.uri, "2.3", token=milvus.root, python=OLD_CLIENT)
    return answers
