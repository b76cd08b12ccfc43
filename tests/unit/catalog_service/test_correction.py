"""Corrections: the whole table, who may start one and how, what they may not say."""

from typing import Any

import msgspec
import pytest

from catalog_service.cases.effects.checking import EFFECTS
from catalog_service.cases.model import Evidence, Opening
from catalog_service.cases.procedures.correction import (
    BY_REQUESTER,
    BY_SUBJECT,
    FORWARD,
    KIND,
    MACHINE,
    ORDERED,
    limit_of,
)
from catalog_service.directory.entry import Item, Resource, Share
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Role, step
from harness.machines import (
    CASE,
    attempt,
    check_every_row_is_taken,
    check_four_eyes,
    check_guard,
    check_sound,
    guards_of,
    situation,
    walk,
)
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes

ASKER = ["withdraw"]
FOUND = {"requester": ["close"], "authority": ["recheck", "close"], "subject": ["appeal", "close"]}
CHECKING = {
    "provider": ["confirm_corrected", "confirm_correct", "leave_undetermined"],
    "provider-head": ["extend"],
}
EXPECTED = {
    START: {"requester": ["raise"], "authority": ["receive", "order"], "subject": ["request", "receive"]},
    "received": {"requester": ASKER, "authority": ["forward"], "subject": ASKER},
    "checking": {"requester": ASKER, **CHECKING, "subject": ASKER},
    "confirmed_corrected": FOUND,
    "confirmed_correct": FOUND,
    "cannot_determine": FOUND,
    "appealed": {"authority": ["recheck", "dismiss"]},
}
ORDERED_FOUND = {"authority": ["recheck", "close"], "subject": ["appeal"]}
EXPECTED_WHEN_ORDERED = {
    START: EXPECTED[START],
    "received": {"authority": ["forward"]},
    "checking": CHECKING,
    "confirmed_corrected": ORDERED_FOUND,
    "confirmed_correct": ORDERED_FOUND,
    "cannot_determine": ORDERED_FOUND,
    "appealed": EXPECTED["appealed"],
}
ENTRY = Resource(
    code="2039900100003/000001", name="参保", provider="rsj", summary="", share=Share(type="conditional"),
    items=[Item(name="employer", label="单位名称", type="C")],
)  # fmt: skip
DOUBT: dict[str, Any] = {
    "item": "employer", "claim": "单位名称与营业执照不符", "record_key": "id_card 末四位 0X21", "call": "",
    "identity": "XZSPJ-2026-17", "until": "2026-10-30", "documents": [],
}  # fmt: skip
DIGESTS = Evidence(before_digest="a" * 64, after_digest="b" * 64)


@pytest.mark.requirement("COR-01")
@pytest.mark.requirement("B-05")
def test_every_state_meets_every_role() -> None:
    assert walk(MACHINE) == EXPECTED
    assert walk(MACHINE, ["was_asked"]) == EXPECTED
    assert walk(MACHINE, ["supervised"]) == EXPECTED_WHEN_ORDERED


@pytest.mark.requirement("COR-01")
def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, set())


@pytest.mark.requirement("COR-02")
@pytest.mark.requirement("B-05")
@pytest.mark.parametrize(
    ("event", "role", "target", "starts"),
    [
        ("raise", Role.REQUESTER, "checking", (BY_REQUESTER,)),
        ("request", Role.SUBJECT, "checking", (BY_SUBJECT,)),
        ("receive", Role.SUBJECT, "received", (FORWARD,)),
        ("receive", Role.AUTHORITY, "received", (FORWARD,)),
        ("order", Role.AUTHORITY, "checking", ()),
    ],
)
def test_four_ways_in(event: str, role: Role, target: str, starts: tuple[str, ...]) -> None:
    row = step(MACHINE, KIND.rules, _opening(event, role))
    assert (row.target, row.starts) == (target, starts)


@pytest.mark.requirement("COR-02")
@pytest.mark.parametrize(
    ("counts", "limit"),
    [
        ({"raise": 1}, BY_REQUESTER),
        ({"request": 1}, BY_SUBJECT),
        ({"receive": 1, "forward": 1}, BY_SUBJECT),
        ({"order": 1}, ORDERED),
        ({"raise": 1, "recheck": 1}, ORDERED),
    ],
)
def test_which_limit_a_check_runs_under(counts: dict[str, int], limit: str) -> None:
    assert limit_of(msgspec.structs.replace(CASE, counts=counts)) == limit


@pytest.mark.requirement("COR-06")
@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"raise": 1}, False),
        ({"request": 1}, False),
        ({"receive": 1, "forward": 1}, True),
        ({"order": 1}, True),
        ({"request": 1, "appeal": 1, "recheck": 1}, True),
    ],
)
def test_the_authority_hears_of_what_it_forwarded_or_ordered(counts: dict[str, int], told: bool) -> None:
    for event in CHECKING["provider"]:
        evidence = msgspec.structs.replace(DIGESTS, note="checked", reason="gone")
        at = situation(state="checking", counts=counts, evidence=evidence)
        row = step(MACHINE, KIND.rules, attempt(event, at, [Role.PROVIDER]))
        assert (Role.AUTHORITY in row.tells) is told
        assert {Role.REQUESTER, Role.SUBJECT} <= set(row.tells)


def test_every_guard_is_tried() -> None:
    assert guards_of(KIND) == [
        "date_ahead", "digests_differ", "form_names_nobody", "item_of_entry", "key_masked", "names_nobody",
    ]  # fmt: skip


@pytest.mark.requirement("COR-04")
@pytest.mark.parametrize("entry", [ENTRY, msgspec.structs.replace(ENTRY, items=[])])
def test_an_item_that_the_entry_lacks(entry: Resource) -> None:
    refusal = check_guard(KIND, "item_of_entry", _opening("raise", Role.REQUESTER, entry, item="salary"))
    assert _paths(refusal) == ["/body/details/item"]


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize("event", ["raise", "request", "receive", "order"])
def test_a_key_that_is_not_masked(event: str) -> None:
    role = next(row.by[0] for row in MACHINE.rows if row.event == event)
    refusal = check_guard(KIND, "key_masked", _opening(event, role, record_key="91350100M000100Y43"))
    assert _paths(refusal) == ["/body/details/record_key"]


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize("member", ["claim", "identity", "call"])
def test_an_identity_number_in_the_form(member: str) -> None:
    wanted = _opening("request", Role.SUBJECT, ENTRY, **{member: "见 11010519491231002X"})
    assert _paths(check_guard(KIND, "form_names_nobody", wanted)) == [f"/body/details/{member}"]


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize(
    ("event", "role", "state"),
    [
        ("confirm_correct", Role.PROVIDER, "checking"),
        ("leave_undetermined", Role.PROVIDER, "checking"),
        ("extend", Role.PROVIDER_HEAD, "checking"),
        ("appeal", Role.SUBJECT, "confirmed_correct"),
    ],
)
def test_an_identity_number_in_what_is_said(event: str, role: Role, state: str) -> None:
    number = "110105 19491231 002X"
    at = situation(state=state, counts={"request": 1}, evidence=Evidence(note=number, reason=number, days=1))
    assert _paths(check_guard(KIND, "names_nobody", attempt(event, at, [role]))) == ["/body/reason", "/body/note"]


@pytest.mark.requirement("COR-05")
def test_the_same_digest_before_and_after() -> None:
    evidence = Evidence(before_digest="a" * 64, after_digest="a" * 64)
    wanted = attempt("confirm_corrected", situation(state="checking", evidence=evidence), [Role.PROVIDER])
    assert _paths(check_guard(KIND, "digests_differ", wanted)) == ["/body/after_digest"]


@pytest.mark.requirement("COR-05")
def test_no_correction_without_its_digests() -> None:
    at = situation(state="checking", evidence=Evidence(note="改好了"))
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, attempt("confirm_corrected", at, [Role.PROVIDER]))
    assert _paths(refused.value) == ["/body/before_digest", "/body/after_digest"]


@pytest.mark.requirement("COR-07")
@pytest.mark.parametrize("until", ["2026-10-11", "2026-99-99", "soon"])
def test_an_order_sets_a_day_that_is_not_over(until: str) -> None:
    refusal = check_guard(KIND, "date_ahead", _opening("order", Role.AUTHORITY, until=until))
    assert _paths(refusal) == ["/body/details/until"]
    assert step(MACHINE, KIND.rules, _opening("order", Role.AUTHORITY, until="2026-10-12")).target == "checking"


@pytest.mark.requirement("COR-02")
@pytest.mark.parametrize("event", ["request", "receive"])
def test_a_person_asks_under_a_verified_identity(event: str) -> None:
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, _opening(event, Role.SUBJECT, identity=""))
    assert refused.value.code is INVALID_REQUEST
    assert refused.value.facts["article"].startswith("云南 22")  # type: ignore[attr-defined]


@pytest.mark.requirement("COR-02")
@pytest.mark.parametrize(
    ("offices", "department", "requester", "sides"),
    [
        ([scopes.OFFICER], "zjj", "", ("zjj", "rsj")),
        ([scopes.OFFICER], "rsj", "", ("", "rsj")),
        ([scopes.SUBJECT], "xzspj", "", ("", "rsj")),
        ([scopes.SUBJECT], "xzspj", "zjj", ("", "rsj")),
        ([scopes.AUTHORITY], "dsjj", "", ("", "rsj")),
        ([scopes.AUTHORITY], "dsjj", "zjj", ("zjj", "rsj")),
    ],
)
def test_whose_sides_there_are(offices: list[str], department: str, requester: str, sides: tuple[str, str]) -> None:
    actor = Actor("a-client", department, frozenset(offices))
    opening = Opening(kind="correction", actor=actor, details=DOUBT, requester=requester, resource=ENTRY)
    assert KIND.sides(opening) == sides


def test_doubt_names_an_entry() -> None:
    with pytest.raises(Refusal) as refused:
        KIND.sides(Opening(kind="correction", actor=Actor("a", "zjj"), details=DOUBT))
    assert _paths(refused.value) == ["/body/resource"]


@pytest.mark.requirement("COR-01")
@pytest.mark.parametrize("event", ["withdraw", "close"])
def test_what_the_authority_ordered_only_it_ends(event: str) -> None:
    state = "checking" if event == "withdraw" else "confirmed_correct"
    asked = situation(state=state, counts={"raise": 1})
    assert step(MACHINE, KIND.rules, attempt(event, asked, [Role.REQUESTER])).target in MACHINE.finals
    ordered = situation(state=state, counts={"order": 1})
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, attempt(event, ordered, [Role.REQUESTER]))
    assert refused.value.code in {codes.NOT_IN_THIS_STATE, codes.NOT_YOUR_STEP}


def _opening(event: str, role: Role, entry: Resource = ENTRY, **changes: Any) -> Any:
    details = {**DOUBT, **changes}
    return attempt(event, situation(details=details, resource=entry), [role], details=details)


def _paths(refusal: Refusal) -> list[str]:
    assert refusal.code is INVALID_REQUEST
    errors: Any = refusal.facts["errors"]
    return [error["path"] for error in errors]
