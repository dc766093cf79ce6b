"""A YAML or JSON file to a tree of nodes that know their lines, or a UsageError that says where it is broken.

Nothing is ever constructed from a tag, and no file can make this slow or deep: the size and the depth are bounded, and
aliases, which can multiply a small file without limit, are refused.
"""

import json
import re

import yaml
from yaml.composer import ComposerError

from slowq.errors import UsageError

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 50  # the deepest key of the contract stands at 8

_Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_PAIR = r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
_JSON_ONLY = re.compile(rf"{_SURROGATE_PAIR}|\\.|\t")


def read_nodes(path: str) -> yaml.Node | None:
    """The root node of the file's one document; None where it is empty."""
    return nodes_of(path, _read_text(path))


def nodes_of(name: str, text: str) -> yaml.Node | None:
    """The same of a text. `name` is where it comes from."""
    return _compose(name, _json_as_yaml(text))


def _read_text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "check the path; docs/context.md says what the file may hold"
        raise UsageError(f"cannot read the context file {path!r}: it does not exist", hint=hint) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        hint = "--context takes one readable YAML or JSON file"
        raise UsageError(f"cannot read the context file {path!r}: {reason}", hint=hint) from None
    if len(content) > MAX_BYTES:
        hint = "give logs as PATH; a context file holds only what they cannot show"
        raise UsageError(f"{path}: a context file of more than {MAX_BYTES >> 20} MiB is not read", hint=hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: not UTF-8: byte 0x{content[error.start]:02x} ({error.reason})"
        raise UsageError(message, hint="save the file as UTF-8") from None


def _json_as_yaml(text: str) -> str:
    """JSON that YAML reads alike: YAML refuses tabs between tokens, and escapes like \\ud83d\\ude00. Lines stay."""
    if not text.lstrip().startswith(("{", "[")) or ("\t" not in text and "\\u" not in text):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text

    def rewritten(found: re.Match[str]) -> str:
        if found[1]:
            code = 0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00
            return f"\\U{code:08x}"
        return " " if found[0] == "\t" else found[0]  # valid JSON has no tab inside a string

    return _JSON_ONLY.sub(rewritten, text)


def _compose(path: str, text: str) -> yaml.Node | None:
    bad = _UNPRINTABLE.search(text)
    if bad:
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        raise UsageError(f"{path}:{line}:{column}: not valid YAML: the character U+{ord(bad[0]):04X} is not allowed")
    try:
        _refuse_unbounded(path, text)
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # Python's own scanner lets \UFFFFFFFF through to chr
        raise UsageError(f"{path}: not valid YAML: {str(error)[:200]}") from None
    return node


def _refuse_unbounded(path: str, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(path, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            hint = "write the value out"
            raise UsageError(f"{path}:{line}: the alias '*{str(event.anchor)[:60]}' is not allowed here", hint=hint)
        elif isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
            raise UsageError(f"{path}:{line}: not valid YAML: half of a surrogate pair is no character")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise UsageError(f"{path}:{line}: the tag {tag[:60]!r} is not allowed here", hint="remove it")


def _too_deep(path: str, line: int) -> UsageError:
    return UsageError(f"{path}:{line}: nested deeper than {MAX_DEPTH} levels")


def _syntax_error(path: str, error: yaml.MarkedYAMLError) -> UsageError:
    mark = error.problem_mark or error.context_mark
    if "nesting depth" in (error.problem or ""):  # libyaml has a limit of its own, and may meet it before we do
        return _too_deep(path, mark.line + 1 if mark else 1)
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
    while_doing = f" {error.context}:" if error.context else ""
    hint = "quote a text that holds ': ' or ' #', or that begins with one of [ ] { } * & ! | > % @ `"
    if isinstance(error, ComposerError):
        hint = "a context file is one document: remove the line '---' between the parts"
    return UsageError(f"{place}: not valid YAML:{while_doing} {error.problem}", hint=hint)
