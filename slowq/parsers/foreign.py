"""What a line is that zap did not write: the C++ core's, the Pulsar client's, a further piece of an entry, or nobody's that
we know.

A line is classed by its own shape alone, never by its neighbours, so that a log gives the same counts whole or split.
"""

import re
from typing import Literal

from slowq.moments import iso_moment
from slowq.parsers import zap

LineClass = Literal["milvus", "continuation", "unrecognised"]

# The C++ core: glog up to 2.6.8 (`I20250522 09:52:55.785657 12779 SegmentSealed.cpp:175] …`), easylogging in 2.0
# (`2022-02-09 10:30:18,274 DEBUG [default] [user@host] [void Reduce…`), and gin's HTTP lines.
_MILVUS = re.compile(
    rb"[IWEF]\d{4}(?:\d{4})? \d\d:\d\d:\d\d\.\d+\s+\d+ [\w./-]+:\d+\] "
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:TRACE|DEBUG|INFO|WARNING|ERROR|FATAL) \[default\] \["
    rb"|\[GIN(?:-debug)?\] "
    rb"|\[(?:SERVER|SEGCORE|KNOWHERE|STORAGE)\]\["
)
# The Go client of Pulsar, which is a part of Milvus, writes by logrus
# (`time="2022-06-07T06:19:45Z" level=error msg="[Failed to create producer]" error="…" topic="persistent://…"`).
_PULSAR = re.compile(
    rb'time="(20\d\d-\d\d-\d\dT[^"\s]{1,30})" level=(\w+) msg="((?:[^"\\]|\\.)*+)"(?=[^\n]*(?:persistent://|pulsar))(.*)'
)
_PAIR = re.compile(rb' (\w{1,64})=(?:"((?:[^"\\]|\\.)*+)"|([^"\s]*+))')
# Go panics and stack traces, C++ backtraces, the start-up banner, and what a line feed inside a value leaves behind.
_CONTINUATION = re.compile(
    rb"\s|$|panic: |fatal error: |attempt #\d+:|goroutine \d+ |created by |runtime(?:\.|/)|exit status |signal: |\[signal "
    rb"|SIG[A-Z]{2,6}[:\s]|PC=0x|signal arrived during |#\d+ |@ {1,8}0x|\*\*\* "
    rb"|(?:github\.com|google\.golang\.org|go\.\w+\.\w+|golang\.org|k8s\.io|gopkg\.in)/"
    rb"|(?:main|net/http|sync|reflect|syscall|testing|context|io|bufio|os/signal)\.[\w(*.)]+\("
    rb"|/\S+\.(?:go|cpp|cc|h|s):\d+|\[\.\.\.additional frames elided\.\.\.\]|rax |rbx |rcx |rdx |r\d+ |rip |rflags "
    rb"|Welcome to use Milvus|Version: |Built: |GitCommit: |GoVersion: |TotalMem: |UsedMem: |open pid file: |lock pid file: "
    rb"|---Milvus |Set runtime dir|\+ exec |terminate called |  what\(\)|backtrace|Stack trace"
)
BANNER_VERSION = re.compile(rb"Version:\s++v?(\d+\.\d+\.\d++[\w.-]*+)\s*+$")
IMAGE_VERSION = re.compile(rb"milvusdb/milvus(?:-\w++)?:v?(\d++\.\d++\.\d++[\w.-]*+)")


def class_of(text: bytes) -> LineClass:
    """The class of a line that does not begin with a zap time stamp."""
    if _MILVUS.match(text) or _PULSAR.match(text):
        return "milvus"
    if _CONTINUATION.match(text):
        return "continuation"
    return "unrecognised"


def of_pulsar(text: bytes) -> zap.Entry | None:
    """A line of the Pulsar client, as an entry of the log: its message without brackets, its pairs as fields."""
    found = _PULSAR.match(text)
    moment = iso_moment(found[1].decode("ascii", "replace")) if found else None
    if found is None or moment is None or moment.tzinfo is None:
        return None
    fields = {pair[1]: zap.unescape(pair[2]) if pair[2] is not None else pair[3] for pair in _PAIR.finditer(found[4])}
    time_ms = round(moment.timestamp() * 1000)
    return zap.Entry(time_ms, found[2].upper(), b"", zap.unescape(found[3]).strip(b"[]"), fields)
