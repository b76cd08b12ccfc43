"""Profiles are read here: from YAML to checked data, a file at a time and then all together.

Nothing is guessed: an unknown key, a wrong type, a value without its article is an error that names file and key.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from statute import schema
from statute.model import Extension, Node, Profile, ProfileError, Rule, UnknownKey
from statute.resolve import Law
from statute.schema import Plain, ValueShape
from statute.shapes import Misfit, fit, known, mapping, require
from statute.strict_yaml import BadYaml, load

PLATFORM = "_platform_default"
IDENTIFIER = re.compile(r"[a-z0-9_-]{1,64}")
PLATFORM_INSTRUMENT: Mapping[str, Any] = {
    "title": "平台默认，非法定",
    "rank": "平台默认",
    "status": "in_force",
    "region": "全国",
}
NATIONAL = "national"
SILENCE = ValueShape(type(None), {})
"""A section that is silent as a whole: `open: {v: null, cite: "not covered"}`."""


class Profiles:
    """Profiles that fit each other, and the platform's defaults beneath them."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._all = {profile.id: profile for profile in profiles}
        if PLATFORM not in self._all:
            raise ProfileError(f"{PLATFORM}.yaml: id: the platform's defaults are missing")
        for profile in self._all.values():
            self._check_floor(profile)

    def ids(self) -> tuple[str, ...]:
        """Which profiles there are, in order."""
        return tuple(sorted(self._all.keys() - {PLATFORM}))

    def get(self, profile_id: str) -> Profile:
        """The profile, or `UnknownKey` that says which there are."""
        if profile_id not in self.ids():
            raise UnknownKey(f"no profile {profile_id}; there are: {', '.join(self.ids())}")
        return self._all[profile_id]

    def law(self, profile_id: str, *, government: bool) -> Law:
        """The law under that profile. `government`: all parties are 政府部门; it binds no other (national art.2)."""
        profile = self.get(profile_id)
        floor = self._all[profile.floor] if profile.floor and government else None
        return Law(profile, floor, self._all[PLATFORM], self._all.get(NATIONAL))

    def with_profile(self, profile: Profile) -> "Profiles":
        """The same with `profile` added, or in the place of the one with its id."""
        return Profiles((self._all | {profile.id: profile}).values())

    def _check_floor(self, profile: Profile) -> None:
        if profile.floor is None:
            return
        where = f"{profile.file}: floor"
        if profile.floor not in self._all or profile.floor in (PLATFORM, profile.id):
            raise ProfileError(f"{where}: there is no profile {profile.floor} that could be a floor")
        floor = self._all[profile.floor]
        if floor.floor is not None:
            raise ProfileError(f"{where}: {profile.floor} has a floor itself; a floor is the highest law there is")
        for key, ours in profile.entries.items():
            rules = (ours, floor.entries.get(key))
            units = [rule.unit for rule in rules if isinstance(rule, Rule) and rule.days is not None]
            if len(set(units)) > 1:
                told = " cannot be compared with the floor's ".join(units)
                raise ProfileError(f"{profile.file}: {key}.unit: {told}")


def bundled_texts() -> dict[str, str]:
    """The files that come with the package, by name."""
    folder = resources.files("statute") / "profiles"
    return {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".yaml")}


@cache
def bundled() -> Profiles:
    """The profiles that come with the package."""
    return read(bundled_texts())


def read(texts: Mapping[str, str]) -> Profiles:
    """Profiles from files, by file name. Raises ProfileError("<file>: <key>: what is wrong")."""
    profiles: dict[str, Profile] = {}
    for name, text in texts.items():
        profile = read_profile(name, text)
        if profile.id in profiles:
            raise ProfileError(f"{name}: id: there are two profiles {profile.id}")
        profiles[profile.id] = profile
    return Profiles(profiles.values())


def read_profile(name: str, text: str) -> Profile:
    """One profile from one file called `name`."""
    try:
        return _profile(name, mapping(load(text), "the file"), text)
    except BadYaml as error:
        raise ProfileError(f"{name}: {error}") from None
    except Misfit as misfit:
        raise ProfileError(f"{name}: {misfit}") from None


def _profile(file: str, written: Mapping[str, Any], text: str) -> Profile:
    known(written, (*schema.HEAD, *schema.BODY), "")
    for key, shape in schema.HEAD.items():
        fit(shape, written.get(key), key)
    require(written, ("schema", "id"), "")
    if not IDENTIFIER.fullmatch(written["id"]):
        raise Misfit("id", "is not made of small letters, digits, hyphens and underscores")
    head = written.get("instrument") or (PLATFORM_INSTRUMENT if written["id"] == PLATFORM else {})
    require(head, ("title", "rank", "status", "region"), "instrument")
    if head.get("effective") and head.get("expires") and head["expires"] < head["effective"]:
        raise Misfit("instrument.expires", f"{head['expires']} is before it takes effect")
    return Profile(
        file=file, id=written["id"], version=written.get("version") or hashlib.sha256(text.encode()).hexdigest()[:12],
        title=head["title"], doc_no=head.get("doc_no") or "", rank=head["rank"], status=head["status"],
        issued=head.get("issued"), effective=head.get("effective"), expires=head.get("expires"), region=head["region"],
        floor=written.get("floor"), incomplete=bool(written.get("incomplete")),
        terms=dict(_labels(written.get("terms") or {}, "")), entries=dict(_section(schema.BODY, written, "")),
    )  # fmt: skip


def _labels(terms: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in terms.items():
        if isinstance(value, Mapping):
            yield from _labels(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _section(shapes: Mapping[str, Any], written: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Rule | Node]]:
    for name, shape in shapes.items():
        if name not in written:
            continue
        key, value = f"{prefix}{name}", written[name]
        if isinstance(shape, Plain):
            yield key, _plain(shape, value, key, written)
            continue
        members = mapping({} if value is None else value, key)
        if shape is schema.CLOCK:
            yield key, _rule(members, key)
        elif isinstance(shape, ValueShape):
            yield key, _node(shape, members, key)
        elif "v" in members or members.keys() <= {"cite"}:
            yield key, _node(SILENCE, members, key)
        else:
            known(members, (*shape, "cite"), key)
            fit(str, members.get("cite"), f"{key}.cite")
            yield from _section(shape, members, f"{key}.")


def _node(shape: ValueShape, members: Mapping[str, Any], key: str) -> Node:
    known(members, ("v", "cite", *shape.also), key)
    for name, one in {"v": shape.value, "cite": str, **shape.also}.items():
        fit(one, members.get(name), key if name == "v" else f"{key}.{name}")
    also = {name: members[name] for name in shape.also if members.get(name) is not None}
    if members.get("v") is not None or also:
        require(members, ("cite",), key)
    return Node(members.get("v"), members.get("cite") or "", also)


def _plain(shape: Plain, value: object, key: str, section: Mapping[str, Any]) -> Node:
    """A bare value is stated by the section's article, or by that of the reply that it speaks of."""
    fit(shape.value, value, key)
    reply = section.get("reply")
    cite = section.get("cite") or (reply.get("cite") if isinstance(reply, Mapping) else None)
    if value is not None:
        require({"cite": cite}, ("cite",), key.rpartition(".")[0])
    return Node(value, cite or "", {})


def _rule(members: Mapping[str, Any], key: str) -> Rule:
    fit(schema.CLOCK, members, key)
    if members.get("days") is not None:
        require(members, ("unit", "cite"), key)
    if members.get("qual") is not None:
        require(members, ("cite",), key)
    actor = members.get("actor") or ""
    return Rule(
        days=members.get("days"), unit=members.get("unit") or "WD", start=members.get("from") or "",
        actor=actor if isinstance(actor, str) else ", ".join(actor), binding=members.get("binding") or "must",
        qualifier=members.get("qual") or "", extension=_extension(members, key), cite=members.get("cite") or "",
        written={name: value for name, value in members.items() if value is not None},
    )  # fmt: skip


def _extension(members: Mapping[str, Any], key: str) -> Extension | None:
    extend = members.get("extend")
    if extend is None:
        return None
    require(members, ("days",), key)
    require(extend, ("max", "mode", "approve_by"), f"{key}.extend")
    if extend["mode"] == "total" and extend["max"] < members["days"]:
        raise Misfit(f"{key}.extend.max", f"{extend['max']} in total is less than the {members['days']} without it")
    return Extension(
        extend["max"],
        extend["mode"],
        extend["approve_by"],
        tuple(extend.get("notify") or ()),
        bool(extend.get("reason")),
    )
