"""`slowq`, and `python -m slowq`."""

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from slowq.cli import main

# Tables make hardly any cycles, and to look for some every 700 objects takes a twentieth of a short run.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def run() -> NoReturn:
    """Run the command line, and end with its exit code, without taking every module and object apart.

    That takes 0.1 s of each run once pandas and Arrow are loaded. Handlers of the exit are called, and threads awaited.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    code = main()
    if threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or never there
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
