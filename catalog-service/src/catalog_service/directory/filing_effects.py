"""What a step of a filing does besides moving it on, by the names in its table."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from catalog_service.clocks.flows import cancel_clocks, extend_clock
from catalog_service.clocks.model import Subject
from catalog_service.directory import publishing
from catalog_service.directory.entry import Resource
from catalog_service.directory.filing import UPDATE, Filing, Narrowing, Situation
from catalog_service.directory.filing_rules import as_published
from catalog_service.directory.model import Act, Interface
from catalog_service.feed.flows import Change
from catalog_service.machine import Row
from catalog_service.policy.flows import Lawbook


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One step that is being taken; `situation` is as it was before. heard: interfaces to publish when all is done."""

    change: Change
    lawbook: Lawbook
    situation: Situation
    row: Row
    heard: list[Interface] = field(default_factory=list)

    @property
    def live(self) -> Resource:
        """The live entry; only rows that need one have an effect on it."""
        assert self.situation.live is not None  # noqa: S101  # see the conditions of the rows
        return self.situation.live


Effect = Callable[[Turn, Filing], Awaitable[Filing]]
"""Answers the filing as it is then."""


def clock_subject(key: str, code: str) -> Subject:
    """The time to update belongs to the entry and outlives a review that is broken off; the review is the filing's."""
    return Subject("resource" if key == UPDATE else "filing", code)


async def publish(turn: Turn, filing: Filing) -> Filing:
    """国务院令第809号 16: what was approved is live, under a new number."""
    text = as_published(turn.situation)
    version, heard = await publishing.make_live(turn.change, text, turn.situation.live, filing.steps)
    turn.heard.extend(heard)
    return replace(_at_rest(filing), text=version.entry, version=version.n)


async def drop_change(turn: Turn, filing: Filing) -> Filing:
    """The change was rejected; what is live stays as it is."""
    return replace(_at_rest(filing), text=turn.live, flags=[])


def _at_rest(filing: Filing) -> Filing:
    return replace(filing, makers=[], signers=[], changed_on="", narrowing=None)


async def sign(turn: Turn, filing: Filing) -> Filing:
    """Who agreed here does not decide further up."""
    return replace(filing, signers=[*filing.signers, turn.change.actor.client])


async def reopen(_turn: Turn, filing: Filing) -> Filing:
    """What was agreed to will be another text."""
    return replace(filing, signers=[])


async def record_change(turn: Turn, filing: Filing) -> Filing:
    return replace(filing, changed_on=turn.situation.evidence.changed_on)


async def extend(turn: Turn, filing: Filing) -> Filing:
    """国务院令第809号 17: by the authority's consent, no further than the law allows."""
    evidence = turn.situation.evidence
    subject = clock_subject(UPDATE, filing.code)
    await extend_clock(turn.change, turn.lawbook, subject, UPDATE, evidence.days, evidence.reason)
    return filing


async def declare_narrowing(turn: Turn, filing: Filing) -> Filing:
    evidence = turn.situation.evidence
    narrowing = Narrowing(reason=evidence.reason, legal_basis=evidence.legal_basis, filing_no=evidence.filing_no)
    return replace(filing, narrowing=narrowing)


async def suspend(turn: Turn, filing: Filing) -> Filing:
    """Calls are refused from the commit on; a review under way ends, its text is kept."""
    await cancel_clocks(turn.change, Subject("filing", filing.code))
    await _move(turn, "suspend")
    return replace(filing, signers=[])


async def resume(turn: Turn, filing: Filing) -> Filing:
    await _move(turn, "resume")
    return filing


async def withdraw(turn: Turn, filing: Filing) -> Filing:
    """The entry's interfaces are shut for good, and with them every grant."""
    for kind in ("filing", "resource"):
        await cancel_clocks(turn.change, Subject(kind, filing.code))
    await _move(turn, "revoke")
    return _at_rest(filing)


async def _move(turn: Turn, act: Act) -> None:
    _, heard = await publishing.move_entry(turn.change, turn.live, act, turn.situation.evidence.reason)
    turn.heard.extend(heard)


EFFECTS: Mapping[str, Effect] = {
    effect.__name__: effect
    for effect in (
        publish, drop_change, sign, reopen, record_change, extend, declare_narrowing, suspend, resume, withdraw,
    )
}  # fmt: skip
