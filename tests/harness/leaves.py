"""Leaves as the log takes them, whatever stands in them."""

from hypothesis import strategies as st

from harness.audit_log import AT_MS
from runtime.ids import uuid7
from wire.audit import CallLeaf, EventLeaf, Leaf

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63)]), st.integers(-(2**63), 2**64 - 1)
)
TIMES = st.one_of(st.sampled_from([0, -1, -(2**63), AT_MS]), st.integers(-(2**63), AT_MS))
TEXTS = st.one_of(
    st.sampled_from(
        ["", "\0", "a\0b", "\ufffe\uffff", "\u202e民政局", "=1+1", "x" * 3000, "\U0010ffff" * 900, "'; --"]
    ),
    st.text(max_size=20),
)
_TEXT_MEMBERS = (
    "answer_digest", "case", "code", "consent", "department", "fault", "fields_digest", "grant", "interface", "method",
    "operation", "path", "policy", "provider", "purpose", "request_digest", "subject", "system", "trace", "verdict",
    "version",
)  # fmt: skip
_NUMBER_MEMBERS = ("answer_bytes", "fields_masked", "fields_returned", "grant_revision", "request_bytes", "status")
_TIME_MEMBERS = ("at_in", "at_provider_in", "at_provider_out", "at_ready")
_CALL = {
    **dict.fromkeys(_TEXT_MEMBERS, TEXTS),
    **dict.fromkeys(_NUMBER_MEMBERS, NUMBERS),
    **dict.fromkeys(_TIME_MEMBERS, TIMES),
    "mode": st.sampled_from(["query", "verify", "compare", "sandbox"]),
}
_PLACE = {"call": st.builds(lambda: str(uuid7())), "epoch": st.just(1), "gateway": st.just("gateway-1"),
          "retention": st.sampled_from(["general", "personal"]), "sequence": st.just(0)}  # fmt: skip
_FACTS = st.dictionaries(
    st.one_of(st.sampled_from(["provider", "interface", "version", "grant", "case", "subject", "consent"]), TEXTS),
    TEXTS,
)

calls: st.SearchStrategy[Leaf] = st.builds(
    CallLeaf, phase=st.sampled_from(["intent", "outcome", "denied"]), **_CALL, **_PLACE
)  # fmt: skip
events: st.SearchStrategy[Leaf] = st.builds(
    EventLeaf, actor=TEXTS, at=TIMES, department=TEXTS, event=TEXTS, facts=_FACTS, **_PLACE
)  # fmt: skip
leaves = st.one_of(calls, events)
