"""What the platform's operator declares live, beside the work that departments file."""

from msgspec.structs import replace

from catalog_service.clocks.flows import cancel_clocks
from catalog_service.clocks.model import Subject
from catalog_service.directory import filing_store, publishing
from catalog_service.directory.entry import Resource
from catalog_service.directory.filing import Filing, has_change
from catalog_service.directory.filing_store import Step
from catalog_service.directory.model import Interface
from catalog_service.feed.flows import Change

STATES = {"active": "published", "suspended": "suspended", "revoked": "withdrawn"}
"""Where a filing stands on which nobody works, by the standing of its entry."""


def at_rest(entry: Resource, version: int, known: Filing | None = None) -> Filing:
    """A filing without work: its text is what is live. The law of a next round is that in force then."""
    return Filing(
        code=entry.code, provider=entry.provider, state=STATES[entry.state.standing], text=entry, makers=[],
        profile="", profile_version="", government=True, version=version, steps=known.steps if known else 0,
    )  # fmt: skip


def _is_worked_on(filing: Filing, live: Resource | None) -> bool:
    """Whether a department works on a change of what is live; a change may also wait for the end of a suspension."""
    if live is None or filing.state == "published":
        return False
    return filing.state != "suspended" or has_change(filing, live)


async def import_entry(change: Change, text: Resource, known: Resource | None) -> tuple[Resource, list[Interface]]:
    """The text is live. A change that a department works on goes on where it is; a first draft is settled by it."""
    filing = await filing_store.find_filing(change.tx, text.code, for_change=True)
    n = filing.steps + 1 if filing else 1
    version, heard = await publishing.make_live(change, text, known, n)
    if filing is None or not _is_worked_on(filing, known):
        after = at_rest(version.entry, version.n, filing)
        await cancel_clocks(change, Subject("filing", text.code))
    else:
        after = replace(filing, version=version.n)
    await filing_store.keep_filing(change.tx, replace(after, steps=n))
    imported = Step(
        n=n, at=change.at, event="import", source=filing.state if filing else "", target=after.state,
        client=change.actor.client, department=change.actor.department, role="", article="",
    )  # fmt: skip
    await filing_store.add_step(change.tx, text.code, imported)
    return version.entry, heard
