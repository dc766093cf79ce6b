"""What real logs come wrapped in: layers around a Milvus line, taken off one by one.

    docker json-file     {"log":"[2024/05/22 …\\n","stream":"stdout","time":"2024-05-22T08:15:19Z"}
    CRI                  2025-08-23T19:22:19.900123456Z stdout F [2025/08/23 …          (P: a piece, joined up to the F)
    kubectl --prefix     [pod/milvus-proxy-7d/proxy] [2025/08/23 …
    kubectl --timestamps 2025-08-23T19:22:19.900123456Z [2025/08/23 …
    stern                milvus-proxy-7d proxy [2025/08/23 …                        (also the pod alone, or a namespace before it)
    kubetail             [milvus-proxy-7d proxy] [2025/08/23 …
    docker compose       milvus-standalone  | [2025/08/23 …
    syslog, journalctl   Aug 23 19:22:19 host milvus[812]: [2025/08/23 …            (also with an ISO time)
    journalctl, JSON     {"MESSAGE":"[2025/08/23 …","_HOSTNAME":"…"}
    grep                 logs/proxy-7d.log:4711:[2025/08/23 …                       (the file, the number, or both)
    Loki, logcli         2025-08-23T19:22:19Z {pod="milvus-proxy"} [2025/08/23 …        (or a time, a tab, the line)
    Grafana, text        1755976939900\t2025-08-23T19:22:19.900Z\t[2025/08/23 …
    Loki, JSON lines     {"labels":{"pod":"…"},"line":"[2025/08/23 …","timestamp":"…"}
    Elasticsearch        {"_source":{"message":"[2025/08/23 …","@timestamp":"…"}}
    CSV export           "2024-05-22T16:15:19+08:00","{""log"":""[2024/05/22 …\\n""}"

Layers nest in any order (a CSV of docker JSON of Milvus text is a real case), and ANSI colours may stand anywhere.
"""

import csv
import json
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from slowq.parsers import zap
from slowq.parsers.foreign import class_of
from slowq.sources.paths import node_of

MAX_LAYERS = 6
_MAX_JSON = 8 << 20

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_ISO = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_CRI = re.compile(rb"(?:" + _ISO + rb") (stdout|stderr) ([FP])(?::\S*)? ?")
_POD = re.compile(rb"\[(?:pod|container)/([^/\]\s]{1,253})/([^/\]\s]{1,253})\] ")
_STAMP = re.compile(rb"(?:" + _ISO + rb")( |\t)(?=\S)")
_GRAFANA = re.compile(rb"\d{10,19}\t(?:" + _ISO + rb")\t")
_LOKI = re.compile(rb"(?:" + _ISO + rb")\s+(\{[^{}]{0,4096}\})\s+")
_COMPOSE = re.compile(rb"([A-Za-z0-9][\w.-]{0,127}) *\| ")
# Names of pods, containers and namespaces are lower-case DNS labels (RFC 1123); what begins with a digit is a time.
_NAME = rb"[a-z][a-z0-9.-]{0,252}"
_STERN = re.compile(rb"((?:" + _NAME + rb" ){1,3})")
_MARK = re.compile(rb"[-\d]")  # in the name of each pod of a controller, and in few words of prose
_KUBETAIL = re.compile(rb"\[(" + _NAME + rb")(?: " + _NAME + rb")?\] ")
_SYSLOG_TIME = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"
_SYSLOG = re.compile(rb"(?:" + _SYSLOG_TIME + rb"|" + _ISO + rb") ([\w.-]{1,253}) [\w./-]{1,128}(?:\[\d+\])?: ")
_GREP = re.compile(rb'(?:([^\s:]{1,1024}?)[:-])?(?:\d{1,12}[:-])?(?=\[20\d\d/|\{"level":"|time="20)')
_LABELS = (b"pod", b"container", b"container_name", b"compose_service", b"instance")
_LABEL = re.compile(rb"\b(" + b"|".join(_LABELS) + rb')="([^"]{1,253})"')
# Where a JSON wrapper keeps the line, in the order in which to look.
_JSON_KEYS = (
    "log",
    "line",
    "message",
    "msg",
    "textPayload",
    "body",
    "@message",
    "_raw",
    "event",
    "original",
    "MESSAGE",
)
_JSON_NESTS = ("_source", "fields", "event", "jsonPayload", "result", "data")
_OWN_NODE_KEYS = ("podName", "_HOSTNAME")  # of stern and of journalctl, beside the line
_NODE_KEYS = ("pod", "pod_name", "container", "container_name", "instance", "name")


@dataclass(frozen=True, slots=True)
class Inner:
    """What is inside one physical line.

    `layers` names the wrappers from the outside in; `entry` is set where the innermost is a JSON entry of zap.
    `partial` means that the entry goes on in the next line of the same `stream`.
    """

    text: bytes
    layers: tuple[str, ...] = ()
    node: str | None = None
    stream: str = ""
    partial: bool = False
    entry: zap.Entry | None = None


def unwrap(line: bytes, unfinished: Container[str] = ()) -> Inner:
    """Take off every layer. A line in no wrapper comes back as it is.

    `unfinished` names the streams of which a piece was read before: what comes next on them is a piece as well, and not
    to be looked into.
    """
    inner = Inner(line.lstrip(b"\0"))
    for _ in range(MAX_LAYERS):
        text = inner.text
        if inner.partial or inner.stream in unfinished:
            return inner
        if b"\x1b[" in text:
            text = without_colours(text)
            inner = Inner(text, inner.layers, inner.node, inner.stream)
        if zap.TEXT_PREFIX.match(text):
            return inner
        peeled = _peel(text, inner)
        if peeled is None:
            return inner
        inner = peeled
        if inner.entry is not None:
            return inner
    return inner


def without_colours(text: bytes) -> bytes:
    return _ANSI.sub(b"", text)


def _peel(text: bytes, outer: Inner) -> Inner | None:
    first = text[:1]
    if first == b"{":
        return _peel_json(text, outer)
    if first == b"[":
        if match := _POD.match(text):
            return _inside(outer, text[match.end() :], "kubectl-prefix", node=match[1])
        match = _KUBETAIL.match(text)
        return match and _behind_name(outer, text, match.end(), "kubetail", match[1])
    if first.isdigit():
        if match := _CRI.match(text):
            return _inside(
                outer, text[match.end() :], "cri", stream="cri:" + match[1].decode(), partial=match[2] == b"P"
            )
        if match := _GRAFANA.match(text):
            return _inside(outer, text[match.end() :], "grafana")
        if match := _LOKI.match(text):
            labels = dict(_LABEL.findall(match[1]))
            node = next((labels[name] for name in _LABELS if name in labels), None)
            return _inside(outer, text[match.end() :], "loki", node=node)
    if found := _peel_names(text, outer):
        return found
    if match := _STAMP.match(text):
        name = "loki" if match[1] == b"\t" else "kubectl-timestamps"
        return _inside(outer, text[match.end() :], name)
    if b'"' in text and b"," in text:
        return _peel_csv(text, outer)
    return None


def _peel_names(text: bytes, outer: Inner) -> Inner | None:
    """A line behind the names of where it was written."""
    if (match := _COMPOSE.match(text)) and zap_may_follow(text, match.end()):
        return _inside(outer, text[match.end() :], "compose", node=match[1])
    if match := _SYSLOG.match(text):
        return _behind_name(outer, text, match.end(), "syslog", match[1])
    if match := _STERN.match(text):
        names = match[1].split()
        pod = names[-2] if len(names) > 1 else names[0]
        is_name = _MARK.search(pod) or node_of(pod.decode())
        return _behind_name(outer, text, match.end(), "stern", pod) if is_name else None
    if match := _GREP.match(text):
        return _inside(
            outer, text[match.end() :], "grep", node=match[1] and node_of(match[1].decode("utf-8", "replace"))
        )
    return None


def _behind_name(outer: Inner, text: bytes, at: int, layer: str, node: bytes) -> Inner | None:
    """What stands behind nothing but names, where it is surely a line: prose begins with words as well."""
    inner = text[at:]
    is_wrapped = inner.startswith(b'{"') or _STAMP.match(inner)
    is_known = inner[:1] not in (b" ", b"") and class_of(inner) != "unrecognised"
    if is_wrapped or is_known or zap.TEXT_PREFIX.match(inner):
        return _inside(outer, inner, layer, node=node)
    return None


def zap_may_follow(text: bytes, at: int) -> bool:
    """Whether what follows a compose prefix can be more than prose with a bar in it."""
    return text[at : at + 1] in (b"[", b"{", b"\x1b", b"\t", b" ", b"") or text[at : at + 4].isdigit() or at > 12


def _inside(
    outer: Inner, text: bytes, layer: str, *, node: bytes | str | None = None, stream: str = "", partial: bool = False
) -> Inner:
    name = node.decode("utf-8", "replace") if isinstance(node, bytes) else node
    key = outer.stream + (stream or (f"{layer}:{name}" if name else ""))
    return Inner(text, (*outer.layers, layer), outer.node or name, key, outer.partial or partial)


def _peel_json(text: bytes, outer: Inner) -> Inner | None:
    if len(text) > _MAX_JSON:
        return None
    try:
        # Wrong bytes become U+FFFD here, as they do in text lines at the end.
        document = json.loads(text.decode("utf-8", "replace"), strict=False)
        if not isinstance(document, dict):
            return None
        entry = zap.parse_json(document)
    except (ValueError, RecursionError):
        return None
    if entry is not None and (entry.caller or "caller" in document):
        return Inner(text, outer.layers, outer.node, outer.stream, False, entry)
    line, depth = _line_of(document)
    if line is None:
        return None
    layer = _name_of(document, depth)
    # The json-file driver cuts entries at 16 KiB: only the last piece ends with a line feed.
    partial = layer == "docker-json" and not line.endswith("\n")
    return _inside(
        outer,
        line.rstrip("\r\n").encode("utf-8", "surrogatepass"),
        layer,
        node=_node_of(document),
        stream=f"docker:{document.get('stream')}" if layer == "docker-json" else "",
        partial=partial,
    )


def _line_of(document: dict[str, Any], depth: int = 0) -> tuple[str | None, int]:
    """The string in a JSON wrapper that is the log line, and how deep it lay."""
    for key in _JSON_KEYS:
        value = document.get(key)
        if isinstance(value, str):
            return value, depth
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            return value[0], depth
    if depth < 3:
        for key in _JSON_NESTS:
            nested = document.get(key)
            if isinstance(nested, dict):
                found, at = _line_of(nested, depth + 1)
                if found is not None:
                    return found, at
    return None, depth


def _name_of(document: dict[str, Any], depth: int) -> str:
    if depth == 0 and "log" in document and "stream" in document and "@timestamp" not in document:
        return "docker-json"
    if depth == 0 and "line" in document:
        return "loki-jsonl"
    if "MESSAGE" in document:
        return "journal"
    return "elastic"


def _node_of(document: dict[str, Any], depth: int = 0) -> str | None:
    if found := _named(document, _OWN_NODE_KEYS):
        return found
    of_grafana = ("fields",) if "line" in document else ()
    for key in ("labels", "stream", "kubernetes", "_source", "container", *of_grafana):
        nested = document.get(key) if depth < 3 else None
        if isinstance(nested, dict) and (found := _named(nested, _NODE_KEYS) or _node_of(nested, depth + 1)):
            return found
    return None


def _named(document: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of these that is a text, or an object with a name."""
    for key in keys:
        value = document.get(key)
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and value:
            return value.encode("utf-8", "replace").decode()
    return None


def _peel_csv(text: bytes, outer: Inner) -> Inner | None:
    """The first column of a CSV record that is, wrapped or not, a Milvus line."""
    decoded = text.decode("utf-8", "surrogateescape")
    if "\0" in decoded:
        return None
    csv.field_size_limit(_MAX_JSON)
    for separator in (",", ";", "\t"):
        try:
            record = next(csv.reader([decoded], delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        for cell in record if len(record) > 1 else ():
            candidate = cell.encode("utf-8", "surrogateescape").rstrip(b"\r\n")
            known = candidate.startswith((b"[20", b"{", b"\x1b")) or _CRI.match(candidate)
            if known or class_of(candidate) == "milvus":
                return _inside(outer, candidate, "csv")
    return None
