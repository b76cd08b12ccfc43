"""May this call be made? Every condition in its order; the first refusal wins; no grant means no. Pure."""

from gateway.policy import conditions
from gateway.policy.model import Allow, Asked, Deny, GrantRule, Known

BEFORE_THE_GRANT = (
    conditions.system_is_registered,
    conditions.system_in_good_standing,
    conditions.interface_exists,
    conditions.interface_in_good_standing,
)
# Examples concern nobody and disturb no provider; in all else the twin behaves as the interface does.
IN_THE_SANDBOX: tuple[conditions.GrantCondition, ...] = (
    conditions.grant_in_good_standing,
    conditions.grant_in_time,
    conditions.grant_in_hours,
    conditions.grant_in_network,
    conditions.case_is_named,
)
OF_THE_GRANT: tuple[conditions.GrantCondition, ...] = (
    *IN_THE_SANDBOX,
    conditions.subject_consents,
    conditions.interface_not_in_maintenance,
)


def decide(known: Known, asked: Asked) -> Allow | Deny:
    """The decision; whoever is told "no" is told the first reason."""
    for condition in BEFORE_THE_GRANT:
        if (denied := condition(known, asked)) is not None:
            return denied
    assert known.route is not None  # noqa: S101  # interface_exists has seen it
    found = conditions.operation_of(known.route, asked)
    if isinstance(found, Deny):
        return found
    if conditions.is_without_grant(known, asked):
        return Allow(conditions.stand_in(known, asked), known.route, *found, asked.mode, sandbox=True)
    if (denied := conditions.mode_is_granted(known, asked)) is not None:
        return denied
    rule = conditions.rule_of(known, asked)
    if isinstance(rule, Deny):
        return rule
    for of_grant in IN_THE_SANDBOX if asked.sandbox else OF_THE_GRANT:
        if (denied := of_grant(rule, known, asked)) is not None:
            return denied
    return Allow(rule, known.route, *found, asked.mode, asked.sandbox)


def explain(known: Known, asked: Asked) -> list[tuple[str, Deny | None]]:
    """Every step with its result, up to and including the grant's; the first `Deny` is what `decide` says."""
    steps = [(condition.__name__, condition(known, asked)) for condition in BEFORE_THE_GRANT]
    if known.route is None:
        return steps[: BEFORE_THE_GRANT.index(conditions.interface_exists) + 1]
    found = conditions.operation_of(known.route, asked)
    steps.append(("operation_exists", found if isinstance(found, Deny) else None))
    if conditions.is_without_grant(known, asked):
        return steps
    steps.append(("mode_is_granted", conditions.mode_is_granted(known, asked)))
    rule = conditions.rule_of(known, asked)
    steps.append(("grant_is_held", rule if isinstance(rule, Deny) else None))
    if isinstance(rule, GrantRule):
        of_grants = IN_THE_SANDBOX if asked.sandbox else OF_THE_GRANT
        steps += [(of_grant.__name__, of_grant(rule, known, asked)) for of_grant in of_grants]
    return steps
