"""GitHub Actions: annotations as workflow commands.

GitHub shows at most ten annotations of a type for a step. Text of a log must not become a command: a property or a
message is escaped as the runner unescapes it, and nothing of it begins a line.
"""

import secrets
from collections.abc import Iterator

from slowq.policy import Judgement, Line
from slowq.report import ci

MOST = 10


def commands(judgement: Judgement) -> Iterator[str]:
    """A line for each failure, the last of them counting those that are left out."""
    failed = judgement.failed
    shown = failed if len(failed) <= MOST else failed[: MOST - 1]
    for line in shown:
        yield _command(line)
    if len(shown) < len(failed):
        yield f"::error title=slowq check::{len(failed) - len(shown)} more failures are in the log of this step"


def _command(line: Line) -> str:
    properties = [f"title={_property(f'slowq check: {line.id}')}"]
    for path, number in [ci.file_and_line(cite) for cite in line.cites if "path" in cite][:1]:
        properties = [f"file={_property(path)}", f"line={number}", *properties]
    return f"::error {','.join(properties)}::{_message(line.says + (f' Do: {line.do}' if line.do else ''))}"


def _message(text: str) -> str:
    return ci.line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def without_commands(text: bytes) -> bytes:
    """The text between two lines that tell the runner to read nothing in it as a command."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n".encode() + text.rstrip(b"\n") + f"\n::{token}::\n".encode()
