"""What the one suite needs to know of an adapter: a real server, an interface of it, and what it has to answer.

An adapter joins the suite with a module of its own in `stands/` that makes its `Stand`, and a line in `conftest.py`.
Servers run in threads or processes of their own, so that a stand outlives the event loop of one test.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exchange_service.credentials.model import Credential
from exchange_service.providers.kinds import provider_of
from exchange_service.providers.provider import Provider, Question
from relay.egress import Egress
from wire.catalog import Interface

HOME = Egress(allow_loopback=True, forbidden_ports=frozenset())


@dataclass(frozen=True)
class Fact:
    """One question and what the provider knows about it: parsed JSON, bytes, or `...` for anything.

    among  it says more beside: only these members are looked at
    """

    question: Question
    content: Any
    status: int = 200
    headers: dict[bytes, bytes] = field(default_factory=dict)
    among: bool = False


def _provider(interface: Interface, egress: Egress, credential: Callable[[], Credential | None]) -> Provider:
    return provider_of(interface, egress, credential)


@dataclass(frozen=True)
class Stand:
    """A real server and an interface of it.

    facts    what is asked and has to be answered
    narrow   a question for some of the fields with an answer that has those alone; None where the provider cannot
    hostile  a question that carries this value where a value may stand
    echo     what the provider says to it: nothing found, or the value itself
    at       the same interface on another port of this machine; None where nobody is connected to
    connections  that the first fact needs, each with a look-up of its own
    """

    interface: Interface
    facts: list[Fact]
    hostile: Callable[[str], Question]
    echo: Callable[[str], tuple[int, Any]]
    narrow: Fact | None = None
    credential: Credential | None = None
    at: Callable[[int], Interface] | None = None
    connections: int = 1
    make: Callable[[Interface, Egress, Callable[[], Credential | None]], Provider] = _provider

    def provider(self, interface: Interface | None = None, egress: Egress = HOME) -> Provider:
        """Ours for it, new."""
        return self.make(interface or self.interface, egress, lambda: self.credential)


def read(content: bytes, fact: Fact) -> Any:
    """An answer's body in the form of what is expected."""
    if isinstance(fact.content, bytes) or not content:
        return content
    said = json.loads(content)
    return {name: said.get(name) for name in fact.content} if fact.among else said
