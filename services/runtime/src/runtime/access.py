"""Who a route lets in, said by the route itself.

A rule hangs on a dependency of the route, beside the check that it speaks of; documents and the role matrix read it
from there. All rules of a route hold together. A route without one is a mistake, which the tests find.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from fastapi import Depends
from fastapi.dependencies.models import Dependant

F = TypeVar("F", bound=Callable[..., Any])
_NAME = "access_rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition.

    kind    `public`: everybody; `services`: our own services, by their signature; `token`: an access token
    any_of  scopes of which the token needs at least one; empty where every valid token will do
    """

    kind: Literal["public", "services", "token"]
    any_of: frozenset[str] = frozenset()

    def admits(self, scopes: frozenset[str] | None) -> bool:
        """Whether it lets a token with these scopes in; None stands for a request without a token."""
        if self.kind != "token":
            return self.kind == "public"
        return scopes is not None and (not self.any_of or bool(self.any_of & scopes))


def ruled(dependency: F, rule: Rule) -> F:
    """The dependency itself, with the rule that it enforces."""
    setattr(dependency, _NAME, rule)
    return dependency


async def _anybody() -> None:
    pass


PUBLIC = Depends(ruled(_anybody, Rule("public")))
"""Marks a route that everybody may ask, or that looks for itself who is asking."""


def stating(*any_of: str) -> Any:
    """For `dependencies` of a route that looks at scopes itself, because its refusals are kept on record."""

    async def nothing() -> None:
        pass

    return Depends(ruled(nothing, Rule("token", frozenset(any_of))))


def rules_of(dependant: Dependant | None) -> list[Rule]:
    """The rules of a route, by the tree of its dependencies; empty where it states none."""
    return [] if dependant is None else list(dict.fromkeys(_found(dependant)))


def _found(dependant: Dependant) -> Iterator[Rule]:
    rule = getattr(dependant.call, _NAME, None)
    if isinstance(rule, Rule):
        yield rule
    for inner in dependant.dependencies:
        yield from _found(inner)
