"""What is said to the user beside the result: on standard error, made visible, and without credentials."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

import typer

_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#'\"]*@")
_SECRETS = re.compile(
    r"(\b(?:password|passwd|secret|token|access_?key|api_?key|authorization)\w*\s?[=:]\s*(?:(?:Bearer|Basic)\s+)?)"
    r"[^\s,;&'\"]+",
    re.IGNORECASE,
)


def error(message: str, hint: str | None = None) -> None:
    """``error: …``, and the hint on a line of its own."""
    _say("error", message)
    if hint:
        _say("hint", hint)


def warning(message: str) -> None:
    _say("warning", message)


def hint(message: str) -> None:
    _say("hint", message)


def without_credentials(text: str) -> str:
    """The text without the user and password of URLs, and without the values of settings that are secrets."""
    return _SECRETS.sub(r"\1…", _CREDENTIALS.sub("…@", text))


def _say(kind: str, message: str) -> None:
    from slowq.report.text import visible

    lines = without_credentials(message).split("\n")
    try:
        typer.echo(f"{kind}: " + "\n".join(visible(line) for line in lines), err=True)
    except OSError:  # nobody listens; the exit code tells it all the same
        let_go(sys.stderr)


def let_go(stream: TextIO) -> None:
    """Keep the interpreter from writing once more to where it cannot, and from complaining, when it exits."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
