"""Verifications and comparisons: a question with claims is taken apart, and an answer becomes a verdict on them.

Made of any interface that tells facts, without its provider writing anything: the provider is asked as for a query,
and of its answer nothing leaves but words of ours (yes, no, no_record, match, mismatch, absent) and the names that the
consumer claimed.

    {"claims": {"name": "张三", "hukou.since": null}, "question": …the body of the operation, if it has one…}

How a claim is held against a value: strings NFKC, stripped, whatever their case; numbers by their exact decimal value,
also where one of the two is a string; truth values likewise; null equals absent. Source: 云南 29 (核实、比对).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import msgspec

from exchange_service.contract.model import EVERYTHING, Contract, RequestFormat
from exchange_service.contract.text import LONGEST_NUMBER, read
from wire.catalog import Mode

Word = Literal["yes", "no", "no_record"]
NO_RECORD_STATUS: Final = 404
MOST_CLAIMS: Final = 200
IN_A_STRING: Final[tuple[RequestFormat, ...]] = ("xml", "form")
"""Request formats that JSON can hold in a string only."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,6})?")
_TRUTHS: Final = {"true": True, "false": False}


class BadClaims(ValueError):
    """The claims are not what the grant lets be claimed (codes.CLAIMS_MALFORMED). The message holds no value."""


class Ambiguous(ValueError):
    """A comparison found several records (codes.COMPARE_AMBIGUOUS)."""


class NoVerdict(ValueError):
    """The provider answered with an error: nothing can be said (codes.PROVIDER_BROKEN_ANSWER)."""


class Claimed(msgspec.Struct, frozen=True):
    """A question with claims, taken apart.

    claims    dotted name -> scalar; fractions are Decimals
    question  the operation's body as it was written, b"" for none: what the provider is sent and contracts see
    """

    claims: dict[str, Any]
    question: bytes


class Verdict(msgspec.Struct, frozen=True):
    """What leaves of an answer. `word` goes into ReplyMessage.verdict and is counted by `guesses`."""

    body: bytes
    word: Word


# --- the question ---------------------------------------------------------------------------------------------------
class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    claims: dict[str, Any]
    question: msgspec.Raw = msgspec.Raw(b"")


_envelope: Final = msgspec.json.Decoder(_Envelope, float_hook=Decimal).decode
_string: Final = msgspec.json.Decoder(str).decode


def take_apart(contract: Contract, body: bytes) -> Claimed:
    """Claims and question. Raises BadJson for what is not strict JSON, BadClaims for another form.

    Where the interface takes XML or a form, the question is a string that holds it.
    """
    read(body)
    try:
        envelope = _envelope(body)
        question = bytes(envelope.question)
        if question and contract.request_format in IN_A_STRING:
            question = _string(question).encode()
    except msgspec.ValidationError:
        raise BadClaims('{"claims": {field: value, …}, "question": …} is needed') from None
    if question and contract.request_format == "binary":
        raise BadClaims("this interface takes no question that could be sent along")
    if not 0 < len(envelope.claims) <= MOST_CLAIMS:
        raise BadClaims(f"at least one claim is needed, and at most {MOST_CLAIMS} are taken")
    if any(isinstance(value, dict | list) for value in envelope.claims.values()):
        raise BadClaims("a claim is a string, a number, true, false or null")
    return Claimed(envelope.claims, question)


def check_claims(contract: Contract, mode: Mode, claims: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Whether these may be claimed under a grant of `fields`; ["*"] means all that the interface registers.

    Raises BadClaims: verify claims every field, compare some, both no others.
    """
    granted = set(claimable(contract, fields))
    if not claims.keys() <= granted:
        raise BadClaims("a field is claimed that the grant does not name")
    if mode == "verify" and claims.keys() < granted:
        raise BadClaims(f"a verification claims all granted fields: {len(granted)} of them")


def claimable(contract: Contract, fields: Sequence[str]) -> Sequence[str]:
    """The dotted names that may be claimed."""
    return contract.fields if EVERYTHING in fields else fields


# --- the verdict ----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Place:
    """A place of the answer on the way to granted fields; arrays are transparent.

    name  the granted field that ends here, "" for none    claim  what is claimed of it, where `is_claimed`
    """

    name: str = ""
    is_claimed: bool = False
    claim: Any = None
    below: "dict[str, Place]" = field(default_factory=dict)


def places_of(names: Sequence[str], claims: Mapping[str, Any]) -> Place:
    """The granted names as a tree with the claims in it."""
    root = Place()
    for name in names:
        place = root
        for part in name.split("."):
            place = place.below.setdefault(part, Place())
        place.name = name
        place.is_claimed = name in claims
        place.claim = claims.get(name)
    return root


def judge(
    contract: Contract, mode: Mode, claims: Mapping[str, Any], fields: Sequence[str], tree: object, status: int = 200
) -> Verdict:
    """The verdict on what the provider said.

    tree  of `contract.release.facts`: the answer with numbers as int and Decimal; None where there was no body
    Raises Ambiguous, and NoVerdict where the status says neither that there is an answer nor that there is no record.
    """
    if status != NO_RECORD_STATUS and not 200 <= status < 300:
        raise NoVerdict(f"status {status}")
    root = places_of(claimable(contract, fields), claims)
    if status == NO_RECORD_STATUS or not is_there(root, tree):
        return _verdict({"result": "no_record"}, "no_record")
    if mode != "compare":
        word: Word = "yes" if matches(root, tree) else "no"
        return _verdict({"result": word}, word)
    compared = dict(compare(root, tree))
    same = all(word == "match" for word in compared.values())
    return _verdict(
        {"result": "compared", "fields": {name: compared[name] for name in claims}}, "yes" if same else "no"
    )


def _verdict(said: dict[str, Any], word: Word) -> Verdict:
    return Verdict(msgspec.json.encode(said), word)


def is_there(place: Place, value: Any) -> bool:
    """Whether any granted field has a value here or below."""
    if isinstance(value, list):
        return any(is_there(place, element) for element in value)
    if value is None:
        return False
    if place.name:
        return True
    return isinstance(value, dict) and any(is_there(below, value.get(name)) for name, below in place.below.items())


def matches(place: Place, value: Any) -> bool:
    """Whether one record meets all claims: in every array one element does."""
    if isinstance(value, list):
        return any(matches(place, element) for element in value) if value else matches(place, None)
    if place.is_claimed and not agrees(place.claim, value):
        return False
    members = value if isinstance(value, dict) else {}
    return all(matches(below, members.get(name)) for name, below in place.below.items())


def compare(place: Place, value: Any) -> Iterator[tuple[str, str]]:
    """(name, word of the verdict) of each claim. Raises Ambiguous."""
    value = the_only(place, value)
    if place.is_claimed:
        absent = value is None and place.claim is not None
        yield place.name, "absent" if absent else "match" if agrees(place.claim, value) else "mismatch"
    members = value if isinstance(value, dict) else {}
    for name, below in place.below.items():
        yield from compare(below, members.get(name))


def the_only(place: Place, value: Any) -> Any:
    """The value, or the one element of an array that has something granted. Raises Ambiguous where two have."""
    if not isinstance(value, list):
        return value
    found = [element for element in value if is_there(place, element)]
    if len(found) > 1:
        raise Ambiguous("several records")
    return the_only(place, found[0]) if found else None


# --- one claim against one value ------------------------------------------------------------------------------------
def agrees(claim: Any, value: Any) -> bool:
    """Whether the value is what is claimed, see the head of this module."""
    if claim is None or value is None:
        return claim is None and value is None
    if isinstance(claim, str) and isinstance(value, str):
        return spelled(claim) == spelled(value)
    if isinstance(claim, bool) or isinstance(value, bool):
        truth = truth_of(claim)
        return truth is not None and truth is truth_of(value)
    number = number_of(claim)
    return number is not None and number == number_of(value)


def spelled(text: str) -> str:
    """Text in one spelling: width, case and white space around it make no difference."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def truth_of(value: Any) -> bool | None:
    if isinstance(value, str):
        return _TRUTHS.get(spelled(value))
    return value if isinstance(value, bool) else None


def number_of(value: Any) -> Decimal | None:
    """The exact value of a number, or of a string that is one as JSON writes it."""
    if isinstance(value, str):
        value = spelled(value)
        if len(value) > LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None
