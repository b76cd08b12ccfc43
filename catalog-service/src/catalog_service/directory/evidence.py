"""What comes with a step of a filing or of an interface, and what is kept of it. Pure."""

import hashlib
from typing import Any

import msgspec

from catalog_service.directory.entry import Basis


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A paper that belongs to a step: its name and what identifies its bytes. The bytes stay where they are."""

    name: str
    sha256: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes with a step. Each row of a machine says which members it needs.

    missing          what is wrong with an entry, said once      result      what a review or check found
    changed_on       the day on which a law or duty changed      days        by how much a time limit is extended
    until            the last day on which a version is served   successor   the version that comes after it
    duplicates_seen  the maker has looked at what others provide filing_no   备案号
    negotiated       subscribing departments that were negotiated with
    sample           an answer of the provider's system; only its digest is kept
    reason_zh        the reason in Chinese, where the platform itself gives one
    """

    reason: str = ""
    legal_basis: list[Basis] = []
    note: str = ""
    missing: list[str] = []
    days: int = 0
    changed_on: str = ""
    until: str = ""
    successor: str = ""
    filing_no: str = ""
    result: str = ""
    duplicates_seen: bool = False
    negotiated: list[str] = []
    sample: Any = None
    reason_zh: str = ""
    documents: list[Document] = []


def kept(evidence: Evidence) -> Evidence:
    """The evidence as history holds it: a sample may show somebody's data, its digest shows nobody's."""
    if evidence.sample is None:
        return evidence
    digest = hashlib.sha256(msgspec.json.encode(evidence.sample, order="deterministic")).hexdigest()
    return msgspec.structs.replace(evidence, sample={"sha256": digest})
