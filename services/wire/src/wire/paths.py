"""Path templates such as "/{id_card}": matched by the gateway, filled in by the exchange.

Matching works on the raw path. What could mean two things to two parsers is refused, not repaired.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

_ALLOWED = re.compile(r"(?:/(?:[A-Za-z0-9_.~!$&'()*+,=:@-]++|%[0-9A-Fa-f]{2})++)*+/?")
_FORBIDDEN = re.compile(r"%(?:2[fF]|5[cC]|00|0[aAdD]|25|2[eE]|3[bB])|/\.\.?(?:/|$)")
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_is_plain = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
"""Whether nothing of a value has to be encoded: so it is with most, and `quote` takes long to find out."""


class BadPath(ValueError):
    """The raw path has a form that is not allowed."""


def check(raw_path: str) -> None:
    """Raise BadPath for anything that two parsers could read differently (encoded slashes, dot segments, `//`, …)."""
    plain = "%" not in raw_path and "/." not in raw_path  # then nothing that is forbidden can be in it
    if not _ALLOWED.fullmatch(raw_path) or not (plain or _FORBIDDEN.search(raw_path) is None):
        raise BadPath("encoded delimiters, dot segments, empty segments and unencoded characters are not allowed")


class Template:
    """A compiled path template; a variable stands for one whole segment."""

    __slots__ = ("_form", "_pattern", "text", "variables")

    def __init__(self, text: str) -> None:
        self.text = text
        self.variables = _VARIABLE.findall(text)
        parts = _VARIABLE.split(text)
        pattern = "".join(re.escape(part) if i % 2 == 0 else f"(?P<{part}>[^/]+)" for i, part in enumerate(parts))
        self._pattern = re.compile(pattern)
        self._form = "%s".join(part.replace("%", "%%") for part in parts[::2])

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Decoded values of the variables, or None. Raises BadPath where a value is not UTF-8."""
        found = self._pattern.fullmatch(raw_path)
        if found is None:
            return None
        values = found.groupdict()
        if "%" not in raw_path:
            return values
        try:
            return {name: unquote(value, errors="strict") for name, value in values.items()}
        except UnicodeDecodeError:
            raise BadPath("a value is not UTF-8") from None

    def fill(self, values: Mapping[str, str]) -> str:
        """The path with every value encoded so that it stays one segment."""
        given = [values[name] for name in self.variables]
        return self._form % tuple([value if _is_plain(value) else quote(value, safe="") for value in given])
