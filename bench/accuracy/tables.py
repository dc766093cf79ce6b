"""The figures as Markdown, and their place in the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- accuracy: written by bench/accuracy/run.py -->", "<!-- end of accuracy -->"


def percent(one: Mapping[str, Any]) -> str:
    """`41 of 44 (93 %, 82 % to 98 %)`; a dash for no case."""
    if not one["n"]:
        return "-"
    low, high = one["interval"]
    return f"{one['right']} of {one['n']} ({_points(one['share'])}, {_points(low)} to {_points(high)})"


def _points(share: float) -> str:
    return f"{share * 100:.0f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def parts(figures: Mapping[str, Mapping[str, Any]]) -> str:
    head = ("cases", "cause", "cause and sub-cause", "among the first three", "left undetermined", "false alarms")
    keys = ("cause", "exact", "among_three", "abstained", "false_alarm")
    return table(head, [[name, *(percent(one[key]) for key in keys)] for name, one in figures.items()])


def undecidable(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Of the parts that have such cases."""
    rows = [[name, percent(one["undecidable_fair"])] for name, one in figures.items() if one["undecidable_fair"]["n"]]
    return table(("cases that the evidence does not decide", "left undetermined, or rightly named"), rows)


def conditions(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    names = list(figures)
    rows = [
        [condition, *(percent(figures[part][condition][key]) for part in names for key in ("cause", "exact"))]
        for condition in figures[names[0]]
    ]
    return table(("given", *(f"{part}: {what}" for part in names for what in ("cause", "exact"))), rows)


def causes(scores: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [[name, percent(one["precision"]), percent(one["recall"]), _f1(one)] for name, one in scores.items()]
    return table(("cause", "precision", "recall", "F1 (95 %)"), rows)


def _f1(one: Mapping[str, Any]) -> str:
    if one["f1"] is None:
        return "-"
    low, high = one["f1_interval"]
    return f"{one['f1']:.2f} ({low:.2f} to {high:.2f})"


def confusion(counts: Mapping[str, Mapping[str, int]]) -> str:
    said = sorted({name for row in counts.values() for name in row})
    rows = [[label, *(str(row.get(name, "")) for name in said)] for label, row in counts.items()]
    return table(("is, said →", *said), rows)


def reliability(bins: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = [
        [part, f"{one['low']:g} to {one['high']:g}", str(one["n"]), f"{one['stated']:.2f}", f"{one['came_true']:.2f}"]
        for part, some in bins.items()
        for one in some
    ]
    return table(("part", "stated", "verdicts", "mean stated", "came true"), rows)


def placed(readme: str, text: str) -> str:
    """The README with this between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the README has no {BEGIN!r} … {END!r}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def write(readme: Path, text: str) -> None:
    readme.write_text(placed(readme.read_text(encoding="utf-8"), text), encoding="utf-8")
