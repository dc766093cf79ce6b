"""All that slowq says of one filter: its shape, what is costly in it, what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

from slowq.filters.ast import Expression, Literal
from slowq.filters.lint import Costly, costly, lint
from slowq.filters.masked import from_shape
from slowq.filters.parse import Trouble, try_parse
from slowq.filters.rewrite import Step, rewrite
from slowq.filters.schema import Schema, Version
from slowq.filters.shape import normalise
from slowq.filters.template import Templated, templated


@dataclass(frozen=True, slots=True)
class Judgement:
    """`text` as it was given. Without a tree there is trouble, and nothing else.

    `rewritten` is None where nothing better is known; it is the literal true or false where the filter does not depend
    on the data. A filter of a report has no values, and so nothing is rewritten.
    """

    text: str
    tree: Expression | None
    trouble: Trouble | None = None
    normalised: str = ""
    costly: tuple[Costly, ...] = ()
    rewritten: Expression | None = None
    steps: tuple[Step, ...] = ()
    template: Templated | None = None

    @property
    def selects(self) -> str | None:
        """ "nothing" or "everything" where that is so whatever the data."""
        if isinstance(self.rewritten, Literal) and isinstance(self.rewritten.value, bool):
            return "everything" if self.rewritten.value else "nothing"
        return None


def judge(text: str, version: Version | None = None, schema: Schema | None = None) -> Judgement:
    """Never raises. Linear in the text but for a factor that nesting adds."""
    tree = try_parse(text)
    if isinstance(tree, Trouble):
        return Judgement(text, None, tree)
    found = lint(tree, version, schema)
    changed, steps = rewrite(tree, version, schema)
    better = changed if steps else None
    made = Judgement(text, tree, None, normalise(tree), (), better, steps)
    if made.selects:
        says = f"Whatever the data, the filter selects {made.selects}."
        found.append(costly(f"selects_{made.selects}", says))
    return Judgement(
        text,
        tree,
        None,
        made.normalised,
        tuple(found),
        better,
        steps,
        None if made.selects else templated(changed, version),
    )


def judge_shape(shape: str, version: Version | None = None, schema: Schema | None = None) -> Judgement:
    """Of a normal form: values are not known, so that nothing is rewritten."""
    tree = from_shape(shape)
    if isinstance(tree, Trouble):
        return Judgement(shape, None, Trouble(tree.position, "the report keeps this filter in part only"))
    found = [one for one in lint(tree, version, schema) if one.lint != "not_in_version"]
    return Judgement(shape, tree, None, shape, tuple(found))
