"""`slowq context`: the facts of a running Milvus, as a context file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.cli import messages
from slowq.cli.options import Collections, Databases, Force, Output, Verbose
from slowq.cli.output import opened, refuse_unwritable
from slowq.errors import UsageError

if TYPE_CHECKING:
    from slowq.context.live import Asked
    from slowq.facts import Context

TOKEN = "SLOWQ_MILVUS_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT_S = 60.0

Uri = Annotated[
    str | None,
    typer.Option(
        "--uri",
        metavar="URI",
        help="A running Milvus to ask for what logs cannot show, such as http://milvus:19530; it is only read.",
        show_default=False,
    ),
]
TokenEnv = Annotated[
    str,
    typer.Option(
        "--token-env", metavar="NAME", help="The environment variable that holds its token, or user:password."
    ),
]
Ca = Annotated[
    str | None,
    typer.Option("--ca", metavar="FILE", help="Certificates to trust, for an https:// URI.", show_default=False),
]


def run(
    uri: Uri = None,
    token_env: TokenEnv = TOKEN,
    ca: Ca = None,
    database: Databases = None,
    collection: Collections = None,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long all questions may take.")
    ] = TIMEOUT_S,
    output: Output = None,
    force: Force = False,
    verbose: Verbose = False,
) -> int:
    """Ask a running Milvus for its facts, and write a context file.

    Exit codes: 0 it was asked, and what it refused is named; 2 the command line is wrong; 4 no Milvus answers.
    """
    if uri is None:
        raise UsageError("no Milvus to ask", hint="slowq context --uri http://milvus:19530 > context.yaml")
    refuse_unwritable(output, force=force)
    asked = ask(uri, token_env, ca, tuple(database or ()), tuple(collection or ()), timeout)
    with opened(output, force=force) as stream:
        stream.write(yaml_of(asked, uri).encode("utf-8", "backslashreplace"))
    return 0


def ask(
    uri: str,
    token_env: str,
    ca: str | None,
    databases: tuple[str, ...] = (),
    collections: tuple[str, ...] = (),
    timeout_s: float = TIMEOUT_S,
) -> Asked:
    """The facts; what was refused is said as warnings."""
    from slowq.context import live

    token = os.environ.get(token_env)
    if token is None and token_env != TOKEN:
        raise UsageError(f"--token-env {token_env!r}: there is no such variable in the environment")
    asked = live.ask(uri, token=token, ca=ca, databases=databases, collections=collections, timeout_s=timeout_s)
    for sentence in asked.trouble:
        messages.warning(sentence)
    return asked


def context_of(asked: Asked, uri: str) -> Context:
    """The facts as the context file would be read."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from slowq.context import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "context.yaml"
        path.write_bytes(yaml_of(asked, uri).encode("utf-8", "backslashreplace"))
        return replace(load(str(path)), path=messages.without_credentials(uri))


def yaml_of(asked: Asked, uri: str) -> str:
    """The context file: when and where it is from, what was refused, and the facts."""
    import yaml

    from slowq.report.text import visible

    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    head = [
        f"Asked of {messages.without_credentials(uri)} on {when} by slowq context.",
        *(f"Not known: {one}" for one in asked.trouble),
    ]
    comments = "".join(f"# {visible(line)}\n" for line in head)
    return comments + yaml.safe_dump(asked.facts, sort_keys=False, allow_unicode=False, width=120)
