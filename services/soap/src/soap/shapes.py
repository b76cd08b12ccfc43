"""zeep's XSD types as facts of `soap.shape`. The one module that looks into zeep's classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zeep import xsd
from zeep.xsd.elements import AnyAttribute
from zeep.xsd.types import builtins
from zeep.xsd.types.collection import ListType, UnionType

from soap.shape import Anything, Attribute, Complex, Element, Group, Order, Simple, Word

MOST_PARTICLES: Final = 50_000
DEEPEST: Final = 32
_WORDS: Final[tuple[tuple[type, Word], ...]] = (
    (builtins.Boolean, "boolean"), (builtins.Integer, "integer"), (builtins.Decimal, "decimal"),
    (builtins.Float, "float"), (builtins.Double, "float"),
)  # fmt: skip
_ORDERS: Final[tuple[tuple[Any, Order], ...]] = ((xsd.All, "all"), (xsd.Choice, "choice"), (xsd.Sequence, "sequence"))
_COUNTED_IN_BYTES: Final = ("hexBinary", "base64Binary")
_BOUNDS: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "int": (-(2**31), 2**31 - 1), "short": (-(2**15), 2**15 - 1), "byte": (-128, 127),
    "unsignedInt": (0, 2**32 - 1), "unsignedShort": (0, 2**16 - 1), "unsignedByte": (0, 255),
    "nonNegativeInteger": (0, None), "positiveInteger": (1, None), "unsignedLong": (0, None),
    "nonPositiveInteger": (None, 0), "negativeInteger": (None, -1),
}  # fmt: skip


class NotSupported(ValueError):
    """Says what in the types cannot be spoken."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What a simple type restricts of the type `base` ({namespace}name). Lengths are of texts, bounds of numbers."""

    base: str = ""
    values: tuple[str, ...] = ()
    lengths: tuple[int | None, int | None] = (None, None)
    bounds: tuple[int | None, int | None] = (None, None)


class Shapes:
    """The shapes of one document; a type that is met again is the same shape."""

    def __init__(self, facets: Mapping[str, Facets]) -> None:
        self._facets = facets
        self._made: dict[int, Complex] = {}
        self._kept: list[Any] = []
        """The types themselves, so that no other gets the id of one that is gone."""
        self._particles = 0

    def inside(self, body: Any) -> Complex:
        """What a body's element holds; a simple value becomes the text of an object. Raises NotSupported."""
        before = dict(self._made)
        try:
            kind = self._kind(body.type)
        except NotSupported:
            self._made = before  # what was begun has half of its parts
            raise
        if isinstance(kind, Complex):
            return kind
        if isinstance(kind, Simple):
            return Complex(body.name, text=kind)
        return Complex(body.name, wild=True)

    def _kind(self, stated: Any) -> Simple | Complex | Anything:
        if isinstance(stated, xsd.ComplexType):
            return self._complex(stated)
        if isinstance(stated, xsd.AnySimpleType):
            return self._simple(stated)
        if stated is None or isinstance(stated, xsd.AnyType):
            return Anything()
        raise NotSupported(f"a type of the kind {type(stated).__name__}")

    def _simple(self, stated: Any) -> Simple:
        if isinstance(stated, ListType | UnionType):
            return Simple("text", "anySimpleType")
        word: Word = next((word for cls, word in _WORDS if isinstance(stated, cls)), "text")
        name = next((cls._default_qname.localname for cls in _classes(stated) if "_default_qname" in vars(cls)), "")
        found = self._restricted(stated.qname.text if stated.qname is not None else "")
        if word == "text":
            lengths = (None, None) if name in _COUNTED_IN_BYTES else found.lengths
            return Simple(word, name or "string", found.values, *lengths)
        least, most = found.bounds
        lowest, highest = _BOUNDS.get(name, (None, None))
        return Simple(word, name, (), lowest if least is None else least, highest if most is None else most)

    def _restricted(self, name: str) -> Facets:
        """The facets of a type, with those of the types that it restricts; the nearest count."""
        found = self._facets.get(name, Facets())
        base, seen = found.base, {name}
        while base in self._facets and base not in seen:
            seen.add(base)
            above = self._facets[base]
            values = found.values or above.values
            found = Facets("", values, _nearest(found.lengths, above.lengths), _nearest(found.bounds, above.bounds))
            base = above.base
        return found

    def _complex(self, stated: Any) -> Complex:
        if id(stated) in self._made:
            return self._made[id(stated)]
        if stated._array_type:
            raise NotSupported(f"type {stated.name}: an array of SOAP encoding")
        made = self._made[id(stated)] = Complex(str(stated.name or ""))
        self._kept.append(stated)
        attributes = [one for one in stated._attributes_unwrapped if not isinstance(one, AnyAttribute)]
        made.wild = len(attributes) < len(stated._attributes_unwrapped)
        made.attributes = tuple(self._attribute(one) for one in attributes)
        content = stated._element
        if isinstance(content, xsd.Element):
            self._extends_a_value(made, content)
        elif content:
            part = self._particle(content, made)
            made.content = Group("sequence", (part,)) if isinstance(part, Element) else part
        try:
            made.close()
        except ValueError as clash:
            raise NotSupported(str(clash)) from None
        return made

    def _extends_a_value(self, made: Complex, content: Any) -> None:
        """Simple content; or, as zeep puts it, a type that extends another one without elements."""
        kind = self._kind(content.type)
        if isinstance(kind, Simple):
            made.text = kind
        elif isinstance(kind, Complex):
            made.content, made.text = kind.content, kind.text

    def _attribute(self, one: Any) -> Attribute:
        kind = self._kind(one.type)
        if not isinstance(kind, Simple):
            kind = Simple("text", "anySimpleType")
        return Attribute(one.qname.text, kind, bool(one.required))

    def _particle(self, part: Any, owner: Complex, depth: int = 0) -> Element | Group | None:
        self._particles += 1
        if depth > DEEPEST:
            raise NotSupported(f"type {owner.name}: groups more than {DEEPEST} inside one another")
        if self._particles > MOST_PARTICLES:
            raise NotSupported(f"more than {MOST_PARTICLES} declarations")
        least, most = int(getattr(part, "min_occurs", 1)), _most(getattr(part, "max_occurs", 1))
        if most == 0:
            return None
        if isinstance(part, xsd.Group):
            inner = self._particle(part.child, owner, depth + 1)
            return Group("sequence", (inner,), least, most) if inner is not None else None
        for kind, order in _ORDERS:
            if isinstance(part, kind):
                inside = tuple(one for child in part if (one := self._particle(child, owner, depth + 1)) is not None)
                return Group(order, inside, least, most) if inside else None
        if isinstance(part, xsd.Element):
            return Element(part.qname.text, self._kind(part.type), least, most, bool(part.nillable))
        owner.wild, owner.lacking = True, owner.lacking or least > 0  # xsd:any, or a schema inside the message
        return None


def _most(occurs: Any) -> int | None:
    return None if occurs == "unbounded" else int(occurs)


def _classes(stated: Any) -> tuple[Any, ...]:
    return type(stated).__mro__


def _nearest(one: tuple[int | None, int | None], above: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    return (above[0] if one[0] is None else one[0], above[1] if one[1] is None else one[1])
