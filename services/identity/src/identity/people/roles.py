"""Roles of people, and the scopes that each brings. Pure.

The three administrations exclude each other (GB/T 22239-2019 8.1.10.2, 三员分立); the database says so too, in
`person_role_one_administration`.
"""

from collections.abc import Iterable, Mapping

from runtime.errors import Refusal
from wire import codes, scopes

PLATFORM = "platform"
"""The department of those who run the platform; it is none of the catalog's."""
SECURITY = "security-administrator"
SYSTEM = "system-administrator"
AUDIT = "audit-administrator"
ADMINISTRATIONS = frozenset({SECURITY, SYSTEM, AUDIT})
ROLES: Mapping[str, frozenset[str]] = {
    "officer": frozenset({scopes.OFFICER}),
    "head": frozenset({scopes.HEAD}),
    "authority": frozenset({scopes.AUTHORITY}),
    SECURITY: frozenset({scopes.PEOPLE_WRITE, scopes.KEY_ROTATE, scopes.CLIENT_WRITE}),
    SYSTEM: frozenset({scopes.CATALOG_WRITE, scopes.GRANT_WRITE}),
    AUDIT: frozenset({scopes.AUDIT_READ, scopes.AUDIT_KEEP}),
}
"""Role -> scopes. What a person may do as `officer`, `head` or `authority` they do for their department; the three
administrations belong to people of the platform's own department."""


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """What somebody with these roles may do; a role that this release does not know brings nothing."""
    return frozenset[str]().union(*(ROLES.get(role, frozenset()) for role in roles))


def check_place(roles: frozenset[str], department: str) -> None:
    """Raise Refusal(CONFLICT) for an administration outside PLATFORM."""
    held = sorted(roles & ADMINISTRATIONS)
    if held and department != PLATFORM:
        raise Refusal(codes.CONFLICT, f"{', '.join(held)}: only for people of the department {PLATFORM}", roles=held)


def check_together(roles: frozenset[str]) -> None:
    """Raise Refusal(ROLES_EXCLUDE) for two administrations in one hand."""
    held = sorted(roles & ADMINISTRATIONS)
    if len(held) > 1:
        raise Refusal(codes.ROLES_EXCLUDE, ", ".join(held), roles=held)
