"""Alerts: what was unusual, whose it is, what somebody found out about it. Pure."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

State = Literal["open", "closed"]
Finding = Literal["misuse", "explained", "false_alarm"]

MOST_CALLS = 100
_NAMES = uuid.UUID("5d0c6f0e-6a53-4c3c-9f0b-0a6f5f6b7a11")


class Unusual(msgspec.Struct, frozen=True, kw_only=True):
    """What broke a rule: a key (system, interface, subject; "" where it is about all), a window, figures."""

    rule: str
    kind: str
    system: str
    interface: str
    subject: str
    since: datetime
    until: datetime
    figures: dict[str, int | float]

    @property
    def id(self) -> str:
        """Of the alert that it raises: the same when the same window is judged again after a crash."""
        told = [self.rule, self.system, self.interface, self.subject, self.since.isoformat()]
        return str(uuid.uuid5(_NAMES, msgspec.json.encode(told).decode()))


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One rule broken for one key, for as long as it goes on.

    figures    of the window that stood out most
    calls      ids of at most 100 of its calls
    """

    id: str
    rule: str
    kind: str
    system: str
    interface: str
    subject: str
    since: datetime
    until: datetime
    raised_at: datetime
    prolonged_at: datetime
    figures: dict[str, int | float]
    calls: list[str]
    departments: list[str]
    providers: list[str]
    state: State
    finding: str
    note: str
    closed_by: str
    closed_at: datetime | None

    def concerns(self, department: str) -> bool:
        """Whether it is a side of it; what is about no one system is for auditors only."""
        return bool(department and self.system) and department in (*self.departments, *self.providers)


def figure(figures: Mapping[str, int | float]) -> float:
    """By what windows are compared: the first figure."""
    return next(iter(figures.values()), 0)


def told(alert: Alert, *, to_auditor: bool = False) -> dict[str, Any]:
    """An alert without its records; whom it was about is not told.

    Figures of more than one system's calls to one interface would tell those who took part what others did; to them
    the member is empty then.
    """
    shown = ("id", "rule", "kind", "system", "interface", "since", "until", "raised_at", "figures", "state", "finding")
    members = {name: getattr(alert, name) for name in shown}
    return members if to_auditor or (alert.system and alert.interface) else {**members, "figures": {}}


def filter_of(alert: Alert, *, with_subject: bool) -> dict[str, str]:
    """The search that finds all of its records, for the reader; departments add themselves by asking."""
    members = {
        "system": alert.system, "interface": alert.interface, "subject": alert.subject if with_subject else "",
        "since": alert.since.isoformat(), "before": alert.until.isoformat(),
    }  # fmt: skip
    return {name: value for name, value in members.items() if value}
