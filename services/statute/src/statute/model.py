"""What a profile says, and what the law comes to: clocks, answers, legal ranks. Pure data.

A profile is the law of one place as it stands in one file. A `Rule` is a time limit as written there, a `Clock` is a
time limit as it applies to a case, after higher law and platform defaults have been heard.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Unit = Literal["WD", "CD", "hour"]
Source = Literal["local", "floor", "mixed", "platform"]
Binding = Literal["must", "in_principle"]

CLOCK_KEYS = (
    "catalog.update_on_change", "catalog.authority_review",
    "share.unconditional.reply", "share.unconditional.provide", "share.conditional.reply", "share.conditional.provide",
    "demand.reply", "demand.fulfil",
    "correction.by_requester", "correction.by_subject", "correction.authority_forward",
    "open.reply",
)  # fmt: skip
"""The time limits that the platform keeps."""

RANKS = (
    "法律", "行政法规", "地方性法规", "国务院决定", "部门规章", "地方政府规章", "国家有关规定", "政策",
)  # fmt: skip
"""Ranks of a legal basis."""

COLLECTIVE = {"法规": ("行政法规", "地方性法规"), "规章": ("部门规章", "地方政府规章")}
"""What an instrument means by a word that stands for two ranks (立法法)."""


class ProfileError(Exception):
    """A profile file is wrong: `<file>: <key>: what`."""


class UnknownKey(Exception):
    """Nobody can answer this key: it is not in the schema, or it is asked in the wrong way."""


@dataclass(frozen=True, slots=True)
class Extension:
    """How a time limit may be made longer."""

    days: int
    mode: Literal["add", "total"]
    approve_by: str
    notify: tuple[str, ...]
    reason: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A time limit as one file writes it. `days` None: no number; 0 is a number."""

    days: int | None
    unit: Unit
    start: str
    actor: str
    binding: Binding
    qualifier: str
    extension: Extension | None
    cite: str
    written: Mapping[str, object] = field(hash=False)

    @property
    def total(self) -> int:
        """Days with the longest extension; a zero where there is no number."""
        base = self.days or 0
        if self.extension is None:
            return base
        return self.extension.days if self.extension.mode == "total" else base + self.extension.days


@dataclass(frozen=True, slots=True)
class Node:
    """A value as one file writes it. `value` None: silent, or unread where the file is incomplete."""

    value: object
    cite: str
    also: Mapping[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time limit as it applies. `total` equals `base` where there is no extension; `approve_by` is "" then.

    start     the event it counts from      actor  who has to act
    binding   an in_principle limit warns, but passing it breaks no law
    """

    key: str
    base: int
    total: int
    unit: Unit
    source: Source
    cite: str
    start: str
    actor: str
    binding: Binding
    approve_by: str
    notify: tuple[str, ...]
    reason: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A value as it applies. `value` None: nobody says anything; source and cite are "platform" and "" then."""

    key: str
    value: object
    source: Source
    cite: str


EXPIRY_WARNING_DAYS = 90


@dataclass(frozen=True, slots=True)
class Profile:
    """One instrument as data. `entries` holds every key that the file states, flat."""

    file: str
    id: str
    version: str
    title: str
    doc_no: str
    rank: str
    status: Literal["in_force", "draft", "superseded"]
    issued: date | None
    effective: date | None
    expires: date | None
    region: str
    floor: str | None
    incomplete: bool
    terms: Mapping[str, str] = field(hash=False)
    entries: Mapping[str, Rule | Node] = field(hash=False)

    def entry(self, key: str) -> Rule | Node | None:
        """What the file states at `key`, or that the section around it is silent, or None."""
        while key and key not in self.entries:
            key = key.rpartition(".")[0]
        return self.entries.get(key)

    def may_be_activated(self, on: date) -> str:
        """Why it may not be put in force on that day; "" if it may. A draft may always be simulated."""
        if self.status != "in_force":
            return f"{self.title} is {'a draft' if self.status == 'draft' else 'superseded'}, not in force"
        if self.effective is None or on < self.effective:
            return f"{self.title} takes effect {f'on {self.effective}' if self.effective else 'on no known day'}"
        if self.expires is not None and on > self.expires:
            return f"{self.title} expired on {self.expires}"
        return ""

    def expires_soon(self, on: date) -> int | None:
        """Days left until its last day, if 90 or fewer; below zero once it has expired."""
        if self.expires is None or (left := (self.expires - on).days) > EXPIRY_WARNING_DAYS:
            return None
        return left
