"""Pseudonyms of persons: "who asked about this person" can be answered, and no number is kept.

A pseudonym is `p1:` and 32 hex digits: the first half of HMAC-SHA-256 under a key of its own over a fixed line and the
number in one spelling. Without the key nobody can try numbers out against the log; with it anybody can, so the key has
a file that only gateways and the audit service read. The old and the new number of one person (15 and 18 digits) have
two pseudonyms; whoever looks for a person asks for both. Source: RFC 2104; 个人信息保护法 51, 55-56, 73 (去标识化).
"""

import hmac
import re
import unicodedata
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Literal

from wire.schemas import referred

SHORTEST_KEY_BYTES = 32
LONGEST = 128
"""Characters of a number in its one spelling; what is longer names nobody."""
DOMAIN = b"tongdao/subject/1\n"
PATTERN = r"^p1:[0-9a-f]{32}$"
_UNHEARD = frozenset({"Pd", "Cf", "Cc", "Zs", "Zl", "Zp"})
"""Categories of characters that do not belong to a number: dashes, formats, controls, white space."""
DEEPEST = 4
Place = Literal["path", "query", "body"]
PSEUDONYM = "p1:"
"""How every pseudonym of this kind begins; other subjects in the log (of clocks) are none."""


class SubjectKey:
    """The key of all pseudonyms of one installation. With another key the same person has another pseudonym."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SHORTEST_KEY_BYTES:
            raise ValueError(f"the key of the pseudonyms must have at least {SHORTEST_KEY_BYTES} bytes")
        self._secret = secret

    @classmethod
    def from_file(cls, path: Path) -> "SubjectKey":
        return cls(path.read_bytes().strip())

    def pseudonym(self, number: str) -> str:
        """The pseudonym of whom this number names, "" where it can name nobody. Never raises."""
        spelled = normal(number)
        if not 0 < len(spelled) <= LONGEST:
            return ""
        said = DOMAIN + spelled.encode(errors="surrogatepass")
        return PSEUDONYM + hmac.digest(self._secret, said, "sha256")[:16].hex()


def normal(number: str) -> str:
    """The number in one spelling: one width, capitals, without white space and hyphens. Over-long text is none: ""."""
    if len(number) > 8 * LONGEST:
        return ""
    if number.isascii() and number.isalnum():
        return number.upper()
    folded = unicodedata.normalize("NFKC", number).upper()
    return "".join(c for c in unicodedata.normalize("NFKC", folded) if unicodedata.category(c) not in _UNHEARD)


# --- identity numbers in texts that are kept ------------------------------------------------------------------------
NUMBER_LENGTH = 18
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_CYRILLIC = str.maketrans("Х", "X")
_CHINESE = str.maketrans("〇零一二三四五六七八九", "00123456789")
_PART = re.compile(r"[0-9]+|X")
_LETTER = re.compile(r"[A-Z]")
_LIKE_A_NUMBER = re.compile(r"[0-9]{6}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]")
"""Six digits of a region, a day of birth, three of a sequence, one that checks the others."""


def holds_a_number(text: str) -> bool:
    """Whether somebody's identity number stands in a text, in whatever spelling: wide or Chinese digits, with blanks,
    hyphens or words (年月日) between its parts.

    Not what only looks like one: part of a longer run of digits, without a day of birth, with a wrong check digit, or
    with Latin letters between its parts, as in a UUID or a digest.
    Source: GB 11643-1999.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper()).translate(_CYRILLIC)
    spelled = folded.translate(_CHINESE)  # without it as well: 一 after a number is no digit of it
    return _has_a_number(folded) or (spelled != folded and _has_a_number(spelled))


def _has_a_number(text: str) -> bool:
    parts = list(_PART.finditer(text))
    return any(_begins_a_number(text, parts, n) for n in range(len(parts)))


def _begins_a_number(text: str, parts: list[re.Match[str]], first: int) -> bool:
    """Whether a whole number of parts, from the first on, make an identity number."""
    number, end = "", parts[first].start()
    for part in parts[first : first + NUMBER_LENGTH]:
        if _LETTER.search(text, end, part.start()):
            return False
        number, end = number + part[0], part.end()
        if len(number) >= NUMBER_LENGTH:
            break
    return bool(_LIKE_A_NUMBER.fullmatch(number)) and number[-1] == _check_digit(number[:-1])


def _check_digit(digits: str) -> str:
    """Of seventeen digits (ISO 7064, MOD 11-2)."""
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def members(schema: object) -> set[str]:
    """The members that a JSON Schema names at the top of an object, in all the forms that it allows."""
    return _members(schema, schema, DEEPEST)


def _members(schema: object, root: object, depth: int) -> set[str]:
    if not isinstance(schema, dict) or not depth:
        return set()
    properties = schema.get("properties")
    found = {str(name) for name in properties} if isinstance(properties, dict) else set()
    forms = [schema.get(word) for word in ("allOf", "anyOf", "oneOf")]
    inner = [form for listed in forms if isinstance(listed, list) for form in listed]
    inner.append(referred(schema.get("$ref"), root))
    return found.union(*(_members(form, root, depth - 1) for form in inner))


def required(schema: object) -> set[str]:
    """The members that a JSON Schema asks for at the top of an object, whatever its form."""
    return _required(schema, schema, DEEPEST)


def _required(schema: object, root: object, depth: int) -> set[str]:
    if not isinstance(schema, dict) or not depth:
        return set()
    listed, forms = schema.get("required"), schema.get("allOf")
    found = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
    inner = [*(forms if isinstance(forms, list) else ()), referred(schema.get("$ref"), root)]
    return found.union(*(_required(form, root, depth - 1) for form in inner))


def place(name: str, variables: Container[str], method: str, request: Mapping[str, Any] | None) -> Place:
    """Where an operation is told whom it is about. The registration says so, so that no caller can say it twice."""
    if name in variables:
        return "path"
    return "body" if method not in ("GET", "HEAD") and name in members(request) else "query"


def sure_place(
    name: str, variables: Container[str], method: str, request: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None,
) -> Place | None:  # fmt: skip
    """The same where a consent hangs on it. None: the operation need not look at a query that nobody requires, so
    whoever stands there is not whom it tells about.
    """
    found = place(name, variables, method, request)
    return None if found == "query" and name not in required(parameters) else found


def is_like(name: str, subject: str) -> bool:
    """Whether a provider might take a member of this name for the one that names the person."""
    return name == subject or _folded(name) == _folded(subject)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
