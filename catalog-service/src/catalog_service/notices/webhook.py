"""Webhooks: where a department wants its notices sent, which ones, and what a message says. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from catalog_service.notices.model import Notice
from runtime.webhook import mistakes_in_address

DeliveryState = Literal["waiting", "delivered", "dead"]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where a department's notices are sent.

    office      "" for what any office of the department gets; else what that office gets, wherever (the authority)
    networks    the only ones that the name in `url` may lead to
    words       which notices; "case.*" stands for all that begin so, an empty list for all
    generation  of the signing key: a change of anything makes a new one
    """

    id: str
    department: str
    office: str
    url: str
    networks: list[str]
    words: list[str]
    generation: int
    active: bool
    registered_by: str
    at: datetime
    reason: str = ""

    def wants(self, word: str) -> bool:
        """Never what is about webhooks: a message that they fail would make the next."""
        if word.startswith("webhook."):
            return False
        return not self.words or any(_matches(wanted, word) for wanted in self.words)

    @property
    def purpose(self) -> str:
        """From which the signing key is derived."""
        return f"webhook/{self.id}/{self.generation}"


def _matches(wanted: str, word: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notice on its way to one webhook."""

    n: int
    webhook: str
    notice: str
    state: DeliveryState
    attempts: int
    next_at: datetime
    error: str


def mistakes_in_webhook(webhook: Webhook) -> Iterator[tuple[str, str]]:
    """What is wrong, each as (path of the member, what)."""
    return mistakes_in_address(webhook.url, webhook.networks)


def message(notice: Notice) -> bytes:
    """The body of a delivery."""
    said = {"id": notice.id, "word": notice.word, "at": notice.at, "about": notice.about, "facts": notice.facts}
    return msgspec.json.encode(said)
