"""What a grant has to hold."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.directory.model import Interface
from catalog_service.grants.model import check_shared, check_usable, mistakes_in_grant, months_later, renewed, told
from runtime.errors import INVALID_REQUEST, Refusal
from statute.calendar import SHANGHAI
from wire import codes
from wire.catalog import Field, Grant, MaskRule, Mode, Operation, State

MODES: tuple[Mode, ...] = ("query", "verify", "compare")
NOON = datetime(2026, 10, 1, 12, 0, 0, tzinfo=UTC)
INTERFACE = Interface(
    id="rsj-social-insurance",
    version="v1",
    provider="rsj",
    resource="2039900100003/000001",
    name="社会保险参保状态查询",
    base_url="http://rsj.example",
    networks=["10.0.0.0/8"],
    operations=[Operation(method="GET", path="", target="/")],
    fields=[Field(name="name", mask="name_first"), Field(name="pension"), Field(name="employer")],
)
UNMASKED = msgspec.structs.replace(INTERFACE, fields=[Field(name="pension")])
BINARY = msgspec.structs.replace(INTERFACE, format="binary", fields=[Field(name="name", mask="drop")])
GRANT = Grant(
    id="g", revision=0, system="zjj-housing", department="zjj", interface="rsj-social-insurance/v1",
    purpose="公租房资格审核", fields=["pension", "employer"],
)  # fmt: skip


def wrong(interface: Interface = INTERFACE, **changes: Any) -> list[str]:
    """Paths of the mistakes in a grant that is good but for these members."""
    return [path for path, _ in mistakes_in_grant(msgspec.structs.replace(GRANT, **changes), interface, NOON)]


@pytest.mark.requirement("CAT-08")
def test_fields_are_named_one_by_one() -> None:
    assert wrong() == []
    assert wrong(fields=[]) == ["fields"]
    assert wrong(fields=["pension", "salary"]) == ["fields/1"]
    assert wrong(fields=["pension", "pension"]) == ["fields/1"]
    assert wrong(fields=["pension", "*"]) == ["fields/1"]
    assert wrong(fields=["*", "*"]) == ["fields/0", "fields/1"]


@pytest.mark.requirement("CAT-08")
def test_whole_answers_only_where_nothing_is_masked() -> None:
    assert wrong(fields=["*"]) == ["fields"]
    assert wrong(msgspec.structs.replace(INTERFACE, format="xml"), fields=["*"]) == ["fields"]
    assert wrong(UNMASKED, fields=["*"]) == []
    assert wrong(BINARY, fields=["*"]) == []
    assert "fields" in wrong(BINARY, fields=["name"])


@pytest.mark.requirement("CAT-08")
def test_masks_are_known_and_of_granted_fields() -> None:
    assert wrong(fields=["name"], masks={"name": "plain"}) == []
    assert wrong(fields=["name"], masks={"name": "drop"}) == []
    assert wrong(fields=["name"], masks={"name": "blur"}) == ["masks/name"]
    assert wrong(masks={"name": "plain"}) == ["masks/name"]
    assert wrong(UNMASKED, fields=["*"], masks={"pension": "drop"}) == ["masks/pension"]


@pytest.mark.parametrize("pattern", ["", r"YJ2026-\d{6}", r"[A-Z]{2}\d{4}-(\d+|[a-z]+)", r"\(x\)+[)*]", r"[]a]+\[b"])
def test_ordinary_case_patterns_are_taken(pattern: str) -> None:
    re.compile(pattern)
    assert wrong(case_pattern=pattern) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "[",
        "*",
        "a" * 201,
        "(a+)+b",
        "(a|a)*b",
        "(a*)*",
        r"(\d+){2,}",
        r"(a)\1",
        "(?=a)b",
        "(?:a+)+",
        "a*a*a*a*b",
        "a?a?a?a?",
        "a{0,9}b{1,}c*d+",
        r"[\]](x+)+",
        r"\\(x+)+",
    ],
)
def test_patterns_that_could_stop_a_gateway_are_not(pattern: str) -> None:
    assert "case_pattern" in wrong(case_pattern=pattern)


def test_the_worst_pattern_that_is_taken_is_still_matched() -> None:
    """Three free repeats over a long case number: done, not merely begun."""
    pattern = r"\d*\d*\d*x"
    assert wrong(case_pattern=pattern) == []
    assert re.fullmatch(pattern, "1" * 128) is None


@pytest.mark.parametrize(
    ("hours", "good"),
    [
        ("08:00-18:00", True),
        ("22:00-06:00", True),
        ("08:00-08:00", False),
        ("8:00-18:00", False),
        ("08:00-24:00", False),
        ("08:60-18:00", False),
        ("٠٨:00-18:00", False),
        ("08:00-18:00\n", False),
    ],
)
def test_hours_are_a_window_of_the_day(hours: str, good: bool) -> None:
    assert wrong(hours=hours) == ([] if good else ["hours"])


def test_times_and_networks() -> None:
    now = int(NOON.timestamp())
    assert wrong(networks=["10.0.0.0/8", "10.0.0.1/8"]) == ["networks/1"]
    assert wrong(not_after=now + 1) == []
    assert wrong(not_after=now) == ["not_after"]
    assert wrong(not_before=now + 10, not_after=now + 10) == ["not_after"]
    assert wrong(not_before=now - 10) == []


@pytest.mark.requirement("CAT-13", "CON-09")
@pytest.mark.parametrize(
    ("type_", "offered", "allowed"),
    [
        ("unconditional", "query", "query compare verify"),
        ("conditional", "query", "query compare verify"),
        ("conditional", "compare", "compare verify"),
        ("none", "query", "compare verify"),
        ("none", "compare", "compare verify"),
        ("none", "verify", "verify"),
    ],
)
def test_no_more_is_told_than_the_entry_lets(type_: Any, offered: Any, allowed: str) -> None:
    share = Share(type=type_, mode=offered, reason="法律禁止", legal_basis=[Basis(law="税收征收管理法")])
    resource = Resource(code="3079900100009/000001", name="增值税", provider="swj", summary="…", share=share)
    for mode in MODES:
        if mode in allowed.split():
            check_shared(resource, mode)
            continue
        with pytest.raises(Refusal) as refused:
            check_shared(resource, mode)
        facts = type_ == "none" and mode == "query"
        assert refused.value.code is (codes.NOT_SHARED if facts else INVALID_REQUEST)


@pytest.mark.requirement("CON-09")
def test_a_mode_is_for_answers_whose_facts_can_be_read() -> None:
    for mode in ("verify", "compare"):
        assert wrong(mode=mode) == []
        assert wrong(mode=mode, fields=["*"]) == ["fields"]
        assert wrong(UNMASKED, mode=mode, fields=["*"]) == ["fields"]
        assert wrong(mode=mode, masks={"pension": "drop"}) == ["masks/pension"]
        assert wrong(msgspec.structs.replace(INTERFACE, format="xml"), mode=mode) == []
        assert wrong(BINARY, mode=mode, fields=["name"]) == ["mode", "fields"]
        assert wrong(msgspec.structs.replace(INTERFACE, mode="compare"), mode=mode) == ["mode"]
    assert wrong(msgspec.structs.replace(INTERFACE, mode="compare")) == []


@pytest.mark.requirement("CON-09")
def test_an_interface_tells_no_more_than_it_does_by_itself() -> None:
    by_itself = {own: [told(mode, msgspec.structs.replace(INTERFACE, mode=own)) for mode in MODES] for own in MODES}
    assert by_itself == {
        "query": ["query", "verify", "compare"], "verify": ["verify"] * 3, "compare": ["compare", "verify", "compare"],
    }  # fmt: skip


@pytest.mark.requirement("CON-09")
@pytest.mark.parametrize("mode", ["verify", "compare"])
def test_renewing_keeps_the_mode(mode: Any) -> None:
    grant = msgspec.structs.replace(GRANT, mode=mode, not_after=int(NOON.timestamp()))
    assert renewed(grant, 6, NOON).mode == mode


def test_masks_of_the_providers_own_are_known() -> None:
    own = msgspec.structs.replace(INTERFACE, masks=[MaskRule(name="x-plate", head=2)])
    assert wrong(own, masks={"pension": "x-plate"}) == []
    assert wrong(masks={"pension": "x-plate"}) == ["masks/pension"]


# --- terms ----------------------------------------------------------------------------------------------------------
def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.requirement("APP-13")
@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-10-12 12:00", 12, "2027-10-12 12:00"),
        ("2026-10-12 12:00", 3, "2027-01-12 12:00"),
        ("2026-12-31 23:30", 1, "2027-01-31 23:30"),
        ("2026-08-31 07:00", 6, "2027-02-28 07:00"),
        ("2023-08-31 07:00", 6, "2024-02-29 07:00"),
        ("2026-11-30 00:00", 0, "2026-11-30 00:00"),
        ("2026-02-01 06:00", 120, "2036-02-01 06:00"),
    ],
)
def test_months_are_those_of_the_calendar_in_shanghai(start: str, months: int, end: str) -> None:
    assert months_later(shanghai(start), months) == shanghai(end)


@pytest.mark.requirement("APP-13")
@pytest.mark.parametrize(
    ("old_end", "new_end"),
    [
        ("2026-12-01 20:00", "2027-03-01 20:00"),  # not lapsed: nobody loses days by asking early
        ("2026-10-01 20:00", "2027-01-01 20:00"),
        ("2026-09-30 20:00", "2027-01-01 20:00"),  # lapsed: from now
        ("2020-01-01 20:00", "2027-01-01 20:00"),
    ],
)
def test_a_renewal_counts_from_the_old_end_or_from_now(old_end: str, new_end: str) -> None:
    grant = msgspec.structs.replace(GRANT, not_after=int(shanghai(old_end).timestamp()))
    after = renewed(grant, 3, NOON)
    assert after.not_after == int(shanghai(new_end).timestamp())
    assert msgspec.structs.replace(after, not_after=grant.not_after) == grant


@pytest.mark.requirement("APP-13")
@pytest.mark.parametrize("not_after", [0, 2**40])
def test_a_grant_without_an_end_is_not_renewed(not_after: int) -> None:
    with pytest.raises(Refusal) as refused:
        renewed(msgspec.structs.replace(GRANT, not_after=not_after), 12, NOON)
    assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("APP-16")
def test_nothing_is_given_on_an_interface_that_is_not_served() -> None:
    resource = Resource(
        code=INTERFACE.resource, name="…", provider="rsj", summary="…", share=Share(type="unconditional")
    )
    check_usable(INTERFACE, resource)
    stopped = State(standing="suspended", since="…", by="rsj", reason="…")
    for interface, entry in (
        (msgspec.structs.replace(INTERFACE, stage="offline"), resource),
        (msgspec.structs.replace(INTERFACE, stage="registered"), resource),
        (msgspec.structs.replace(INTERFACE, state=stopped), resource),
        (INTERFACE, msgspec.structs.replace(resource, state=stopped)),
    ):
        with pytest.raises(Refusal) as refused:
            check_usable(interface, entry)
        assert refused.value.code is codes.CONFLICT
