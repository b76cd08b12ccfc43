"""What a batch has to be, and what an orphaned intent becomes."""

import dataclasses
from collections.abc import Callable
from datetime import date

import msgspec
import pytest

from audit_service.entry import AHEAD_MS, LARGEST_LEAF_BYTES, BadBatch, Batch, batch_of, check, closing, segment_of
from harness.audit_log import AT_MS, SALT, record
from wire.audit import UNKNOWN, EventLeaf, encode

CALL = "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"
INTENT = record(CALL, "gateway-1", 3, 7, "intent")
DENIED = record(CALL, "gateway-1", 3, 8, "denied")
EVENT = encode(
    EventLeaf(
        actor="a", at=AT_MS, call=CALL, department="d", epoch=3, event="x.y", facts={}, gateway="gateway-1", sequence=9
    )
)
GOOD = batch_of("gateway-1", 3, 7, [INTENT, DENIED, (EVENT, b"")])


def replaced(old: bytes, new: bytes) -> Callable[[], Batch]:
    """The good batch with its first leaf changed, and framed as it should be."""

    def made() -> Batch:
        assert INTENT[0].count(old) == 1
        return batch_of("gateway-1", 3, 7, [(INTENT[0].replace(old, new), SALT), DENIED, (EVENT, b"")])

    return made


def with_content(content: bytes) -> Callable[[], Batch]:
    return lambda: dataclasses.replace(GOOD, content=content)


BROKEN: dict[str, Callable[[], Batch]] = {
    "cut off": with_content(GOOD.content[:-1]),
    "a byte too many": with_content(GOOD.content + b"\0"),
    "empty": lambda: dataclasses.replace(GOOD, content=b"", count=0),
    "other count": lambda: dataclasses.replace(GOOD, count=2),
    "other first": lambda: dataclasses.replace(GOOD, first=8),
    "other epoch": lambda: dataclasses.replace(GOOD, epoch=4),
    "other gateway": lambda: dataclasses.replace(GOOD, gateway="gateway-2"),
    "sequence out of turn": replaced(b'"sequence":7', b'"sequence":8'),
    "not JSON": replaced(b'"v":1', b'"v":}'),
    "not UTF-8": replaced("民政局".encode(), b"\xff"),
    "a call without a phase": replaced(b'"phase":"intent",', b""),
    "unknown phase": replaced(b'"intent"', b'"intended"'),
    "an event with a phase": replaced(b'"kind":"call"', b'"kind":"event"'),
    "unknown retention": replaced(b'"personal"', b'"eternity"'),
    "a call that is no UUID": replaced(CALL.encode(), CALL.upper().encode()),
    "a call that ends in a line end": replaced(CALL.encode(), CALL.encode() + b"\\n"),
    "a call that is kept for ever": replaced(b'"personal"', b'"permanent"'),
    "a member that is not ours": replaced(b'"v":1', b'"v":1,"w":' + b"[" * 500 + b"]" * 500),
    "one nested too deeply": replaced(b'"v":1', b'"v":1,"w":' + b"[" * 20_000 + b"]" * 20_000),
    "a call without a department": replaced('"department":"民政局",'.encode(), b""),
    "a fraction": replaced(b'"status":0', b'"status":0.5'),
    "of the future": replaced(b'"at_ready":0', b'"at_ready":%d' % (AT_MS + AHEAD_MS + 1)),
    "too large": replaced("低保核查".encode(), b"x" * LARGEST_LEAF_BYTES),
}


def test_a_good_batch_is_good() -> None:
    check(GOOD, AT_MS)
    check(GOOD, AT_MS - AHEAD_MS)


@pytest.mark.requirement("AUD-05")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_everything_else_is_refused(broken: Callable[[], Batch]) -> None:
    with pytest.raises(BadBatch):
        check(broken(), AT_MS)


@pytest.mark.requirement("AUD-12")
def test_an_orphaned_intent_becomes_an_outcome_that_claims_nothing() -> None:
    intent = msgspec.json.decode(INTENT[0])
    outcome = msgspec.json.decode(closing(INTENT[0], "audit-1-reaper", 5, 11))
    changed = {name: outcome[name] for name in outcome if outcome[name] != intent[name]}
    assert changed == {
        "gateway": "audit-1-reaper", "epoch": 5, "sequence": 11,
        "phase": "outcome", "code": UNKNOWN, "fault": "exchange",
    }  # fmt: skip
    assert outcome["status"] == 0


@pytest.mark.requirement("AUD-07")
def test_a_segment_is_a_day_and_a_class() -> None:
    assert segment_of(date(2026, 11, 22), "personal") == "20261122-personal"
