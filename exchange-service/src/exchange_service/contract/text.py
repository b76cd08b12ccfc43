"""Strict JSON: one reading of a text, or none.

Two parsers that read one text differently are a way round the field filter, so what RFC 8259 leaves open is refused
here: duplicate members, lone surrogates, numbers beyond a double, anything before or behind the value. The scanning is
msgspec's; this module adds what msgspec lets pass (limits, duplicates). Source: RFC 8259 sections 4, 6, 8; RFC 7493.
"""

import re
from typing import Any, Final

import msgspec

MOST_BYTES: Final = 10 * 1024 * 1024
DEEPEST: Final = 64
"""Objects and arrays inside one another, the outermost counted."""
MOST_MEMBERS: Final = 1000
"""Members of one object."""
LONGEST_NUMBER: Final = 400
"""Characters of one number."""

_STRIDE = 50
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{%d}" % (LONGEST_NUMBER + 1))
_NUMBER_SAMPLES = re.compile(rb"[-+.0-9eE]{%d}" % (LONGEST_NUMBER // _STRIDE))
_ESCAPED_COLON = b"\\u003"
_BOXES = frozenset({dict, list})

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class BadText(ValueError):
    """A body is not what we read, whatever its format. The message holds nothing of the body."""


class BadJson(BadText):
    """The text is not JSON as we read it. The message holds nothing of the text."""


class Text(msgspec.Struct, frozen=True):
    """A text that passed, and what it says. `tree` has numbers as int or float: do not write it back."""

    body: bytes
    tree: object


def read(body: bytes) -> Text:
    """The text with its tree. Raises BadJson."""
    if len(body) > MOST_BYTES:
        raise BadJson(f"more than {MOST_BYTES} bytes")
    try:
        tree = _decode(body)
    except UnicodeDecodeError:
        raise BadJson("not UTF-8") from None
    except msgspec.DecodeError as error:
        raise BadJson(str(error)) from None
    except RecursionError:
        raise BadJson(f"deeper than {DEEPEST} levels") from None
    openers = body.count(b"{") + body.count(b"[")
    members = _members(body, tree, openers)
    if _has_duplicates(body, tree, members):
        raise BadJson("a member appears twice in one object")
    if _has_long_number(body):
        raise BadJson(f"a number of more than {LONGEST_NUMBER} characters")
    return Text(body, tree)


def _members(body: bytes, tree: object, openers: int) -> int | None:
    """How many members all objects have together, where that is told at once or has to be. Raises BadJson beyond a
    limit."""
    if openers == 1 and type(tree) is dict and len(tree) <= MOST_MEMBERS:
        return len(tree)  # its own is the one sign in the text
    return _measure(tree, openers) if _may_exceed(body, openers) else None


def _may_exceed(body: bytes, openers: int) -> bool:
    """Whether a limit of members or depth can be exceeded at all: a member takes five bytes, a level its sign."""
    return len(body) > 4 * MOST_MEMBERS or openers > DEEPEST


def _measure(tree: object, openers: int) -> int:
    """How many members all objects have together, level by level. Raises BadJson beyond a limit.

    openers  the text's `{` and `[`, those in strings too: once so many boxes are found, nothing can be deeper
    """
    members = depth = 0
    level: list[Any] = [tree] if type(tree) in _BOXES else []
    while level:
        depth += 1
        openers -= len(level)
        if depth > DEEPEST:
            raise BadJson(f"deeper than {DEEPEST} levels")
        objects = [box for box in level if type(box) is dict]
        for box in objects:
            if len(box) > MOST_MEMBERS:
                raise BadJson(f"more than {MOST_MEMBERS} members in one object")
            members += len(box)
        level = _inside(level) if openers else []
    return members


def _inside(level: list[Any]) -> list[Any]:
    """The boxes directly inside boxes."""
    return [
        value
        for box in level
        for value in (box.values() if type(box) is dict else box)
        if type(value) is dict or type(value) is list
    ]


def _has_duplicates(body: bytes, tree: object, members: int | None) -> bool:
    """Whether the text names more members than the tree has: of two with one name the tree keeps one.

    Every member brings a colon, and so may strings. Where the count of colons alone does not settle it, the tree is
    written out again: the same strings bring the same colons, unless the text has escaped some.
    """
    colons = body.count(b":")
    if colons == members:
        return False
    if _ESCAPED_COLON not in body:
        return _encode(tree).count(b":") != colons
    return _STRINGS.sub(b"", body).count(b":") != _measure(tree, len(body))


def _has_long_number(body: bytes) -> bool:
    """Whether a number is too long. One that is covers so many sampled places in a row."""
    if not _NUMBER_SAMPLES.search(body[::_STRIDE]):
        return False
    return _LONG_NUMBER.search(_STRINGS.sub(b'""', body)) is not None
