"""Webhooks: where a department wants its notices sent, how a message is signed, when it is tried again. Pure."""

import hmac
import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from catalog_service.notices.model import Notice

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
"""After each failure; when all are used up the delivery is a dead letter."""
DeliveryState = Literal["waiting", "delivered", "dead"]
_URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!\"$-~]*)?")


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
    if not _URL.fullmatch(webhook.url) or not _has_port(webhook.url):
        yield "url", "http(s)://host[:port][/path], without user or fragment"
    if not webhook.networks:
        yield "networks", "at least one network that the name may lead to"
    for n, network in enumerate(webhook.networks):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"networks/{n}", str(error)


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def message(notice: Notice) -> bytes:
    """The body of a delivery."""
    said = {"id": notice.id, "word": notice.word, "at": notice.at, "about": notice.about, "facts": notice.facts}
    return msgspec.json.encode(said)


def signature(signing_key: str, at: int, body: bytes) -> str:
    """The value of Tongdao-Signature: HMAC-SHA256 over "<at>.<body>" with the key's text; `at` in Unix seconds."""
    mac = hmac.digest(signing_key.encode(), b"%d." % at + body, "sha256").hex()
    return f"t={at},v1={mac}"


def next_try(attempts: int, at: datetime) -> datetime | None:
    """When to try again after so many attempts have failed; None: never."""
    return at + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
