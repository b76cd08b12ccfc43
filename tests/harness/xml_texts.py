"""Hypothesis strategies: XML as providers write it, and grants that fit it or do not."""

from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st

TAGS = ("a", "b", "c", "名称", "A", "p:a", "p:b", "q:c")
NAMES = ("a", "b", "c", "名称", "A")
ATTRIBUTES = ("id", "名", "a", "p:x", "xml:lang", "xsi:nil", "xsi:type")
characters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"])
texts = st.text(characters | st.sampled_from("<>&\"'\t\n]"), max_size=8).map(escape)
written = st.one_of(texts, st.sampled_from(["<![CDATA[<x>&]]>", "&#13;", "<!-- a -->", "<?b c?>", "&lt;", " \n "]))
attributes = st.dictionaries(
    st.sampled_from(ATTRIBUTES), st.one_of(st.sampled_from(["true", "1", "false"]), st.text(characters, max_size=5))
).map(lambda given: "".join(f" {name}={quoteattr(value)}" for name, value in given.items()))
spaces = st.sampled_from(["", "", ' xmlns="urn:d"', ' xmlns=""', ' xmlns:p="urn:p2"', ' xmlns:unused="urn:u"'])
NAMESPACES = (
    'xmlns:p="urn:p" xmlns:q="urn:q" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:z="urn:secret"'
)


def element(tag: str, spaces: str, attributes: str, inside: str) -> str:
    return f"<{tag}{spaces}{attributes}>{inside}</{tag}>"


def boxes(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inside = st.lists(st.one_of(children, written), max_size=5).map("".join)
    return st.builds(element, st.sampled_from(TAGS), spaces, attributes, inside)


elements = st.recursive(written, boxes, max_leaves=12)
documents = st.builds(
    lambda head, attributes, inside, tail: f"{head}<r {NAMESPACES}{attributes}>{inside}</r>{tail}".encode(),
    st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>', "<!-- x -->\n"]),
    attributes,
    st.lists(boxes(elements), max_size=4).map("".join),
    st.sampled_from(["", "\n", "<!-- y -->"]),
)
names = st.tuples(st.lists(st.sampled_from(NAMES), max_size=3), st.sampled_from([*NAMES, "@id", "@名", "@a"])).map(
    lambda parts: ".".join((*parts[0], parts[1]))
)
grants = st.one_of(st.just(["*"]), st.lists(names, max_size=5))
