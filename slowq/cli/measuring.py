"""Metrics as the command line names them: a file, or a server that is asked for the time of the slow requests."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.cli import messages
from slowq.errors import ServerError, UsageError

if TYPE_CHECKING:
    from slowq.gather import Answers, Window
    from slowq.metrics.prometheus import Answered

URL = "SLOWQ_PROMETHEUS_URL"
_LAST_S = 3600.0  # asked for where nothing says when it was slow

MetricsFile = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="FILE",
        help="Answers of Prometheus, as `slowq metrics --save` writes them. Enough without any log.",
        show_default=False,
    ),
]
PrometheusUrl = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help=f"A Prometheus to ask for the time of the slow requests and before ({URL} names one too). User, password or "
        "token come from SLOWQ_PROMETHEUS_… in the environment; see docs/metrics.md.",
        show_default=False,
    ),
]
Selector = Annotated[
    str | None,
    typer.Option(
        metavar="MATCHERS",
        help="Label matchers that choose one Milvus of several, such as 'namespace=\"prod\"'.",
        show_default=False,
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--prometheus-timeout", min=1, metavar="SECONDS", help="How long everything asked of it may take."),
]
TIMEOUT_S = 30.0


class Source:
    """What to ask for metrics; falsy where nothing was named. `failed` is the error that kept a server from use."""

    def __init__(
        self,
        file: str | None,
        url: str | None,
        selector: str | None,
        timeout_s: float = TIMEOUT_S,
        *,
        needed: bool = False,
    ) -> None:
        self._file = file
        self._url = url if url is not None or file is not None else os.environ.get(URL) or None
        self._selector, self._timeout_s, self._needed = selector, timeout_s, needed
        self.failed: ServerError | None = None
        self.answered: Answered | None = None
        if file is not None and url is not None:
            raise UsageError("--metrics and --prometheus are two sources of the same", hint="give one of them")
        if self._url is not None:
            from slowq.metrics.prometheus import checked_selector, checked_url

            checked_url(self._url)
            checked_selector(selector)

    def __bool__(self) -> bool:
        return self._file is not None or self._url is not None

    def __call__(self, window: Window | None) -> Answers | None:
        from slowq.gather import Answers
        from slowq.metrics import load

        if self._file is not None:
            return Answers(load(self._file), self._file)
        try:
            return self._asked(window)
        except ServerError as error:
            if self._needed:
                raise
            messages.error(error.message, error.hint)
            self.failed = error
            return None

    def _asked(self, window: Window | None) -> Answers | None:
        from slowq.gather import Answers
        from slowq.metrics.prometheus import Prometheus, Span, readable, shown_url

        if self._url is None:
            return None
        now = datetime.now(UTC).timestamp()
        server = Prometheus(self._url, selector=self._selector, timeout_s=self._timeout_s)
        self.answered = server.fetch(Span.around(window or (now - _LAST_S, now)))
        for sentence in self.answered.trouble:
            messages.warning(sentence)
        return Answers(readable(self.answered, self._url), shown_url(self._url), self.answered.trouble)


def code_of_server(source: Source) -> int:
    """The exit code of a server that was asked for and could not be used; 0 for none."""
    return source.failed.exit_code if source.failed else 0
