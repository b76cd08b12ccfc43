"""What changes between two JSON Schemas, told by what it means for those who ask or who read the answer. Pure.

A question may be asked in every form that it had before; an answer comes in no form that it did not have. Keywords
without an order (`pattern`, `not`, …) are compared as they stand. What is too complex to compare counts as breaking.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from catalog_service.directory.schema_forms import AT_LEAST, AT_MOST, DEEPEST, Form, Forms, Schemas, TooComplex

Kind = Literal[
    "added", "removed", "required", "optional", "narrowed", "widened", "changed", "lowered", "raised", "unjudged"
]
Side = Literal["question", "answer"]
MOST_STEPS = 20_000
WORDS: Mapping[Kind, tuple[str, str]] = {
    "added": ("新增", "is new"),
    "removed": ("不再有", "is gone"),
    "required": ("变为必有", "has become required"),
    "optional": ("变为可缺", "may now be missing"),
    "narrowed": ("范围收窄", "allows less than before"),
    "widened": ("范围放宽", "allows more than before"),
    "changed": ("有变更", "has changed"),
    "lowered": ("调低", "is lower than before"),
    "raised": ("调高", "is higher than before"),
    "unjudged": ("过于复杂，无法逐项比较，按不兼容对待", "is too complex to compare and counts as breaking"),
}


class InterfaceChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change: the member that changes, and whether a consumer that does nothing can come to harm."""

    path: str
    kind: Kind
    breaking: bool
    zh: str
    en: str


def altered(path: str, kind: Kind, *, breaking: bool) -> InterfaceChange:
    zh, en = WORDS[kind]
    return InterfaceChange(path=path, kind=kind, breaking=breaking, zh=f"{path}：{zh}", en=f"{path} {en}")


def schema_changes(old: Any, new: Any, side: Side, path: str, *, forms_may_grow: bool = False) -> list[InterfaceChange]:
    """What changes from the one schema (None: nothing is said) to the other.

    forms_may_grow  a further form of the whole is no harm: something new brought it along
    """
    if old == new:
        return []
    comparison = _Comparison(Forms(old), Forms(new), side, path if forms_may_grow else "")
    try:
        found = list(comparison.compare(path, (old,), (new,)))
    except TooComplex:
        return [altered(path, "unjudged", breaking=True)]
    return list(dict.fromkeys(found))


class _Comparison:
    """One comparison under way: what is being compared already, and how much was done."""

    def __init__(self, old: Forms, new: Forms, side: Side, growing: str) -> None:
        self._old, self._new = old, new
        self._is_question = side == "question"
        self._growing = growing
        self._open: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
        self._steps = 0

    def compare(self, path: str, old: Schemas, new: Schemas) -> Iterator[InterfaceChange]:
        """Changes at this place and below; a schema inside itself is compared once."""
        self._steps += 1
        if self._steps > MOST_STEPS or len(self._open) > DEEPEST:
            raise TooComplex
        pair = (tuple(map(id, old)), tuple(map(id, new)))
        if pair in self._open:
            return
        self._open.add(pair)
        before, after = self._old.of(old), self._new.of(new)
        if len(before) == len(after) == 1:
            yield from self._between(path, before[0], after[0])
        else:
            yield from self._forms(path, before, after)
        self._open.discard(pair)

    def _forms(self, path: str, before: list[Form], after: list[Form]) -> Iterator[InterfaceChange]:
        """Each form that has to be kept, against the one that keeps it best."""
        kept, keeping = (before, after) if self._is_question else (after, before)
        used = set()
        for form in kept:
            tried = []
            for n, other in enumerate(keeping):
                old, new = (form, other) if self._is_question else (other, form)
                found = list(self._between(path, old, new))
                tried.append((any(change.breaking for change in found), len(found), form != other, n, found))
            broken, _, _, n, found = min(tried, key=lambda one: one[:4])
            if broken and path == self._growing:
                yield altered(path, "widened", breaking=False)
                continue
            used.add(n)
            yield from found
        if len(used) < len(keeping):
            yield altered(path, "widened" if self._is_question else "narrowed", breaking=False)

    def _between(self, path: str, old: Form, new: Form) -> Iterator[InterfaceChange]:
        yield from self._sets(f"{path}/type", new.types - old.types, old.types - new.types)
        yield from self._values(f"{path}/enum", old.values, new.values)
        yield from self._limits(path, old.limits, new.limits)
        yield from self._exact(path, old.exact, new.exact)
        types = old.types & new.types
        if "array" in types and (old.elements or new.elements):
            yield from self.compare(f"{path}/*", old.elements, new.elements)
        if "object" in types:
            yield from self._members(path, old, new)
            yield from self._others(f"{path}/additionalProperties", old, new)

    def _others(self, path: str, old: Form, new: Form) -> Iterator[InterfaceChange]:
        """Members that are not named: answers may always have them, for nobody is granted them by name."""
        if self._is_question and old.closed != new.closed:
            yield self._moved(path, narrowed=new.closed)
        if old.others or new.others:
            yield from self.compare(path, old.others, new.others)

    def _moved(self, path: str, *, narrowed: bool) -> InterfaceChange:
        """Questions are hurt by less, answers by more."""
        return altered(path, "narrowed" if narrowed else "widened", breaking=narrowed == self._is_question)

    def _sets(self, path: str, more: object, less: object) -> Iterator[InterfaceChange]:
        if less:
            yield self._moved(path, narrowed=True)
        if more:
            yield self._moved(path, narrowed=False)

    def _values(
        self, path: str, old: frozenset[bytes] | None, new: frozenset[bytes] | None
    ) -> Iterator[InterfaceChange]:
        if old is None or new is None:
            yield from self._sets(path, more=old is not None, less=new is not None) if old != new else ()
        else:
            yield from self._sets(path, new - old, old - new)

    def _limits(self, path: str, old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[InterfaceChange]:
        for name in (*AT_LEAST, *AT_MOST):
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            narrowed = before is None
            if before is not None and after is not None:
                narrowed = (after > before) == (name in AT_LEAST)
            yield self._moved(f"{path}/{name}", narrowed=narrowed)

    def _exact(self, path: str, old: frozenset[bytes], new: frozenset[bytes]) -> Iterator[InterfaceChange]:
        for narrowed, keywords in ((True, new - old), (False, old - new)):
            for keyword in sorted(msgspec.json.decode(one)[0] for one in keywords):
                yield self._moved(f"{path}/{keyword}", narrowed=narrowed)

    def _members(self, path: str, old: Form, new: Form) -> Iterator[InterfaceChange]:
        for name in dict.fromkeys([*old.members, *new.members]):
            place = f"{path}/{name}"
            if name not in new.members:
                yield altered(place, "removed", breaking=True)
            elif name not in old.members:
                yield altered(place, "added", breaking=False)
            else:
                yield from self.compare(place, old.members[name], new.members[name])
        for name in sorted(new.required - old.required):
            yield altered(f"{path}/{name}", "required", breaking=self._is_question)
        for name in sorted(old.required - new.required):
            if name in new.members or name not in old.members:  # else it is told as removed
                yield altered(f"{path}/{name}", "optional", breaking=not self._is_question)
