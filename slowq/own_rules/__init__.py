"""Rules of the user's own: one class a file, in the folder that `slowq.toml` names as `[rules] folder`.

Guarantees: a file that is no usable rule is told as broken, and ends nothing; no bytecode is left in the folder. The
files are programs, run with the rights of who runs slowq, as `slowq.toml` says.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any

from slowq.config import Config
from slowq.errors import UsageError
from slowq.facts import Need
from slowq.findings import CAUSES, SEVERITIES, Broken, Remedy, cause_of
from slowq.rule import About, Rule

FOLDER = "rules.folder"
_PACKAGE = "slowq_own_rules"  # what the files are called among the modules of Python


@dataclass(frozen=True, slots=True)
class OwnRules:
    """The rules of a folder, by name, and the files that hold none: name and why."""

    rules: tuple[Rule, ...] = ()
    unusable: tuple[tuple[str, Broken], ...] = ()


class NotARuleError(Exception):
    """The file runs, and yet is no rule."""


class _Fresh(SourceFileLoader):
    """Reads the source each time: no bytecode beside it."""

    def path_stats(self, path: Any) -> Any:
        raise OSError


def of_config(config: Config) -> OwnRules:
    """The rules of the folder that the configuration names, seen from its file. Raises UsageError where it is none."""
    named = config.get(FOLDER)
    if named is None:
        return OwnRules()
    folder = folder_of(config, named)
    if not folder.is_dir():
        raise UsageError(
            f"{config.place(FOLDER)}: {FOLDER} = {named!r}: there is no folder {str(folder)!r}",
            hint="make it and a first rule with slowq rules new NAME",
        )
    return load(folder)


def folder_of(config: Config, named: str) -> Path:
    return Path(config.path or ".").parent / Path(named).expanduser()


def load(folder: Path) -> OwnRules:
    """Every file of Python in the folder, but for tests and what begins with an underscore."""
    found, unusable = [], []
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith(("_", "test_")) or path.name == "conftest.py":
            continue
        try:
            found.append(load_rule(path))
        except NotARuleError as error:
            unusable.append((path.stem, Broken(f"{error} ({path.name})")))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a file of the user's, which may raise anything
            unusable.append((path.stem, Broken.by(error)))
    return OwnRules(tuple(found), tuple(unusable))


def load_rule(path: Path) -> Rule:
    """The one rule of a file, checked. Raises NotARuleError, or what the file raises."""
    name = path.stem
    if not is_name(name):
        raise NotARuleError(f"{name!r} is no name of a rule: small letters, digits and underscores, a letter first")
    if is_taken(name):
        raise NotARuleError(f"slowq means something else by {name} already; give your rule another name")
    module = _run(path, f"{_PACKAGE}.{name}")
    classes = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__ and callable(getattr(one, "check", None))
    ]
    if len(classes) != 1:
        raise NotARuleError(f"a file holds one class with a method check, and this holds {len(classes)}")
    parameters = getattr(classes[0], "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise NotARuleError(f"{classes[0].__name__} is no frozen dataclass, and may answer from what it remembers")
    rule: Rule = classes[0]()
    _check_about(getattr(rule, "about", None), name)
    if not (module.__doc__ or "").strip():
        raise NotARuleError("the file has no docstring, which slowq explain would print")
    return rule


def is_name(name: str) -> bool:
    """Whether a rule can have the name: also that of a module, of its file and of what reports call it."""
    fits = name.isascii() and name.isidentifier() and name == name.lower() and not name.startswith("_")
    return fits and not iskeyword(name)


def is_taken(name: str) -> bool:
    """Whether it is what slowq calls a rule of its own, a cause or a severity."""
    return cause_of(name) is not None or name in CAUSES or name in SEVERITIES


def _run(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_loader(name, _Fresh(name, str(path)))
    if spec is None:
        raise NotARuleError("it cannot be run")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses, and slowq explain, look there
    try:
        _Fresh(name, str(path)).exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _check_about(about: object, name: str) -> None:
    if not isinstance(about, About):
        raise NotARuleError("the class has no `about` that is an About")
    if about.id != name:
        raise NotARuleError(f"about.id is {about.id!r}, and the file is called {name!r}")
    if not isinstance(about.title, str) or not about.title.strip():
        raise NotARuleError("about.title is empty")
    for part, kind in (("needs", Need), ("remedies", Remedy)):
        held = getattr(about, part)
        if not isinstance(held, tuple) or not held or not all(isinstance(one, kind) for one in held):
            raise NotARuleError(f"about.{part} is no tuple of {kind.__name__}, or is empty")
