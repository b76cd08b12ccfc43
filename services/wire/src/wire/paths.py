"""Path templates such as "/{id_card}": matched by the gateway, filled in by the exchange.

Matching works on the raw path. What could mean two things to two parsers is refused, not repaired.
"""

import re
from urllib.parse import quote, unquote

_ALLOWED = re.compile(r"(?:/(?:[A-Za-z0-9_.~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+)*/?")
_FORBIDDEN = re.compile(r"%(?:2[fF]|5[cC]|00|0[aAdD]|25|2[eE]|3[bB])|/\.\.?(?:/|$)|//")
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class BadPath(ValueError):
    """The raw path has a form that is not allowed."""


def check(raw_path: str) -> None:
    """Raise BadPath for anything that two parsers could read differently (encoded slashes, dot segments, `//`, …)."""
    if not _ALLOWED.fullmatch(raw_path) or _FORBIDDEN.search(raw_path):
        raise BadPath("encoded delimiters, dot segments, empty segments and unencoded characters are not allowed")


class Template:
    """A compiled path template; a variable stands for one whole segment."""

    __slots__ = ("_pattern", "text", "variables")

    def __init__(self, text: str) -> None:
        self.text = text
        self.variables = _VARIABLE.findall(text)
        parts = _VARIABLE.split(text)
        pattern = "".join(re.escape(part) if i % 2 == 0 else f"(?P<{part}>[^/]+)" for i, part in enumerate(parts))
        self._pattern = re.compile(pattern)

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Decoded values of the variables, or None. Raises BadPath where a value is not UTF-8."""
        found = self._pattern.fullmatch(raw_path)
        if found is None:
            return None
        try:
            return {
                name: unquote(value, errors="strict") if "%" in value else value
                for name, value in found.groupdict().items()
            }
        except UnicodeDecodeError:
            raise BadPath("a value is not UTF-8") from None

    def fill(self, values: dict[str, str]) -> str:
        """The path with every value encoded so that it stays one segment."""
        return _VARIABLE.sub(lambda found: quote(values[found[1]], safe=""), self.text)
