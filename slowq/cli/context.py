"""`slowq context`: the facts of a running Milvus, as a context file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.cli import messages
from slowq.cli.measuring import TIMEOUT_S as PROMETHEUS_S
from slowq.cli.measuring import URL, Selector
from slowq.cli.options import Force, NoProgress, Output, Verbose
from slowq.cli.output import opened, refuse_unwritable
from slowq.cli.progress import counter
from slowq.cli.reading import load_context
from slowq.errors import ServerError, UsageError
from slowq.facts import Context

if TYPE_CHECKING:
    from slowq.context.live import Asked, Gauge, Login, Progress, Question

Uri = Annotated[
    str | None,
    typer.Option(
        "--uri",
        metavar="URI",
        help="A running Milvus to ask for what logs cannot show, such as http://milvus:19530; it is only read. The "
        "token comes from SLOWQ_MILVUS_TOKEN in the environment; see docs/context.md.",
        show_default=False,
    ),
]
TokenEnv = Annotated[
    str | None,
    typer.Option(
        "--token-env",
        metavar="NAME",
        help="Another environment variable that holds the token, or user:password.",
        show_default=False,
    ),
]
Ca = Annotated[
    str | None,
    typer.Option("--ca", metavar="FILE", help="Certificates to trust, for an https:// URI.", show_default=False),
]


def run(
    uri: Uri = None,
    token_env: TokenEnv = None,
    ca: Ca = None,
    database: Annotated[
        list[str] | None,
        typer.Option("--database", metavar="NAME", help="Only this database. May be repeated."),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", metavar="NAME", help="Only this collection. May be repeated."),
    ] = None,
    max_collections: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="How many collections are described; 1,000 if not given.", show_default=False
        ),
    ] = None,
    metrics_uri: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A node's page of metrics, for its CPU and memory, such as http://querynode:9091; port 9091 of a Milvus "
            "on this machine if not given. May be repeated.",
            show_default=False,
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"A Prometheus that knows the CPU and memory of the nodes ({URL} names one too).",
            show_default=False,
        ),
    ] = None,
    selector: Selector = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="SECONDS", help="How long everything asked may take; 60 if not given.", show_default=False
        ),
    ] = None,
    output: Output = None,
    force: Force = False,
    no_progress: NoProgress = False,
    verbose: Verbose = False,
) -> int:
    """Ask a running Milvus for its facts, and write a context file.

    Exit codes: 0 it was asked, and what it refused is named; 2 the command line is wrong; 4 no Milvus answers, or it does
    not let the user in.
    """
    if uri is None:
        raise UsageError("no Milvus to ask", hint="slowq context --uri http://milvus:19530 > context.yaml")
    refuse_unwritable(output, force=force)
    from slowq.context.live import MOST_COLLECTIONS, TIMEOUT_S, Login, Question, require_library, text_of

    require_library()
    question = Question(
        tuple(database or ()),
        tuple(collection or ()),
        gauges=_gauges(metrics_uri or (), prometheus, selector, timeout or TIMEOUT_S),
        timeout_s=timeout or TIMEOUT_S,
        most_collections=max_collections or MOST_COLLECTIONS,
    )
    shown = counter("collections", hidden=no_progress)
    with shown or nullcontext():
        asked = _ask(uri, question, Login.of(token_env=token_env, ca=ca), shown)
    with opened(output, force=force) as stream:
        stream.write(text_of(asked).encode())
    return 0


class Live:
    """A running Milvus, asked once it is known on which collections requests are slow, and a file that it completes.

    `failed` is the error that kept it from use; then what the file says is the context.
    """

    def __init__(self, uri: str, token_env: str | None, ca: str | None, file: str | None, *, needed: bool) -> None:
        """Raises UsageError for what is wrong with the command line, before anything is read. `needed`: nothing else is given."""
        from slowq.context.live import Address, Login, require_library

        Address.of(uri)
        require_library()
        self._uri, self._login, self._file, self._needed = uri, Login.of(token_env=token_env, ca=ca), file, needed
        self._of_file = load_context(file) or Context()
        self._told: Context | None = None
        self.failed: ServerError | None = None

    def __call__(self, slow: frozenset[str]) -> Context:
        if self._told is None:
            try:
                self._told = self._asked(slow)
            except ServerError as error:
                if self._needed:
                    raise
                messages.error(error.message, error.hint)
                self.failed = error
                self._told = replace(self._of_file, trouble=(f"Nothing is known from Milvus itself: {error.message}.",))
        return self._told

    @property
    def told(self) -> Context | None:
        """What it said, where it was asked."""
        return self._told

    def _asked(self, slow: frozenset[str]) -> Context:
        from slowq.context import completed, loads
        from slowq.context.live import Question, text_of

        asked = _ask(self._uri, Question(slow=slow), self._login)
        name = f"{asked.uri} (slowq context)"  # whose lines findings cite
        trouble = [f"Not known from Milvus: {one}." for one in asked.trouble]
        if self._file is None:
            context = loads(text_of(asked), name)
        else:
            context, differences = completed(self._file, text_of(asked), name)
            for sentence in differences:
                messages.warning(f"{sentence}; the file counts")
            trouble += [f"{sentence}; the file counts." for sentence in differences]
        return replace(context, asked=asked.uri, asked_at=asked.at, trouble=tuple(trouble))


def code_of_milvus(context: Context | Live | None) -> int:
    """The exit code of a Milvus that was asked for and could not be used; 0 for none."""
    return context.failed.exit_code if isinstance(context, Live) and context.failed else 0


def _gauges(pages: Sequence[str], prometheus: str | None, selector: str | None, timeout_s: float) -> tuple[Gauge, ...]:
    """Where the load of the nodes is measured."""
    from slowq.context.live import Measured, Page
    from slowq.metrics.prometheus import Prometheus

    found: list[Gauge] = [Page.of(one) for one in pages]
    if url := prometheus or os.environ.get(URL):
        found.append(Measured(Prometheus(url, selector=selector, timeout_s=min(timeout_s, PROMETHEUS_S))))
    return tuple(found)


def _ask(uri: str, question: Question, login: Login, progress: Progress | None = None) -> Asked:
    """The facts; what was refused is said as warnings."""
    from slowq.context.live import ask

    asked = ask(uri, question, login, progress=progress)
    for sentence in asked.trouble:
        messages.warning(sentence)
    return asked
