"""What a process holds after blocks of many sizes came and went, with and without a heap that is kept small."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from slowq.cli import heap
if sys.argv[1] == "small":
    assert heap.keep_small()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
pins = []
for _ in range(3):
    blocks = []
    for _ in range(64):
        blocks.append(libc.malloc(1 << 20))
        ctypes.memset(blocks[-1], 1, 1 << 20)
        pins.append(libc.malloc(60_000))
    for block in blocks:
        libc.free(block)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["RssAnon"].split()[0]) >> 10)
"""


def held_mib(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_large_blocks_that_are_freed_go_back_though_small_ones_lie_between_them() -> None:
    assert held_mib("as it comes") - held_mib("small") > 32


def test_arrow_takes_its_memory_from_the_system_too() -> None:
    program = "from slowq.cli import main; main(); import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert asked.stdout == "system\n"
