"""Does a stated confidence of 0.8 come true eight times in ten? Bins, and a drawing of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.accuracy.intervals import wilson
from bench.accuracy.scores import Row

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ENOUGH = 8  # diagnoses in a bin, below which it shows nothing
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Bin:
    low: float
    high: float
    n: int
    right: int
    stated: float  # mean of the confidences in it

    @property
    def came_true(self) -> float:
        return self.right / self.n

    @property
    def holds(self) -> bool | None:
        """Whether stated and true are within ten points; None for too few cases."""
        return abs(self.stated - self.came_true) <= TOLERANCE + 1e-9 if self.n >= ENOUGH else None


def bins(judged: Sequence[Row]) -> list[Bin]:
    """Of the diagnoses of decidable cases, by the confidence of the verdict; right means cause and sub-cause."""
    stated = [
        (float(row.verdict["confidence"]), row.judged.exact)
        for row in judged
        if row.verdict.get("outcome") == "diagnosed" and row.case.truth.decidable
    ]
    found = []
    for low, high in pairwise(EDGES):
        inside = [(p, right) for p, right in stated if low <= p < high or p == high == 1.0]
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            found.append(Bin(low, high, len(inside), sum(right for _, right in inside), mean))
    return found


WIDTH, HEIGHT, LEFT, TOP, SIDE = 720, 420, 60, 50, 300


def drawing(panels: Sequence[tuple[str, Sequence[Bin]]]) -> str:
    """One panel for each part, side by side: what was stated against what came true, with 95 % intervals and counts."""
    drawn = "".join(_panel(title, some, LEFT + k * (SIDE + 40)) for k, (title, some) in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Stated confidence against the share of verdicts that were right">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{drawn}'
        f'<text x="{WIDTH / 2:g}" y="{HEIGHT - 12}" text-anchor="middle">stated confidence (mean of the bin); bars: 95 % '
        "interval; numbers: verdicts in the bin</text>\n</svg>\n"
    )


def _panel(title: str, some: Sequence[Bin], left: float) -> str:
    def x(share: float) -> float:
        return round(left + share * SIDE, 1)

    def y(share: float) -> float:
        return round(TOP + (1 - share) * SIDE, 1)

    parts = [f'<text x="{left}" y="{TOP - 18}" font-weight="bold">{title}</text>\n']
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<line x1="{x(0)}" y1="{y(tick)}" x2="{x(1)}" y2="{y(tick)}" stroke="#ddd"/>\n')
        parts.append(f'<text x="{x(tick)}" y="{TOP + SIDE + 18}" text-anchor="middle">{tick:g}</text>\n')
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:g}</text>\n')
    parts.append(f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#888" stroke-dasharray="4 4"/>\n')
    for one in some:
        low, high = wilson(one.right, one.n)
        colour = "#1f5f99" if one.n >= ENOUGH else "#9db8d1"
        parts.append(
            f'<line x1="{x(one.stated)}" y1="{y(low)}" x2="{x(one.stated)}" y2="{y(high)}" stroke="{colour}"/>\n'
            f'<circle cx="{x(one.stated)}" cy="{y(one.came_true)}" r="5" fill="{colour}"/>\n'
            f'<text x="{x(one.stated) - 9}" y="{y(one.came_true) + 16}" text-anchor="end">{one.n}</text>\n'
        )
    return "".join(parts)
