"""A receipt as people read it: the measured before and after of a reproduction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SHOWN = ("p50_s", "p95_s", "p99_s", "qps")
MOST_TRIED = 5
_LARGEST = 1e15  # what is larger is no time, rate or count of ours
# What a rule was judged from, in a reproduction.
_SOURCES = {
    "log": "the log",
    "clients": "the requests as their clients saw them",
    "metrics": "the metrics",
    "facts": "the server's facts",
}
_CHANGED = {"confirmed": "Proven", "no effect": "Tried, did not help", "worse": "Tried, made it worse"}


def is_receipt(made: Any) -> bool:
    """Whether it is one of slowq's own, with all that is drawn from it; a saved report may hold anything."""
    if not isinstance(made, Mapping) or not isinstance(made.get("outcome"), str):
        return False
    arms = [made.get("before"), made.get("after")]
    return all(
        isinstance(arm, Mapping)
        and all(_is_interval(one) for one in (arm.get(name) for name in SHOWN) if one is not None)
        for arm in arms
    )


def _is_interval(one: Any) -> bool:
    """A mean with its ends, which are null where there was a single round."""
    if not isinstance(one, Mapping) or not _is_number(one.get("mean")):
        return False
    return all(one.get(key) is None or _is_number(one[key]) for key in ("low", "high"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def effect(made: Mapping[str, Any]) -> str:
    """The outcome of a receipt, and the p99."""
    word = _CHANGED.get(made["outcome"])
    if word is None:
        return f"Could not be reproduced: {made.get('because', '')}"
    was, now = made["before"].get("p99_s"), made["after"].get("p99_s")
    return f"{word}: p99 {_shown('p99_s', was)} before, {_shown('p99_s', now)} after" if was and now else word


def sentence(made: Mapping[str, Any]) -> str:
    """The receipt in one sentence, for beside the remedy that it is of."""
    told = effect(made)
    if made["outcome"] not in _CHANGED:
        return told
    recall = [made[arm].get("recall") for arm in ("before", "after")]
    if all(_is_number(one) for one in recall):
        told += f", recall {recall[0]:.2f} and {recall[1]:.2f}"
    scale = made.get("scale")
    size = scale.get("rows") if isinstance(scale, Mapping) else None
    rows = f", {size:,.0f} rows" if _is_number(size) else ""
    if made["outcome"] == "no effect" and made.get("because"):
        told += f"; {made['because']}"
    return f"{told} ({made.get('rounds')} rounds in turns on {made.get('target')}{rows})"


def conditions(made: Mapping[str, Any]) -> list[str]:
    """What was assumed or scaled, and what the patterns beside it took."""
    assumed = made.get("assumed")
    told = [one for one in assumed if isinstance(one, str)] if isinstance(assumed, list) else []
    for name, was, now in _beside(made):
        told.append(f"{name} beside it: p99 {was} before, {now} after")
    return told


def catalogued(made: Any) -> str:
    """What slowq's own scenario measured of a remedy, in a few words; empty where it is not known, or not in our form."""
    if not isinstance(made, Mapping) or made.get("outcome") not in list(_CHANGED):
        return ""
    before, after = made.get("before_p99_s"), made.get("after_p99_s")
    if not _is_number(before) or not _is_number(after):
        return ""
    p99 = [_shown("p99_s", {"mean": one}) for one in (before, after)]
    where = [f"{made['cpus']} cores"] if _is_number(made.get("cpus")) else []
    where += [f"slowq {made['slowq']}"] if isinstance(made.get("slowq"), str) else []
    machine = f" ({', '.join(where)})" if where else ""
    return (
        f"{made['outcome']} in slowq's own scenario on the bundled engine, p99 {p99[0]} before, {p99[1]} after{machine}"
    )


def tried(finding: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Receipts of remedies that the finding does not offer, which were tried beside those that it does."""
    offered = {one.get("key") for one in finding["remedies"]}
    made = finding.get("receipts")
    receipts = made if isinstance(made, list) else []
    return [one for one in receipts if is_receipt(one) and one.get("remedy") not in offered][:MOST_TRIED]


def bars(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Before and after of each latency as shares of the longest, for a drawing; empty where one is missing."""
    found = []
    for name in ("p50_s", "p95_s", "p99_s"):
        was, now = made["before"].get(name), made["after"].get(name)
        if was is not None and now is not None:
            found.append((name, was, now))
    longest = max((_end(one, "high") for _, *arms in found for one in arms), default=0.0)
    if longest <= 0:
        return []
    return [
        {
            "name": name.removesuffix("_s"),
            "arms": [
                {
                    "name": label,
                    "share": max(0.0, one["mean"]) / longest,
                    "low": max(0.0, _end(one, "low")) / longest,
                    "high": max(0.0, _end(one, "high")) / longest,
                    "says": _shown(name, one),
                }
                for label, one in (("before", was), ("after", now))
            ],
        }
        for name, was, now in found
    ]


def _end(one: Mapping[str, Any], name: str) -> float:
    """An end of an interval, no nearer to the middle than the mean, which is all that one round tells."""
    mean, end = float(one["mean"]), one.get(name)
    if end is None:
        return mean
    return min(mean, float(end)) if name == "low" else max(mean, float(end))


def lines(made: Mapping[str, Any]) -> Iterator[str]:
    """A receipt as people read it."""
    yield f"{made['outcome']}: {made['because']}"
    yield f"{'':<12}{'before':>22}{'after':>22}{'change':>10}"
    for name in SHOWN:
        was, now = made["before"].get(name), made["after"].get(name)
        if was is None or now is None:
            continue
        change = (now["mean"] - was["mean"]) / was["mean"] if was["mean"] else 0.0
        label = name.removesuffix("_s")
        yield f"{label:<12}{_shown(name, was):>22}{_shown(name, now):>22}{change:>+10.0%}"
    for name, form in (("recall", "{:.3f}"), ("memory_bytes", "")):
        was, now = made["before"].get(name), made["after"].get(name)
        if was is not None and now is not None:
            texts = [form.format(one) if form else f"{one / 2**20:,.0f} MiB" for one in (was, now)]
            label = {"memory_bytes": "memory"}.get(name, name)
            yield f"{label:<12}{texts[0]:>22}{texts[1]:>22}{(now - was) / was if was else 0:>+10.0%}"
    for name, share in sorted((made["before"].get("phases") or {}).items(), key=lambda one: -one[1])[:3]:
        after = (made["after"].get("phases") or {}).get(name, 0.0)
        yield f"{name.replace('_', ' '):<12}{share:>22.0%}{after:>22.0%}"
    for name, was_p99, now_p99 in _beside(made):
        yield f"{name:<12}{was_p99:>22}{now_p99:>22}  p99 of a pattern beside it"
    yield from _judged(made.get("rule"))
    yield f"{made['rounds']} rounds of {made['seconds']:g} s each, in turns; {made['target']}; the intervals are at 95 %"


def _beside(made: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The incident's other patterns that ran in both arms: name, and the p99 before and after."""
    arms = [made[arm].get("patterns") for arm in ("before", "after")]
    was, now = (one if isinstance(one, Mapping) else {} for one in arms)
    for name in was:
        pair = [one.get(name) for one in (was, now)]
        seconds = [one.get("p99_s") if isinstance(one, Mapping) else None for one in pair]
        if all(_is_number(one) for one in seconds):
            before, after = (_shown("p99_s", {"mean": one}) for one in seconds)
            yield str(name), before, after


def _judged(rule: Any) -> Iterator[str]:
    """What the rule said, and from what it was judged; nothing where it could not judge."""
    if not isinstance(rule, Mapping) or not isinstance(rule.get("first_before"), str):
        return
    seen_in = rule.get("seen_in")
    names = [_SOURCES[one] for one in seen_in if one in _SOURCES] if isinstance(seen_in, list) else []
    judged = f"; judged from {', '.join(names)}" if names else ""
    after = "is silent" if rule.get("silent_after") is True else "still fires"
    yield f"the first finding before is {rule['first_before']}; after, {rule.get('expected')} {after}{judged}"


def _shown(name: str, one: Mapping[str, Any]) -> str:
    scale, unit, form = (1.0, "", ",.0f") if name == "qps" else (1e3, " ms", ",.1f")
    if name != "qps" and one["mean"] >= 1:
        scale, unit = 1.0, " s"
    noise = ""
    if one.get("low") is not None and one.get("high") is not None:
        noise = f" ± {(one['high'] - one['low']) / 2 * scale:{form}}"
    return f"{one['mean'] * scale:{form}}{noise}{unit}"
