"""Where results go: standard output, or a file that is there only once it is whole."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from slowq.cli import messages
from slowq.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH = 100  # of text that goes to no terminal
_STDOUT = "-"


def is_stdout(path: str | None) -> bool:
    return path in (None, _STDOUT)


def is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def refuse_unwritable(path: str | None, *, force: bool) -> None:
    """Raise UsageError where a result could not be written: asked before the reading, which may take long."""
    if path is None or path == _STDOUT:
        return
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        raise UsageError(f"cannot write {path!r}: it is a folder", hint="name a file in it")
    if os.path.isfile(path) and not force:
        raise UsageError(f"{path!r} exists already", hint="name another file, or overwrite it with --force")
    if not os.path.isdir(folder):
        raise UsageError(f"cannot write {path!r}: there is no folder {folder!r}", hint="make the folder first")
    if not os.access(path if _is_special(path) else folder, os.W_OK):
        raise UsageError(f"cannot write {path!r}: permission denied")


def _is_special(path: str) -> bool:
    """A device, a pipe: nothing that a file could take the place of."""
    return os.path.exists(path) and not os.path.isfile(path)


@contextmanager
def opened(path: str | None, *, force: bool) -> Iterator[BinaryIO]:
    """A stream for the result. A file gets its name when all is written; on an error it is as it was before.

    Raises UsageError where it cannot be written, and BrokenPipeError where nobody reads standard output any more.
    """
    try:
        if path is None or path == _STDOUT:
            with _stdout() as stream:
                yield stream
        elif _is_special(path):
            with open(path, "wb") as stream:
                yield stream
        else:
            with _replaced(path, force=force) as stream:
                yield stream
    except BrokenPipeError:
        raise
    except OSError as error:
        what = "standard output" if is_stdout(path) else repr(path)
        raise UsageError(f"cannot write {what}: {error.strerror or error}") from error


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise OSError("it is closed")
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError:
        messages.let_go(sys.stdout)
        raise


@contextmanager
def _replaced(path: str, *, force: bool) -> Iterator[BinaryIO]:
    target = os.path.realpath(path)  # a link stays one
    being_written = os.path.join(os.path.dirname(target), f".slowq-{os.urandom(6).hex()}.tmp")
    try:
        with open(being_written, "xb") as stream:
            yield stream
        refuse_unwritable(path, force=force)  # it may have appeared meanwhile
        os.replace(being_written, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(being_written)
        raise


def text(draw: Callable[[Console], None], path: str | None = None) -> bytes:
    """What is drawn on a console that is like the place where it goes.

    As wide as the terminal, or WIDTH in a pipe, or what COLUMNS says in either; WIDTH in a file. Coloured by rich where
    it goes to a terminal and NO_COLOR is not set. In the encoding of standard output, or UTF-8 in a file.
    """
    from rich.console import Console

    page = io.BytesIO()
    if is_stdout(path):
        width, height = shutil.get_terminal_size((WIDTH, 50))
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        drawn_on = io.TextIOWrapper(page, encoding, "backslashreplace", newline="")
        console = Console(file=drawn_on, width=width, height=height, force_terminal=is_terminal() or None)
    else:
        drawn_on = io.TextIOWrapper(page, "utf-8", "backslashreplace", newline="")
        console = Console(file=drawn_on, width=WIDTH, color_system=None)
    draw(console)
    drawn_on.flush()
    return page.getvalue()


def write_lines(lines: Callable[[int], Iterable[str | Text]]) -> None:
    """Write lines, made for a width, to standard output."""

    def draw(console: Console) -> None:
        for line in lines(console.width):
            console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)

    with opened(None, force=False) as stream:
        stream.write(text(draw))


def heading(said: str) -> Text:
    from rich.text import Text

    return Text(said, "bold")


def indented(said: str, width: int, lead: str) -> list[str]:
    """What is said in rows of at most `width`; `lead` stands before the first, and as much space before the others."""
    room = max(width - len(lead), 20)
    rows = textwrap.wrap(said, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [(lead if at == 0 else " " * len(lead)) + row for at, row in enumerate(rows)]
