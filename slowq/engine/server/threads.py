"""The threads that serve calls, and how long a call has waited for one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_CALL = threading.local()


class Threads(ThreadPoolExecutor):
    def submit(self, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        return super().submit(_begin, time.perf_counter(), call, args, more)


def _begin(since: float, call: Callable[..., Any], args: tuple[Any, ...], more: dict[str, Any]) -> Any:
    _CALL.waited_s = time.perf_counter() - since
    return call(*args, **more)


def waited_s() -> float:
    """How long the call that this thread serves has waited for it; 0 in a thread that serves none."""
    return float(getattr(_CALL, "waited_s", 0.0))
