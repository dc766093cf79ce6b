"""`python -m tests.engine.conformance.record` asks a real Milvus 2.3.5, which it starts, and rewrites `recorded.json`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests import servers
from tests.engine.conformance.asking import ask_milvus
from tests.engine.conformance.table import RECORDED


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, servers.milvus(Path(folder)) as milvus:
        answers = ask_milvus(milvus)
    lines = [
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(_short(answer), ensure_ascii=False)}"
        for name, answer in sorted(answers.items())
    ]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _short(answer: object) -> object:
    return {"error": answer["error"]} if isinstance(answer, dict) and "message" in answer else answer


if __name__ == "__main__":
    main()
