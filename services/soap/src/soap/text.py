"""XML that somebody sends, as a tree: bounded, without a DTD, UTF-8 only, nothing in it fetched or expanded. Pure."""

import re
from typing import Any, Final

from lxml import etree

MOST_MARKS: Final = 500_000
"""`<` in one document, and as many attributes: what a tree costs in memory."""
DEEPEST: Final = 60
"""Elements inside one another; a body has to fit into JSON of 64 levels."""

_PROLOG: Final = re.compile(rb"(?:\s++|<\?(?:[^?]++|\?(?!>))*+\?>|<!--(?:[^-]++|-(?!->))*+-->)*+")
_ENCODING: Final = re.compile(rb"<\?xml\s[^>?]*?encoding\s*=\s*[\"']([^\"'>]*)[\"']")
_BOM: Final = b"\xef\xbb\xbf"
_ATTRIBUTE: Final = re.compile(rb"=\s*[\"']")


class BadXml(ValueError):
    """The text is not XML as we read it. The message holds nothing of the text."""


class Dtd(BadXml):
    """It has a document type definition."""


def read(content: bytes) -> Any:
    """The root element, without comments and processing instructions. Raises BadXml.

    Source: SOAP 1.1 section 3 and SOAP 1.2 part 1 section 5: a message holds no DTD.
    """
    content = content.removeprefix(_BOM)
    check_prolog(content)
    if content.count(b"<") > MOST_MARKS or sum(1 for _ in _ATTRIBUTE.finditer(content)) > MOST_MARKS:
        raise BadXml(f"more than {MOST_MARKS} elements or attributes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True, recover=False, encoding="utf-8",
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise BadXml(f"not well-formed XML at line {error.lineno}") from None
    except ValueError:
        raise BadXml("not well-formed XML") from None
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise Dtd("a document type definition (DTD) is refused")
    return root


def check_prolog(content: bytes) -> None:
    """What stands before the root element: no DTD, no other encoding. Raises BadXml before any parser sees it."""
    found = _PROLOG.match(content)
    if content[found.end() if found else 0 :].startswith(b"<!"):
        raise Dtd("a document type definition (DTD) is refused")
    declared = _ENCODING.match(content)
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        raise BadXml("only UTF-8 is read")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise BadXml("not UTF-8") from None


def local(tag: str) -> str:
    """A tag's or attribute's name without its namespace."""
    return tag.rpartition("}")[2]
