"""Every exception that slowq raises on purpose, and the exit code each one means.

    SlowqError
    ├── UsageError      2   the command line or a configuration or context file is wrong
    ├── InputError      3   the input cannot be used: missing, empty, not Milvus logs
    └── ServerError     4   a server that was asked for could not be used

A message says what failed, quotes the thing, and gives the reason; the hint, on its own line, says what to try.
Garbage inside a log is never an exception: parsers count it (`facts.Coverage`).
"""


class SlowqError(Exception):
    """Something that the user asked for cannot be done."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SlowqError):
    exit_code = 2


class InputError(SlowqError):
    exit_code = 3


class ServerError(SlowqError):
    exit_code = 4
