"""The conditions of a call: one small check each, `None` where it holds. Pure.

The order in which they are asked stands in `decide.py`.
"""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.policy.model import Asked, Deny, GrantRule, Known, Network, Route, deny
from runtime.errors import Code
from wire import codes, paths
from wire.catalog import Operation, State

CHINA_TIME = timedelta(hours=8)  # Asia/Shanghai has had no other offset since 1991


def _standing(state: State, suspended: Code, what: str) -> Deny | None:
    if state.standing == "active":
        return None
    return deny(suspended, f"{what}: {state.reason}" if state.reason else what, by=state.by, since=state.since)


# --- who asks -------------------------------------------------------------------------------------------------------
def system_is_registered(known: Known, asked: Asked) -> Deny | None:
    """景德镇 7: a call is made by a registered information system, never by a person."""
    if known.system is None or known.department is None:
        return deny(codes.SYSTEM_UNKNOWN, f"system {asked.system}")
    return None


def system_in_good_standing(known: Known, _asked: Asked) -> Deny | None:
    """国务院令第809号 27: suspension acts at once."""
    if known.system is None or known.department is None:
        return None
    return _standing(known.system.state, codes.SYSTEM_SUSPENDED, known.system.id) or _standing(
        known.department.state, codes.DEPARTMENT_SUSPENDED, known.department.id
    )


# --- what is asked for ----------------------------------------------------------------------------------------------
def interface_exists(known: Known, asked: Asked) -> Deny | None:
    if known.route is None or known.provider is None:
        return deny(codes.UNKNOWN_INTERFACE, asked.interface)
    return None


def interface_in_good_standing(known: Known, _asked: Asked) -> Deny | None:
    """国务院令第809号 27: both parties have to be in good standing."""
    if known.route is None or known.provider is None:
        return None
    return _standing(known.route.interface.state, codes.INTERFACE_SUSPENDED, known.route.interface.key) or _standing(
        known.provider.state, codes.INTERFACE_SUSPENDED, known.provider.id
    )


def operation_of(route: Route, asked: Asked) -> tuple[Operation, dict[str, str]] | Deny:
    """The operation that path and method name, with the values of its variables."""
    try:
        paths.check(asked.path)
        at_path = route.match(asked.path)
    except paths.BadPath as bad:
        return deny(codes.BAD_PATH, str(bad))
    for operation, values in at_path:
        if operation.method == asked.method:
            return operation, values
    if at_path:
        allow = ", ".join(sorted({operation.method for operation, _ in at_path}))
        return deny(codes.METHOD_NOT_ALLOWED, f"{asked.method} is not among {allow}", allow=allow)
    operations = [f"{operation.method} {operation.path or '/'}" for operation in route.interface.operations]
    return deny(codes.UNKNOWN_OPERATION, asked.interface, operations=operations)


# --- by which grant -------------------------------------------------------------------------------------------------
def rule_of(known: Known, asked: Asked) -> GrantRule | Deny:
    """The one grant that this call stands on."""
    if asked.grant:
        named = [rule for rule in known.grants if rule.grant.id == asked.grant]
        return named[0] if named else deny(codes.GRANT_UNKNOWN, asked.grant[:64])
    active = [rule for rule in known.grants if rule.grant.state.standing == "active"]
    in_force = [rule for rule in active if grant_in_time(rule, known, asked) is None]
    usable = in_force or active or known.grants  # where none is in force, the refusal says why
    if not usable:
        return deny(codes.GRANT_NONE, f"{asked.system} for {asked.interface}")
    if len(usable) > 1:
        return deny(codes.GRANT_AMBIGUOUS, grants=[rule.grant.id for rule in usable])
    return usable[0]


GrantCondition = Callable[[GrantRule, Known, Asked], Deny | None]


def grant_in_good_standing(rule: GrantRule, _known: Known, _asked: Asked) -> Deny | None:
    """国务院令第809号 27, 常德 22: a suspended or withdrawn permission is refused at once."""
    revoked = rule.grant.state.standing == "revoked"
    return _standing(rule.grant.state, codes.GRANT_REVOKED if revoked else codes.GRANT_SUSPENDED, rule.grant.id)


def grant_in_time(rule: GrantRule, _known: Known, asked: Asked) -> Deny | None:
    grant = rule.grant
    if grant.not_before and asked.at < grant.not_before:
        return deny(codes.GRANT_NOT_YET, not_before=_moment(grant.not_before))
    if grant.not_after and asked.at >= grant.not_after:
        return deny(codes.GRANT_EXPIRED, not_after=_moment(grant.not_after))
    return None


def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()


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


def subject_consents(_rule: GrantRule, known: Known, _asked: Asked) -> Deny | None:
    """德清 14 (当事人授权): as long as no consent can be verified, an interface that needs it stays shut."""
    if known.route is not None and known.route.interface.consent_required:
        return deny(codes.CONSENT_REQUIRED, known.route.interface.key)
    return None
