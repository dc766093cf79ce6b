"""What a rule is.

A rule is a frozen dataclass in a file of `slowq/rules/`, or of the user's own folder, named like its sub-cause. Its
fields are its thresholds, each made with `threshold`, so that `slowq explain` can print the number with its meaning and
source. `about` says what it is; `check` is a pure function of the case: it opens no file and no socket and reads no
clock.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

from slowq.facts import Case, Need
from slowq.findings import CAUSES, Outcome, Remedy, cause_of


@dataclass(frozen=True, slots=True)
class About:
    """`title` is a sentence that a user would say; `needs` is what lets the rule judge where it cannot.

    `cause` is the class of the sub-cause; it need not be said of those that slowq knows.
    """

    id: str
    title: str
    needs: tuple[Need, ...]
    remedies: tuple[Remedy, ...]
    cause: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cause", self.cause or cause_of(self.id) or "")
        if self.cause not in CAUSES:
            raise ValueError(f"the cause of {self.id!r} is {self.cause!r}, and not one of {', '.join(CAUSES)}")


class Rule(Protocol):
    @property
    def about(self) -> About: ...

    def check(self, case: Case) -> Outcome: ...


def threshold(default: float, meaning: str) -> Any:
    """A rule's number, with what it means and where it comes from."""
    return dataclasses.field(default=default, metadata={"meaning": meaning})
