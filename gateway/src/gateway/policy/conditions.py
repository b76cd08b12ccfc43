"""The conditions of a call: one small check each, `None` where it holds. Pure.

The order in which they are asked stands in `decide.py`.
"""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil

from gateway.policy.model import Asked, Deny, GrantRule, Known, Network, Party, Route, deny
from runtime.errors import Code
from wire import codes, paths
from wire.catalog import Grant, Interface, Mode, Operation, State

ACTIVE = "active"
LAST_MOMENT = 253_402_300_799  # the year 9999 ends
CHINA_TIME = timedelta(hours=8)  # Asia/Shanghai has had no other offset since 1991


def _standing(state: State, suspended: Code, what: str) -> Deny | None:
    if state.standing == ACTIVE:
        return None
    return deny(suspended, f"{what}: {state.reason}" if state.reason else what, by=state.by, since=state.since)


# --- who asks -------------------------------------------------------------------------------------------------------
def system_is_registered(known: Known, asked: Asked) -> Deny | None:
    """景德镇 7: a call is made by a registered information system, never by a person."""
    if known.system is None or known.department is None:
        return deny(codes.SYSTEM_UNKNOWN, f"system {asked.system}")
    return None


def system_in_good_standing(known: Known, _asked: Asked) -> Deny | None:
    """国务院令第809号 27: suspension acts at once, and on whoever acts for the system too."""
    system, department = known.system, known.department
    if system is None or department is None:
        return None
    if known.acting is None and system.state.standing == department.state.standing == ACTIVE:
        return None  # as nearly always
    denied = in_good_standing(Party(system, department))
    return denied if denied is not None or known.acting is None else in_good_standing(known.acting)


def in_good_standing(party: Party) -> Deny | None:
    """国务院令第809号 27: of one system and its department."""
    denied = _standing(party.system.state, codes.SYSTEM_SUSPENDED, party.system.id)
    if denied is not None or party.department is None:
        return denied
    return _standing(party.department.state, codes.DEPARTMENT_SUSPENDED, party.department.id)


# --- what is asked for ----------------------------------------------------------------------------------------------
def interface_exists(known: Known, asked: Asked) -> Deny | None:
    if known.route is None or known.provider is None:
        return deny(codes.UNKNOWN_INTERFACE, asked.interface)
    return None


def interface_in_good_standing(known: Known, _asked: Asked) -> Deny | None:
    """国务院令第809号 27: both parties have to be in good standing."""
    if known.route is None or known.provider is None:
        return None
    interface, provider = known.route.interface, known.provider
    if interface.state.standing == provider.state.standing == ACTIVE:
        return None  # as nearly always, and the key need not be put together
    return _standing(interface.state, codes.INTERFACE_SUSPENDED, interface.key) or _standing(
        provider.state, codes.INTERFACE_SUSPENDED, provider.id
    )


Found = tuple[Operation, dict[str, str]]
"""An operation, and the values of its variables."""


def operation_of(route: Route, asked: Asked) -> Found | Deny:
    """The operation that path and method name, with the values of its variables."""
    try:
        paths.check(asked.path)
        at_path = route.match(asked.path)
    except paths.BadPath as bad:
        return deny(codes.BAD_PATH, str(bad))
    if asked.mode != "query":
        at_path = _claimable(route, at_path)
    for found in at_path:
        if asked.method == _asked_with(found[0], asked.mode):
            return found
    if at_path:
        allow = ", ".join(sorted({_asked_with(operation, asked.mode) for operation, _ in at_path}))
        return deny(codes.METHOD_NOT_ALLOWED, f"{asked.method} is not among {allow}", allow=allow)
    operations = [f"{operation.method} {operation.path or '/'}" for operation in route.interface.operations]
    return deny(codes.UNKNOWN_OPERATION, asked.interface, operations=operations)


def _asked_with(operation: Operation, mode: Mode) -> str:
    """The method of whoever asks; claims are posted, whatever the provider is asked with."""
    return operation.method if mode == "query" else "POST"


def _claimable(route: Route, at_path: list[Found]) -> list[Found]:
    """What a verification or comparison asks the provider: GET if there is one at the path, else POST.

    Of files, and of providers that themselves tell no more than one word, none can be made.
    """
    if route.interface.format == "binary" or route.interface.mode != "query":
        return []
    found = {operation.method: (operation, values) for operation, values in reversed(at_path)}
    meant = found.get("GET") or found.get("POST")
    return [meant] if meant else []


# --- by which grant -------------------------------------------------------------------------------------------------
def mode_of(grant: Grant, interface: Interface) -> Mode:
    """How the grant is asked for: plainly, too, where the provider itself tells no more than the grant allows."""
    return "query" if grant.mode == interface.mode else grant.mode


def mode_is_granted(known: Known, asked: Asked) -> Deny | None:
    """云南 29: who may only verify or compare is not told facts, and who may ask for facts has no need to guess."""
    assert known.route is not None  # noqa: S101  # interface_exists has seen it
    interface, others = known.route.interface, []
    for rule in known.grants:
        if not asked.grant or rule.grant.id == asked.grant:
            mode = mode_of(rule.grant, interface)
            if mode == asked.mode:
                return None
            others.append((mode, rule.grant.id))
    if not others:
        return None  # that there is no grant at all is for the next condition to say
    modes = sorted({mode for mode, _ in others})
    words = f"{asked.mode} is not among {', '.join(modes)}"
    return deny(codes.GRANT_MODE, words, modes=modes, grants=[grant for _, grant in others])


def rule_of(known: Known, asked: Asked) -> GrantRule | Deny:
    """The one grant that this call stands on."""
    assert known.route is not None  # noqa: S101  # interface_exists has seen it
    if asked.grant:
        named = [rule for rule in known.grants if rule.grant.id == asked.grant]
        return named[0] if named else deny(codes.GRANT_UNKNOWN, asked.grant[:64])
    if len(known.grants) == 1:
        return known.grants[0]
    interface = known.route.interface
    of_mode = [rule for rule in known.grants if mode_of(rule.grant, interface) == asked.mode] or known.grants
    in_force = [rule for rule in of_mode if _is_in_force(rule, known, asked)]
    active = in_force or [rule for rule in of_mode if rule.grant.state.standing == ACTIVE]
    usable = active or of_mode  # where none is in force, the refusal says why
    if not usable:
        return deny(codes.GRANT_NONE, f"{asked.system} for {asked.interface}")
    if len(usable) > 1:
        return deny(codes.GRANT_AMBIGUOUS, grants=[rule.grant.id for rule in usable])
    return usable[0]


def _is_in_force(rule: GrantRule, known: Known, asked: Asked) -> bool:
    return rule.grant.state.standing == ACTIVE and grant_in_time(rule, known, asked) is None


def is_without_grant(known: Known, asked: Asked) -> bool:
    """Whether a call of the sandbox stands on no grant: examples may be seen before anything has been granted."""
    return asked.sandbox and not asked.grant and not any(_is_in_force(rule, known, asked) for rule in known.grants)


def stand_in(known: Known, asked: Asked) -> GrantRule:
    """Who has no grant sees in the sandbox all fields, under the interface's masks."""
    assert known.route is not None  # noqa: S101  # interface_exists has seen it
    interface = known.route.interface
    names = [field.name for field in interface.fields] if interface.format != "binary" else []
    return GrantRule(
        Grant(
            id="", revision=0, system=asked.system, department=known.department.id if known.department else "",
            interface=asked.interface, purpose="", fields=names or ["*"], mode=asked.mode,
        )
    )  # fmt: skip


GrantCondition = Callable[[GrantRule, Known, Asked], Deny | None]


def grant_in_good_standing(rule: GrantRule, _known: Known, _asked: Asked) -> Deny | None:
    """国务院令第809号 27, 常德 22: a suspended or withdrawn permission is refused at once."""
    state = rule.grant.state
    revoked = state.standing == "revoked"
    return _standing(state, codes.GRANT_REVOKED if revoked else codes.GRANT_SUSPENDED, rule.grant.id)


def grant_in_time(rule: GrantRule, _known: Known, asked: Asked) -> Deny | None:
    grant = rule.grant
    if grant.not_before and asked.at < grant.not_before:
        return deny(codes.GRANT_NOT_YET, not_before=_moment(grant.not_before))
    if grant.not_after and asked.at >= grant.not_after:
        return deny(codes.GRANT_EXPIRED, not_after=_moment(grant.not_after))
    return None


def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(min(unix_s, LAST_MOMENT), UTC).isoformat()


def grant_in_hours(rule: GrantRule, _known: Known, asked: Asked) -> Deny | None:
    """The hours are those of Asia/Shanghai; a window may run over midnight."""
    hours = rule.grant.hours
    if not hours:
        return None
    start, _, end = hours.partition("-")
    now = (datetime.fromtimestamp(asked.at, UTC) + CHINA_TIME).strftime("%H:%M")
    inside = start <= now < end if start <= end else now >= start or now < end
    return None if inside else deny(codes.GRANT_HOURS, hours=hours)


def grant_in_network(rule: GrantRule, _known: Known, asked: Asked) -> Deny | None:
    if rule.grant.networks and not _within(asked.client, rule.networks):
        return deny(codes.GRANT_NETWORK, asked.client)
    return None


def _within(client: str, networks: list[Network]) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in networks)


def case_is_named(rule: GrantRule, _known: Known, asked: Asked) -> Deny | None:
    """常德 20, 景德镇 16: a record leads back to the case at hand (办件编号)."""
    pattern = rule.grant.case_pattern
    if not pattern:
        return None
    if not asked.case:
        return deny(codes.CASE_MISSING, pattern=pattern)
    return None if rule.case.fullmatch(asked.case) else deny(codes.CASE_MALFORMED, pattern=pattern)


def subject_consents(_rule: GrantRule, known: Known, asked: Asked) -> Deny | None:
    """德清 14 (当事人授权): that a consent came along; what it says is checked when the question has been read."""
    if known.route is not None and known.route.interface.consent_required and not asked.consent:
        return deny(codes.CONSENT_REQUIRED, known.route.interface.key)
    return None


def interface_not_in_maintenance(_rule: GrantRule, known: Known, asked: Asked) -> Deny | None:
    """国务院令第809号 27: announced windows. The last condition: who comes back then would be allowed."""
    if known.route is None or not known.route.interface.maintenance:
        return None
    until, reason = 0, ""
    for window in known.route.interface.maintenance:  # in order, so that one that follows at once counts in
        if window.begins <= max(until, asked.at) < window.until:
            until, reason = window.until, window.reason
    if not until:
        return None
    return deny(codes.INTERFACE_MAINTENANCE, reason, until=_moment(until), retry_after=max(1, ceil(until - asked.at)))
