"""How evidence becomes a probability: the one place where confidences are made.

A rule begins with what its main sign is worth alone. Each further sign for it takes away a part of the doubt that is
left, each sign against it a part of the belief:

    p ← p + (1 - p) · weight        for
    p ← p · (1 - weight)            against

The weights are the rules' own and stand beside the signs. They are judgements, not measurements, so no confidence goes
beyond HIGHEST.
"""

from collections.abc import Iterable

HIGHEST = 0.95
# Below this a finding is worth telling, but not worth acting on before something confirms it.
ENOUGH = 0.5


def confidence(
    base: float, *, signs: Iterable[tuple[bool, float]] = (), against: Iterable[tuple[bool, float]] = ()
) -> float:
    """The probability that the cause is real. Signs are (is it there, weight 0…1)."""
    p = base
    for there, weight in signs:
        if there:
            p += (1 - p) * weight
    for there, weight in against:
        if there:
            p *= 1 - weight
    return round(min(p, HIGHEST), 2)
