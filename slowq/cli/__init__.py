"""The command line. Results go to standard output, everything else to standard error; exit codes are the contract's.

One command a file: options, one call, print, exit code. What takes long to import is imported within the commands, so
that `slowq --help` answers at once. Errors are turned into messages here and nowhere else.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from slowq import __version__
from slowq.cli import (
    analyze,
    check,
    config,
    context,
    engine,
    explain,
    messages,
    metrics,
    reproduce,
    requests,
    rules,
    scenarios,
    show,
    whatif,
)
from slowq.cli import filter as filter_
from slowq.cli.options import BUG
from slowq.errors import SlowqError

# What a shell reports of a program that these signals ended.
_INTERRUPTED = 130
_PIPE_CLOSED = 141
_WRONG_COMMAND_LINE = 2

# The root of typer's errors about the command line; which click it is from depends on typer's version.
_CommandLineError: Any = typer.BadParameter.__mro__[1]


@dataclass(slots=True)
class _Run:
    verbose: bool = False


class _PipeClosedError(Exception):
    """Whoever read our output has gone."""


class _Commands(TyperGroup):
    """Keeps a closed pipe from typer, which would exit with 1 as if a gate had failed."""

    def make_context(self, *given: Any, **named: Any) -> Any:  # where --help and --version print
        try:
            return super().make_context(*given, **named)
        except BrokenPipeError as error:
            raise _PipeClosedError from error

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeClosedError from error


def main() -> int:
    """Run the command line that `sys.argv` holds; the exit code."""
    # NumPy's linear algebra, which slowq does not use, would start a thread a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's own allocator keeps a tenth of a run's memory for what never comes, and more in an engine that serves for days.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # A process that is started beside open channels may crash in gRPC's own handlers of a fork (grpcio from 1.80 on).
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    run = _Run()
    try:
        code = app()(prog_name="slowq", standalone_mode=False, obj=run)
        if sys.stdout is not None:
            sys.stdout.flush()
    except SlowqError as error:
        messages.error(error.message, error.hint)
        return error.exit_code
    except _CommandLineError as error:
        path = error.ctx.command_path if error.ctx else "slowq"
        said = error.format_message().replace("Value error, ", "").rstrip(".")  # how newer versions of typer begin
        messages.error(said[:1].lower() + said[1:], f"{path} --help lists what it takes")
        return _WRONG_COMMAND_LINE
    except (_PipeClosedError, BrokenPipeError):
        messages.let_go(sys.stdout)
        return _PIPE_CLOSED
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - one of the two borders: a crash must not look like a result
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            messages.error(f"cannot write: {error.strerror}")
            messages.let_go(sys.stdout)
            return _WRONG_COMMAND_LINE
        _report_bug(error, run.verbose)
        return BUG
    return code or 0


def _report_bug(error: Exception, verbose: bool) -> None:
    if verbose:
        import traceback

        messages.error("".join(traceback.format_exception(error)).rstrip())
    messages.error(
        f"this is a bug in slowq, and nothing was concluded: {type(error).__name__}: {error}",
        "please report it" + ("" if verbose else ", with what the same command with -v prints"),
    )


def app() -> typer.Typer:
    """Every command, as typer runs them. Return values are exit codes."""
    commands = typer.Typer(
        name="slowq",
        cls=_Commands,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    commands.callback(invoke_without_command=True)(_root)
    commands.command("analyze")(analyze.run)
    commands.command("show")(show.run)
    commands.command("check")(check.run)
    commands.command("metrics")(metrics.run)
    commands.command("context")(context.run)
    commands.command("reproduce")(reproduce.run)
    commands.command("what-if")(whatif.run)
    faults = typer.Typer(rich_markup_mode=None, help="Faults that can be made, seen and taken away again.")
    faults.command("list")(scenarios.list_)
    faults.command("run")(scenarios.run)
    commands.add_typer(faults, name="scenarios")
    commands.command("requests")(requests.run)
    commands.command("filter")(filter_.run)
    commands.command("explain")(explain.run)
    reference = typer.Typer(rich_markup_mode=None, help="The bundled reference vector engine: Milvus in small.")
    reference.command("serve")(engine.serve)
    commands.add_typer(reference, name="engine")
    settings = typer.Typer(rich_markup_mode=None, help="Show what slowq.toml sets, and what it may.")
    settings.command("show")(config.show)
    settings.command("schema")(config.schema)
    commands.add_typer(settings, name="config")
    catalogue = typer.Typer(rich_markup_mode=None)
    catalogue.callback(invoke_without_command=True)(rules.run)
    catalogue.command("new")(rules.new)
    commands.add_typer(catalogue, name="rules")
    return commands


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"slowq {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show the traceback where slowq itself fails.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Why are my Milvus searches slow, and what do I change?

    slowq reads the logs of Milvus, names the cause of slow searches with the lines that show it, and says what to
    change. Begin with: slowq analyze PATH
    """
    ctx.obj.verbose = verbose
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(_WRONG_COMMAND_LINE)
