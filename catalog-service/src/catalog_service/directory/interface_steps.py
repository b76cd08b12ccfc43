"""Moving a version of an interface through its stages, in one transaction with all that follows from it."""

from msgspec.structs import asdict, replace

from catalog_service.directory import filing_store, model, store
from catalog_service.directory.breaking import changes
from catalog_service.directory.evidence import Evidence, kept
from catalog_service.directory.filing_store import Step
from catalog_service.directory.interface_stages import MACHINE, RULES, Situation
from catalog_service.directory.model import Interface
from catalog_service.directory.publishing import show
from catalog_service.directory.sample import misfits_of
from catalog_service.feed.flows import Change
from catalog_service.feed.model import Actor
from catalog_service.machine import Attempt, Role, Row, roles_of, step
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from catalog_service.policy.flows import Lawbook, today
from runtime.errors import Refusal
from wire import codes, scopes


async def interface_step(
    change: Change, lawbook: Lawbook, interface_id: str, version: str, event: str, evidence: Evidence
) -> Interface:
    """The version after somebody's step. Raises Refusal as `machine.step` does."""
    await change.lock(f"interface/{interface_id}")
    found = await store.find_interface(change.tx, interface_id, version)
    if found is None:
        raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
    roles = roles_of(change.actor.offices, change.actor.department, requester="", provider=found.provider)
    return await _take_step(change, lawbook, found, event, evidence, roles)


async def health_step(
    change: Change, lawbook: Lawbook, interface_id: str, version: str, event: str, evidence: Evidence
) -> Interface:
    """The version after what its health asks for; nobody takes such a step by hand. Raises Refusal as the other."""
    await change.lock(f"interface/{interface_id}")
    found = await store.find_interface(change.tx, interface_id, version)
    if found is None:
        raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
    return await _take_step(change, lawbook, found, event, evidence, frozenset({Role.WORKER}))


async def _take_step(
    change: Change, lawbook: Lawbook, found: Interface, event: str, evidence: Evidence, roles: frozenset[Role]
) -> Interface:
    situation = await _situation(change, lawbook, found, evidence)
    known = model.carry_over(situation.interface, situation.interface)  # nothing revoked moves on
    attempt = Attempt(
        event=event, state=known.stage, roles=roles, client=change.actor.client, makers=frozenset(),
        evidence=asdict(evidence), situation=situation,
    )  # fmt: skip
    row = step(MACHINE, RULES, attempt)
    after = replace(known, stage=row.target)
    if event == "deprecate":
        after = replace(after, successor=evidence.successor, until=evidence.until)
    await store.keep_interface(change.tx, after)
    role = next(role for role in row.by if role in roles)
    n = await _write_history(change, situation, row, role)
    await _tell(change, situation, row, after, n)
    await show(change, known, after)
    return after


async def _situation(change: Change, lawbook: Lawbook, found: Interface, evidence: Evidence) -> Situation:
    """What is known of the version; its entry and the version itself are held."""
    tx = change.tx
    entry = await store.find_resource(tx, found.resource, hold="share")
    interface = await store.find_interface(tx, found.id, found.version, hold="update")
    provider = await store.find_department(tx, found.provider)
    assert interface is not None  # noqa: S101  # found a moment ago; nothing is ever deleted
    assert provider is not None  # noqa: S101  # an interface refers to a department
    following = evidence.successor if evidence.successor != found.version else ""
    return Situation(
        interface=interface,
        law=await lawbook.law(tx, government=provider.is_government),
        evidence=evidence,
        today=today(change.at),
        entry=entry,
        misfits=lambda: misfits_of(interface, evidence.sample),
        successor=await store.find_interface(tx, found.id, following) if following else None,
        subscribers=await filing_store.subscribers_of_interface(tx, found.id, found.version, change.at),
    )


def possible_steps(interface: Interface, actor: Actor) -> list[str]:
    """Events that this actor may try now; what they need shows when they are tried."""
    roles = roles_of(actor.offices, actor.department, requester="", provider=interface.provider)
    return MACHINE.open_to(interface.stage, roles) if interface.state.standing != "revoked" else []


# --- what a step leaves ---------------------------------------------------------------------------------------------
async def _write_history(change: Change, situation: Situation, row: Row, role: Role) -> int:
    interface, law = situation.interface, situation.law.profile
    n = len(await filing_store.interface_steps_of(change.tx, interface.id, interface.version)) + 1
    done = Step(
        n=n, at=change.at, event=row.event, source=interface.stage, target=row.target, client=change.actor.client,
        department=change.actor.department, role=role.value, article=row.cite, evidence=kept(situation.evidence),
        profile=law.id, profile_version=law.version,
    )  # fmt: skip
    await filing_store.add_interface_step(change.tx, interface.id, interface.version, done)
    return n


async def _tell(change: Change, situation: Situation, row: Row, after: Interface, n: int) -> None:
    evidence = kept(situation.evidence)
    news = changes(situation.interface, situation.successor) if situation.successor else []
    breaks = ",".join(one.path for one in news if one.breaking)
    facts = {
        "interface": after.key, "name": after.name, "provider": after.provider, "resource": after.resource,
        "stage": after.stage, "reason": evidence.reason, "filing_no": evidence.filing_no, "article": row.cite,
        "successor": after.successor, "until": after.until, "breaking": breaks,
    }  # fmt: skip
    sample = {"sample": evidence.sample["sha256"]} if evidence.sample else {}
    await change.tell(f"interface.{row.event}", after, **facts, **sample)
    facts |= {"reason_zh": evidence.reason_zh} if evidence.reason_zh else {}
    to = []
    for role in row.tells:
        if role is Role.REQUESTER:
            to += [Address(department, scopes.OFFICER) for department in sorted(situation.subscribers)]
        elif role is Role.PROVIDER:
            to.append(Address(after.provider, scopes.OFFICER))
        else:
            to.append(Address("", scopes.AUTHORITY))
    about, word = Subject("interface", after.key), f"interface.{row.event}"
    await notify(change, to=to, word=word, about=about, facts=facts, key=f"interface/{after.key}/{n}")
