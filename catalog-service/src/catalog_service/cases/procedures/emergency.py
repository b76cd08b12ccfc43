"""What has to be done at once, and undone afterwards: data in an emergency (突发事件), and a security incident. Pure.

Source: 德清 34, 36; 云南 23; 常德 25; 国务院令第809号 35.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Ground, Line, Text
from catalog_service.cases.model import Kind
from catalog_service.cases.procedures.standing import check_own_word, sides_of_permission
from catalog_service.machine import START, Machine, Role, Row, Rules

USERS = (Role.REQUESTER, Role.REQUESTER_HEAD)


class Emergency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The emergency, and the law that allows to demand data for it."""

    emergency: Line = ""
    measures: Text = ""
    legal_basis: Annotated[list[Ground], Meta(max_length=20)] = []


EMERGENCY = Machine(
    name="emergency",
    title=("突发事件数据", "Data in an emergency"),
    cite="德清 34; 云南 23",
    labels={
        "declared": ("已启动", "Declared"),
        "collected": ("已收集", "Collected"),
        "event_ended": ("突发事件已结束", "Emergency over"),
        "classified": ("已分类评估", "Assessed"),
        "sealed": ("已封存", "Sealed"),
        "destroyed": ("已销毁", "Destroyed"),
        "app_shut": ("应用已关停", "Application shut down"),
    },
    finals=frozenset({"app_shut"}),
    rows=(
        Row(event="declare", sources=(START,), target="declared", by=(*USERS, Role.AUTHORITY), cite="德清 34; 云南 23",
            needs=("emergency", "measures", "legal_basis"), tells=(Role.PROVIDER, Role.AUTHORITY)),
        Row(event="collect", sources=("declared",), target="collected", by=USERS, cite="德清 34; 云南 23",
            needs=("note",), tells=(Role.PROVIDER,)),
        Row(event="end_event", sources=("declared", "collected"), target="event_ended", by=(*USERS, Role.AUTHORITY),
            cite="德清 34; 云南 23", needs=("reason",), tells=(*USERS, Role.PROVIDER)),
        Row(event="classify", sources=("event_ended",), target="classified", by=USERS, cite="德清 34; 云南 23",
            needs=("result",)),
        Row(event="seal", sources=("classified",), target="sealed", by=USERS, cite="德清 34; 云南 23",
            needs=("documents",), four_eyes=True, tells=(Role.PROVIDER, Role.AUTHORITY)),
        Row(event="destroy", sources=("classified",), target="destroyed", by=USERS, cite="德清 34; 云南 23",
            needs=("documents",), four_eyes=True, tells=(Role.PROVIDER, Role.AUTHORITY)),
        Row(event="shut_app", sources=("sealed", "destroyed"), target="app_shut", by=(*USERS, Role.AUTHORITY),
            cite="德清 34; 云南 23", effects=("end_grants",), tells=(*USERS, Role.PROVIDER, Role.AUTHORITY)),
    ),
)  # fmt: skip


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened, since when, and what it reaches."""

    what: Text = ""
    since: Line = ""
    reach: Text = ""


REPORTERS = (Role.REQUESTER, Role.REQUESTER_HEAD, Role.PROVIDER, Role.PROVIDER_HEAD)
CONTAINERS = (Role.PROVIDER, Role.PROVIDER_HEAD, Role.AUTHORITY)

INCIDENT = Machine(
    name="incident",
    title=("数据安全事件", "Security incident"),
    cite="德清 36; 常德 25; 国务院令第809号 35",
    labels={
        "detected": ("已发现", "Detected"),
        "contained": ("已处置", "Contained"),
        "reported": ("已报告", "Reported"),
        "recovered": ("已恢复", "Recovered"),
        "reviewed": ("已复盘", "Reviewed"),
    },
    finals=frozenset({"reviewed"}),
    rows=(
        Row(event="detect", sources=(START,), target="detected", by=(*REPORTERS, Role.AUTHORITY),
            cite="德清 36; 常德 25", needs=("what", "since"), tells=(*REPORTERS, Role.AUTHORITY)),
        Row(event="contain", sources=("detected",), target="contained", by=CONTAINERS, cite="德清 36; 常德 25",
            needs=("reason",), effects=("contain_grants",), tells=(*REPORTERS, Role.AUTHORITY)),
        Row(event="report", sources=("contained",), target="reported", by=(*REPORTERS, Role.AUTHORITY),
            cite="德清 36; 常德 25", needs=("filing_no",), tells=(Role.AUTHORITY, Role.UPPER_AUTHORITY)),
        Row(event="recover", sources=("reported",), target="recovered", by=CONTAINERS, cite="德清 36",
            needs=("result",), guards=("was_own_word",), effects=("restore_grants",), tells=REPORTERS),
        Row(event="review", sources=("recovered",), target="reviewed", by=(Role.AUTHORITY,), cite="德清 36, 37",
            needs=("result", "documents"), four_eyes=True, tells=REPORTERS),
    ),
)  # fmt: skip

KINDS = {
    "emergency": Kind(
        machine=EMERGENCY,
        rules=Rules(conditions={}, guards={}),
        letters="YJ",
        form=Emergency,
        sides=sides_of_permission,
        responsible={},
    ),
    "incident": Kind(
        machine=INCIDENT,
        rules=Rules(conditions={}, guards={"was_own_word": check_own_word}),
        letters="SJ",
        form=Incident,
        sides=sides_of_permission,
        responsible={},
    ),
}
