"""What a case may not say: whose record it is about. Keys of records come masked, persons without their numbers. Pure.

A case is read by both sides, by those who oversee and, in parts, by readers of the log; whose data are in doubt is the
business of the two sides alone, and they know it from the call (个人信息保护法 6, 34; 国务院令第809号 37).
"""

import re
import unicodedata
from collections.abc import Mapping

MOST_SHOWN = 4
_RUN = re.compile(r"[A-Za-z0-9*#●•·]{6,}")
_SHOWN = re.compile(r"[A-Za-z0-9]")
_JOINT = re.compile(r"(?<=[0-9])[\s.·/\-–—]+(?=[0-9Xx])")
_DAY = "(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_NUMBER = re.compile(rf"(?=([1-9][0-9]{{5}}(?:18|19|20)[0-9]{{2}}{_DAY}[0-9]{{3}}[0-9Xx]))")
_OLD_NUMBER = re.compile(rf"(?<![0-9])[1-9][0-9]{{7}}{_DAY}[0-9]{{3}}(?![0-9])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def shows_too_much(key: str) -> bool:
    """Whether more than four letters or digits of a run of six or more can be read; gaps in a number do not count."""
    return any(len(_SHOWN.findall(run)) > MOST_SHOWN for run in _RUN.findall(_joined(key)))


def holds_identity_number(text: str) -> bool:
    """Whether a citizen's identity number stands in the text (GB 11643: 18 characters, the last one checked; or 15)."""
    joined = _joined(text)
    return bool(_OLD_NUMBER.search(joined)) or any(_is_checked(found) for found in _NUMBER.findall(joined))


def texts_with_identity_numbers(members: Mapping[str, object]) -> list[str]:
    """Names of the members, texts or lists of texts, in which an identity number stands."""
    found = []
    for name, value in members.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and holds_identity_number(text) for text in texts):
            found.append(name)
    return found


def _joined(text: str) -> str:
    """Full-width digits as ASCII, groups of digits as one: no number passes by the way it is written."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return _JOINT.sub("", seen)


def _is_checked(number: str) -> bool:
    rest = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False)) % 11
    return "10X98765432"[rest] == number[-1].upper()
