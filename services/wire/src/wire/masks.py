"""Names of masks, and what a provider's own mask may be: catalog and exchange read both alike.

What a mask shows is in the exchange (`contract.masks`); here is only what an interface or a grant may name.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wire.catalog import MaskRule

DROP: Final = "drop"
"""The member is taken out."""
PLAIN: Final = "plain"
"""No mask; in a grant it lifts the interface's."""
PSEUDONYM: Final = "pseudonym"
"""A word for the value that is the same at every call of one department, and another one for every other department."""
NAMES: Final = frozenset({
    "name_first", "id_last4", "phone", "addr_district", "mid4", "bank_last4", "plate", "uscc", "year",
    PSEUDONYM, DROP, PLAIN,
})  # fmt: skip
"""Every mask that there is without registering one."""
MOST_RULES: Final = 50
LONGEST_UNTIL: Final = 20

_NAME = re.compile(r"x-[a-z0-9][a-z0-9-]{0,39}")


def rules_fit(rules: Sequence[MaskRule]) -> list[tuple[str, str]]:
    """What is wrong with a provider's own masks, each as (path below the interface, what); empty where all fit."""
    return list(_mistakes(rules))


def _mistakes(rules: Sequence[MaskRule]) -> Iterator[tuple[str, str]]:
    if len(rules) > MOST_RULES:
        yield "masks", f"at most {MOST_RULES}"
    seen: set[str] = set()
    for n, rule in enumerate(rules):
        if not _NAME.fullmatch(rule.name):
            yield f"masks/{n}/name", "x- and at most 40 small letters, digits and hyphens"
        elif rule.name in seen:
            yield f"masks/{n}/name", "is there more than once"
        seen.add(rule.name)
        for where, what in _shows_too_much(rule):
            yield f"masks/{n}/{where}", what


def _shows_too_much(rule: MaskRule) -> Iterator[tuple[str, str]]:
    """A mask hides at least a third of what it covers: otherwise it is none."""
    if rule.head < 0 or rule.tail < 0:
        yield "head" if rule.head < 0 else "tail", "a number of characters"
    elif not 1 <= rule.shortest <= 1000:
        yield "shortest", "from 1 to 1000 characters"
    elif not rule.until and 3 * (rule.head + rule.tail) > 2 * rule.shortest:
        yield "shortest", "so short a value would be shown by more than two thirds"
    if len(rule.until) > LONGEST_UNTIL:
        yield "until", f"at most {LONGEST_UNTIL} characters"
