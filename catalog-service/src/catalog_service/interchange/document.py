"""The whole directory as one document: declarative, in one order, without anything that is secret. Pure.

A document says what is to be there; what it does not mention stays. Standing is no part of it: what was suspended or
taken back is so by somebody's act, and comes back by another.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from catalog_service.directory.entry import Resource
from catalog_service.directory.model import Department, Interface
from runtime.errors import Refusal
from wire.catalog import System

FORMAT: Literal["tongdao-directory/1"] = "tongdao-directory/1"
PARTS = ("departments", "systems", "resources", "interfaces")
"""In the order in which one rests on the other."""
_BY_ACTS = frozenset({"state", "stage", "entry_state", "successor", "until", "maintenance"})


class Directory(msgspec.Struct, frozen=True, kw_only=True):
    """What a document states."""

    departments: list[Department] = []
    systems: list[System] = []
    resources: list[Resource] = []
    interfaces: list[Interface] = []

    def parts(self) -> Iterator[tuple[str, list[Any]]]:
        for name in PARTS:
            yield name, getattr(self, name)


class Outcome(msgspec.Struct, kw_only=True):
    """What an import did, or would do; each thing as part/id."""

    dry_run: bool
    created: list[str] = msgspec.field(default_factory=list)
    changed: list[str] = msgspec.field(default_factory=list)
    unchanged: list[str] = msgspec.field(default_factory=list)

    def note(self, what: str, *, created: bool, changed: bool) -> None:
        (self.created if created else self.changed if changed else self.unchanged).append(what)


def stated(thing: msgspec.Struct, *, addresses: bool) -> dict[str, Any]:
    """A thing as a document states it; where a provider's systems stand is not for everybody."""
    members: dict[str, Any] = msgspec.to_builtins(thing)
    if isinstance(thing, Interface) and not addresses:
        members = thing.for_others()
    return {name: value for name, value in members.items() if name not in _BY_ACTS}


def name_of(thing: Any) -> str:
    """How a thing is called in its part."""
    if isinstance(thing, Interface):
        return thing.key
    return str(thing.code if isinstance(thing, Resource) else thing.id)


def lock_of(part: str, thing: Any) -> str:
    """The lock under which its flow changes it."""
    return f"{part.removesuffix('s')}/{thing.id if isinstance(thing, Interface) else name_of(thing)}"


def placed(refusal: Refusal, part: str, n: int, thing: Any) -> Refusal:
    """The refusal, with the place in the document."""
    where = f"/body/{part}/{n}"
    facts = dict(refusal.facts)
    errors = facts.get("errors")
    if isinstance(errors, list):
        facts["errors"] = [{**error, "path": where + str(error["path"]).removeprefix("/body")} for error in errors]
    else:
        facts["path"] = where
    return Refusal(refusal.code, f"{part}/{name_of(thing)}: {refusal.detail}", **facts)
