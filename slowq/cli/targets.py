"""The options of a target: the bundled engine, or a Milvus that somebody else runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.cli import messages
from slowq.errors import UsageError

if TYPE_CHECKING:
    from slowq.repro.fitting import LeftOut
    from slowq.repro.run import Options
    from slowq.repro.scenario import Scenario

Uri = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="engine|URI",
        help="The bundled engine, or a real Milvus, on which only collections named slowq_repro_… are made, and dropped.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before a real Milvus is used.")]
Logs = Annotated[
    str | None,
    typer.Option(
        "--target-log",
        metavar="PATH",
        help="Where a real Milvus writes its log, a file or a folder, also while files are rotated.",
        show_default=False,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--target-metrics",
        metavar="URL",
        help="The page of metrics of a real Milvus; port 9091 of its host if not given.",
        show_default=False,
    ),
]
BesideTraffic = Annotated[
    bool, typer.Option("--beside-traffic", help="Use a real Milvus although others send requests to it.")
]


@dataclass(frozen=True, slots=True)
class Aim:
    """What the options of a target say. The token comes from the environment."""

    uri: str = "engine"
    log: str | None = None
    metrics: str | None = None
    token_env: str | None = None
    yes: bool = False
    beside_traffic: bool = False

    @property
    def is_engine(self) -> bool:
        return self.uri == "engine"

    def options(self, rounds: int, seconds: float, seed: int) -> Options:
        """Asks whether a real Milvus may be used. Raises UsageError for what is wrong, and where nobody can be asked."""
        from slowq.context.live import Address, Login, Page
        from slowq.repro.run import Options

        if self.is_engine:
            self._refuse_what_is_of_a_milvus()
            return Options(rounds, seconds, seed)
        Address.of(self.uri)
        page = Page.of(self.metrics).uri if self.metrics else None
        self._ask()
        return Options(
            rounds,
            seconds,
            seed,
            self.uri,
            Login.of(token_env=self.token_env).token or "",
            Path(self.log) if self.log else None,
            page,
            self.beside_traffic,
        )

    def _refuse_what_is_of_a_milvus(self) -> None:
        for name, given in (("--target-log", self.log), ("--target-metrics", self.metrics)):
            if given:
                raise UsageError(f"{name} is of a real Milvus", hint="name it with --target http://host:19530")

    def _ask(self) -> None:
        if self.yes:
            return
        where = messages.without_credentials(self.uri)
        question = f"Make collections named slowq_repro_… on {where}, load the server, and drop them?"
        if not sys.stdin.isatty():
            raise UsageError(f"{question} Nobody is there to answer", hint="--yes says yes")
        if not typer.confirm(question, err=True):
            raise typer.Abort


def fit(scenario: Scenario, options: Options, chosen: Sequence[str] = ()) -> Scenario:
    """The scenario as the target can have it, with the chosen remedies or all. What it cannot is said.

    Raises UsageError where nothing is left to be measured.
    """
    left: tuple[LeftOut, ...] = ()
    if not options.on_engine:
        from slowq.repro.fitting import fitted
        from slowq.repro.prepare import server_version

        scenario, left = fitted(scenario, server_version(options.target, options.token))
    for one in left:
        if not chosen or one.remedy in chosen:
            messages.warning(f"the remedy {one.remedy} was not tried: {one.because}")
    remedies = tuple(one for one in scenario.remedies if not chosen or one.key in chosen)
    if not remedies:
        raise UsageError(f"no remedy of {scenario.name} can be measured on {options.shown}", hint="--target engine")
    return replace(scenario, remedies=remedies)
