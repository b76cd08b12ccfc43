"""A row to search by, made from whatever leaf the log takes."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given

from audit_service.fsck import searched
from audit_service.fsck.findings import Findings
from audit_service.fsck.walk import Leaf as Walked
from audit_service.summary import LONGEST_KEY, LONGEST_TEXT, Filter, Summary, moment, outcomes_of, summary_of
from harness.audit_log import AT_MS, record
from harness.leaves import leaves
from wire.audit import CallLeaf, Event, Leaf, encode, event_leaf

CALL = "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"
SEGMENT = "20260701-personal"
WIDTHS = {"status": 15, "took_ms": 31, "fields_returned": 31, "fields_masked": 31}
LONG = ("purpose", "operation", "fault")


@pytest.mark.requirement("SRC-21")
@given(leaves)
def test_every_leaf_gives_a_row_that_its_columns_hold(leaf: Leaf) -> None:
    row = summary_of(SEGMENT, 7, encode(leaf))
    if isinstance(leaf, CallLeaf) and leaf.phase == "intent":
        assert row is None
        return
    assert row is not None
    for name, value in msgspec.structs.asdict(row).items():
        if isinstance(value, str):
            assert "\0" not in value
            assert len(value) <= (LONGEST_TEXT if name in LONG else LONGEST_KEY)
        elif isinstance(value, int):
            assert 0 <= value < 2 ** WIDTHS.get(name, 63)
    assert row.at.tzinfo is UTC


@pytest.mark.requirement("SRC-21")
def test_numbers_beyond_all_bounds_are_clamped() -> None:
    leaf, _ = record(CALL, "gateway-1", 1, 1, "outcome", at_ready=AT_MS + 5, status=200)
    many = b"9" * 60
    for name in (b'"status":200', b'"answer_bytes":0', b'"fields_masked":0'):
        assert leaf.count(name) == 1
        leaf = leaf.replace(name, name.rpartition(b":")[0] + b":" + many)
    row = summary_of(SEGMENT, 7, leaf.replace(b'"at_in":%d' % AT_MS, b'"at_in":-' + many))
    assert row is not None
    assert (row.status, row.answer_bytes, row.fields_masked, row.took_ms) == (32767, 2**63 - 1, 2**31 - 1, 2**31 - 1)


@pytest.mark.requirement("SRC-22")
def test_a_row_says_what_its_leaf_says() -> None:
    leaf, _ = record(CALL, "gateway-1", 1, 1, "outcome", at_ready=AT_MS + 45, status=404, code="provider/not-found",
                     fault="provider", trace="ab" * 16, subject="p-1", request_bytes=5, answer_bytes=9,
                     fields_returned=2, fields_masked=1, operation="查询", mode="verify", verdict="no",
                     consent="c-1")  # fmt: skip
    assert summary_of(SEGMENT, 7, leaf) == Summary(
        segment=SEGMENT, leaf_index=7, call_id=CALL, kind="outcome", at=moment(AT_MS + 45), department="民政局",
        system="mzj-relief", provider="公安局", interface="gaj-identity-verify", version="v1", grant_id="g-1",
        case_no="办件-1", purpose="低保核查", operation="查询", trace="ab" * 16, subject="p-1", status=404,
        code="provider/not-found", fault="provider", took_ms=45, request_bytes=5, answer_bytes=9, fields_returned=2,
        fields_masked=1, gateway="gateway-1", mode="verify", verdict="no", consent="c-1",
    )  # fmt: skip


@pytest.mark.requirement("SRC-22")
@pytest.mark.parametrize(("subject", "found"), [("p1:" + "ab" * 16, "p1:" + "ab" * 16), ("case/7", ""), ("", "")])
def test_an_event_is_about_a_person_only_by_a_pseudonym(subject: str, found: str) -> None:
    leaf = event_leaf(Event(id=CALL, at=1, event="clock.started", actor="a", department="d",
                            facts={"subject": subject}), "audit-1", 1, 1)  # fmt: skip
    row = summary_of(SEGMENT, 7, encode(leaf))
    assert row is not None
    assert row.subject == found


def told_by(event: str, **facts: str) -> Summary:
    """The row of an event."""
    of = Event(id=CALL, at=1, event=event, actor="a", department="d", facts=facts)
    row = summary_of(SEGMENT, 7, encode(event_leaf(of, "audit-1", 1, 1)))
    assert row is not None
    return row


@pytest.mark.requirement("SRC-22")
@pytest.mark.parametrize("event", ["consent.used", "grant.given"])
def test_an_event_of_a_grant_or_consent_is_found_by_interface_and_by_provider(event: str) -> None:
    row = told_by(event, interface="shebao/v1", provider="人社局", consent="c-1")
    assert (row.interface, row.version, row.provider, row.consent) == ("shebao", "v1", "人社局", "c-1")
    assert told_by(event, interface="shebao", version="v1").version == "v1"
    assert told_by("interface.opened", interface="shebao/v1").interface == "shebao/v1"


@pytest.mark.requirement("SRC-22")
def test_a_row_of_a_grant_that_was_made_the_earlier_way_is_no_finding() -> None:
    of = Event(id=CALL, at=1, event="grant.given", actor="a", department="d", facts={"interface": "shebao/v1"})
    leaf = encode(event_leaf(of, "audit-1", 1, 1))
    row = summary_of(SEGMENT, 7, leaf)
    assert row is not None
    earlier = msgspec.structs.replace(row, interface="shebao/v1", version="")
    for found, is_sound in (
        (row, True), (earlier, True), (msgspec.structs.replace(earlier, version="v1"), False),
        (msgspec.structs.replace(earlier, interface="shebao/v2"), False),
    ):  # fmt: skip
        findings = Findings()
        searched.compare({7: Walked(SEGMENT, leaf, None)}, [found], 8, {SEGMENT}, findings)
        assert (not findings.lines) == is_sound


@pytest.mark.requirement("SRC-23")
def test_a_mode_is_of_calls_alone() -> None:
    row = Summary(segment=SEGMENT, leaf_index=1, call_id=CALL, kind="outcome", at=moment(0))
    assert Filter(mode="query").matches(row)
    assert not Filter(mode="verify").matches(row)
    assert not Filter(mode="query").matches(msgspec.structs.replace(row, kind="event"))


@pytest.mark.requirement("SRC-22")
def test_moments_are_exact_and_never_out_of_range() -> None:
    assert moment(1_763_769_600_123) == datetime(2025, 11, 22, 0, 0, 0, 123_000, UTC)
    assert (moment(-1).year, moment(2**63).year) == (1970, 9999)


@pytest.mark.requirement("SRC-23")
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("", 200, {"ok", "200"}),
        ("x/y", 504, {"refused", "x/y", "504"}),
        ("audit/unknown", 0, {"refused", "audit/unknown", "0"}),
    ],
)
def test_an_outcome_is_asked_for_by_word_code_or_status(code: str, status: int, words: set[str]) -> None:
    row = Summary(segment=SEGMENT, leaf_index=1, call_id=CALL, kind="outcome", at=moment(0), code=code, status=status)
    assert outcomes_of(row) == words
    assert all(Filter(outcome=word).matches(row) for word in words)
    assert not Filter(outcome="never").matches(row)
    assert not Filter(outcome="ok").matches(msgspec.structs.replace(row, kind="event"))
