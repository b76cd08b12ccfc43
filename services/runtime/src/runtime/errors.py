"""How our processes say no.

An expected "no" is a `Refusal` that carries a `Code`; it becomes a problem document (RFC 9457) in one place,
`runtime.problems`. Anything else that is raised is a bug and becomes a bare 500.
The codes themselves stand in `wire.codes`: this package knows no domain word.
"""

from dataclasses import dataclass
from typing import Literal

Fault = Literal["consumer", "exchange", "provider"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of refusal: stable name, HTTP status, who is at fault, title and remedy in two languages.

    source  the article or RFC section that the rule comes from, or "" for a rule of ours
    """

    name: str
    status: int
    fault: Fault
    title_en: str
    title_zh: str
    remedy_en: str
    remedy_zh: str
    source: str = ""

    def title(self, language: str) -> str:
        return self.title_zh if language == "zh" else self.title_en

    def remedy(self, language: str) -> str:
        return self.remedy_zh if language == "zh" else self.remedy_en


class Refusal(Exception):
    """An expected no. `detail` is for the caller; keyword facts become members of the problem document."""

    def __init__(self, code: Code, detail: str = "", **facts: object) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.facts = facts
