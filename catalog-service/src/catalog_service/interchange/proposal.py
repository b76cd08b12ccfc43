"""Interfaces as they would be registered from what an OpenAPI document describes. Pure.

An interface has one schema for the parameters of all its operations, one for bodies, one for answers: where operations
differ, each may ask and answer in its own form. What not all of them promise is not promised.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from catalog_service.directory import contract
from catalog_service.directory.contract import Mistake
from catalog_service.directory.entry import Item, Resource
from catalog_service.directory.model import Interface
from catalog_service.directory.sample import mistakes_in_examples
from catalog_service.interchange.openapi import Description, Found, Note, one_of
from catalog_service.interchange.openapi_schema import Leaves
from wire.catalog import Example, Field, Operation, Rest
from wire.subjects import holds_a_number

MOST_FIELDS = 2000
MOST_OPERATIONS = 200
LONGEST_NAME = 200
LONGEST_PATH = 500
_OPERATION = re.compile(r"operations/([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the document does not say. base_url: "" takes the document's first server; by_tag: one for each tag."""

    resource: Resource
    interface: str
    version: str
    base_url: str
    networks: list[str]
    by_tag: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """One interface, and where its operations stand in the document."""

    interface: Interface
    places: list[str]

    def mistakes(self) -> Iterator[Mistake]:
        """What keeps it from being registered, by place in the document where that is known."""
        for path, error in contract.mistakes_in_interface(self.interface):
            found = _OPERATION.match(path)
            if found is None:
                yield path, error
            else:
                n = int(found[1])
                yield self.places[n], f"{self.interface.operations[n].path[:200]}: {error}"
        yield from self._too_long()

    def _too_long(self) -> Iterator[Mistake]:
        if len(self.interface.base_url) > LONGEST_NAME:
            yield "base_url", f"longer than {LONGEST_NAME} characters"
        for n, operation in enumerate(self.interface.operations):
            if len(operation.path) > LONGEST_PATH:
                yield self.places[n], f"a path longer than {LONGEST_PATH} characters"
        for n, field in enumerate(self.interface.fields):
            if len(field.name) > LONGEST_NAME:
                yield f"fields/{n}/name", f"{field.name[:50]}…: longer than {LONGEST_NAME} characters"


def propose(described: Description, wanted: Wanted, mistakes: list[Mistake], notes: list[Note]) -> list[Proposal]:
    """The interfaces; `mistakes` and `notes` get what is wrong and what is left out."""
    if not described.operations:
        mistakes.append(("paths", "there is no operation that could be registered"))
        return []
    if not (wanted.base_url or described.server):
        mistakes.append(("servers", "the document names no absolute server; say base_url"))
    groups: dict[str, list[Found]] = {}
    for found in described.operations:
        groups.setdefault(found.tag if wanted.by_tag else "", []).append(found)
    names = dict(zip(groups, _ids(wanted.interface, groups), strict=True))
    return [_proposal(described, wanted, names[tag], tag, group, mistakes, notes) for tag, group in groups.items()]


def _ids(first: str, tags: Iterable[str]) -> Iterator[str]:
    """An id for each tag: with its word where it is one, with its number otherwise."""
    used: set[str] = set()
    for n, tag in enumerate(tags, start=1):
        word = re.sub(r"[^a-z0-9]+", "-", tag.lower()).strip("-") if tag.isascii() else str(n)
        name = first if not tag else f"{first}-{word or n}"
        name = name if name not in used else f"{first}-{n}"
        used.add(name)
        yield name


def _proposal(
    described: Description, wanted: Wanted, name: str, tag: str, group: list[Found], mistakes: list[Mistake],
    notes: list[Note],
) -> Proposal:  # fmt: skip
    gives = {found.gives for found in group} - {"none"}
    if len(gives) == 2:
        where = next(found.where for found in group if found.gives == "bytes")
        mistakes.append((where, "answers bytes while others answer JSON; register it as another interface"))
    takes = {found.takes for found in group} - {"none"}
    if len(takes) == 2:
        where = next(found.where for found in group if found.takes == "form")
        mistakes.append((where, "takes a form while others take JSON; register it as another interface"))
    response = described.answered.whole(_answers(group, notes))
    if len(group) > MOST_OPERATIONS:
        mistakes.append(("paths", f"more than {MOST_OPERATIONS} operations; split them by tag"))
    interface = Interface(
        id=name, version=wanted.version, provider=wanted.resource.provider, resource=wanted.resource.code,
        name=f"{described.title} {tag}".strip()[:200] or name, base_url=wanted.base_url or described.server,
        networks=wanted.networks, format="binary" if "bytes" in gives else "json",
        operations=[Operation(method=found.method, path=found.path, target=found.path) for found in group],
        fields=_fields(response, wanted.resource, mistakes, notes), parameters=one_of([f.parameters for f in group]),
        request=described.asked.whole(_asks(group, notes)), response=response, subject=_subject(group, mistakes),
        adapter=Rest(request_format="form" if takes == {"form"} else "json"),
    )  # fmt: skip
    return Proposal(_with_example(interface, group, notes), [found.where for found in group])


def _with_example(interface: Interface, group: list[Found], notes: list[Note]) -> Interface:
    """The document's example for the sandbox, where it is clear what it answers, and it shows nobody's number."""
    if len(group) != 1 or group[0].example is None or interface.format != "json":
        return interface
    shown = replace(interface, examples=[Example(response=group[0].example)])
    written = msgspec.json.encode(group[0].example).decode()
    if not list(mistakes_in_examples(shown)) and not holds_a_number(written):
        return shown
    zh, en = "示例不合结构或含身份号码，未采用", "the example breaks the schema or holds an identity number; left out"
    notes.append(Note(path=group[0].where, zh=zh, en=en))
    return interface


def _subject(group: list[Found], mistakes: list[Mistake]) -> str:
    """What names the person asked about: one name for all operations of an interface."""
    named = {found.subject: found.where for found in group if found.subject}
    if len(named) > 1:
        mistakes.append((next(reversed(named.values())), f"x-subject is one name, not {', '.join(named)[:200]}"))
    return next(iter(named), "")


def _asks(group: list[Found], notes: list[Note]) -> object:
    """The body that every operation takes. One that some do not take cannot be demanded of all."""
    taking = [found for found in group if found.takes in ("json", "form")]
    for found in taking:
        if len(taking) < len(group) or found.asks is None:
            zh, en = (
                "请求体不作校验：并非每个操作都须有请求体",
                "the body is not checked: not every operation has to have one",
            )
            notes.append(Note(path=found.where, zh=zh, en=en))
            return None
    return one_of([found.asks for found in taking])


def _answers(group: list[Found], notes: list[Note]) -> object:
    """The forms in which the operations answer; None where one of them does not say."""
    for found in group:
        if found.gives == "json" and found.answers in ({}, True):
            zh, en = "应答未说明结构，不作校验", "the answer is not described and therefore not checked"
            notes.append(Note(path=found.where, zh=zh, en=en))
            return None
    return one_of([found.answers for found in group if found.gives == "json"])


def _fields(
    response: dict[str, object] | None, resource: Resource, mistakes: list[Mistake], notes: list[Note]
) -> list[Field]:
    """The leaves of the answer, with mask and level of the entry's item of the same name."""
    leaves = Leaves(response)
    if not leaves.complete or len(leaves.names) > MOST_FIELDS:
        mistakes.append(("response", f"more than {MOST_FIELDS} fields, or too deep to name them"))
        return []
    for name in leaves.unnamed:
        zh, en = (
            "名称含空格、点或星号，不能单独授权",
            "has a space, a dot or a star in it and cannot be granted by itself",
        )
        notes.append(Note(path=f"response/{name}"[:300], zh=zh, en=en))
    items = {item.name: item for item in resource.items}
    return [_field(name, items) for name in leaves.names]


def _field(name: str, items: Mapping[str, Item]) -> Field:
    item = items.get(name) or items.get(name.rpartition(".")[2])
    return Field(name=name, mask=item.mask, level=item.level) if item else Field(name=name)
