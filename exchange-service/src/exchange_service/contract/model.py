"""What an interface promises and what a grant lets through, compiled once and used for every call.

A `Contract` comes from the catalog's interface, a `Projection` from a contract and the obligations of one grant. Both
are facts: nothing in them changes. Schemas are the providers' word and therefore never fetch anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn, Protocol, TypedDict

import jsonschema_rs
import msgspec

from exchange_service.contract import masks
from exchange_service.contract.masks import Mask, MaskKey
from exchange_service.contract.shape import Shape, shape_of
from exchange_service.contract.text import DEEPEST
from wire.calls import Obligations
from wire.catalog import Files, Interface, Rest, Soap
from wire.masks import rules_fit
from wire.schemas import has_branches, most_steps
from wire.subjects import members

EVERYTHING: Final = "*"
MOST_BACKTRACKS: Final = 10_000
"""Steps back that one pattern may take on one string; beyond, the string does not match."""

RequestFormat = Literal["json", "xml", "form", "soap", "binary"]
Masked = tuple[str, str, Mask]
"""Member, dotted name, mask."""
Dropped = tuple[str, str]
"""Member, dotted name."""


class BadContract(ValueError):
    """What is registered cannot be used: says which part, and why."""


class Validator(Protocol):
    """The part of a jsonschema_rs validator that we use."""

    def is_valid(self, instance: Any) -> bool: ...

    def validate(self, instance: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """One schema, ready for use. `names` are the member names that it spells out: they may be shown in messages.

    branches  it has alternatives: what is wrong with a value is then a list for each of them, and told of small ones
    """

    validator: Validator
    names: frozenset[str]
    shape: Shape
    branches: bool = False


class Contract:
    """One interface version: schemas (None where nothing is checked), masks by dotted field name, formats.

    fields    names of all registered fields        request_format  json, xml, form, soap, or binary: not looked at
    subject   names the person asked about, ""      subject_in_body whether the request may hold it
    """

    __slots__ = (
        "_functions", "_mask_key", "fields", "format", "key", "masks", "parameters", "request", "request_format",
        "response", "subject", "subject_in_body",
    )  # fmt: skip

    def __init__(self, interface: Interface, mask_key: MaskKey | None = None) -> None:
        """Raises BadContract. `mask_key` is the exchange's; without one no field can be masked as a pseudonym."""
        self.key = interface.key
        self.format = interface.format
        self.request_format = request_format(interface)
        self.fields = [item.name for item in interface.fields]
        self.subject = interface.subject
        self.subject_in_body = interface.subject in members(interface.request)
        self.parameters = compiled("parameters", interface.parameters)
        self.request = compiled("request", interface.request)
        self.response = compiled("response", interface.response)
        self.masks: Mapping[str, str] = {item.name: item.mask for item in interface.fields if item.mask}
        for path, mistake in rules_fit(interface.masks):
            raise BadContract(f"{path}: {mistake}")
        self._mask_key = mask_key
        self._functions = {**masks.MASKS, **{rule.name: masks.mask_of(rule) for rule in interface.masks}}
        plan([EVERYTHING, *self.fields], self.masks, self.functions(""))  # what is broken is found here, not at a call

    def functions(self, consumer: str) -> Mapping[str, Mask]:
        """Masks by name, as they are for one department."""
        if self._mask_key is None:
            return self._functions
        return {**self._functions, masks.PSEUDONYM: self._mask_key.mask(consumer)}


def request_format(interface: Interface) -> RequestFormat:
    """What a body of the question is."""
    match interface.adapter:
        case Rest(request_format=given):
            return "binary" if interface.format == "binary" and given == "json" else given
        case Soap():
            return "soap"
        case Files():
            return "binary"
    return "json"


def compiled(part: str, schema: dict[str, object] | None) -> Checked | None:
    """The schema's validator. Raises BadContract for what is no schema, reaches outside itself or takes too long."""
    if schema is None:
        return None
    try:
        most_steps(schema)
        validator = jsonschema_rs.validator_for(
            schema,
            retriever=deny,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_BACKTRACKS),
        )
    except (ValueError, TypeError, OverflowError) as error:  # TooMuchWork and those of jsonschema_rs are ValueErrors
        raise BadContract(f"the {part} schema: {str(error).partition(chr(10))[0]}") from None
    return Checked(validator, frozenset(spelled_out(schema)), shape_of(schema), has_branches(schema))


def deny(address: str) -> NoReturn:
    """The retriever: a schema's references stay inside the schema."""
    raise ValueError(f"references outside the schema are not followed: {address}")


def spelled_out(schema: object) -> set[str]:
    """Names under `properties`, anywhere in the schema."""
    found: set[str] = set()
    for name, part in schema.items() if isinstance(schema, Mapping) else ():
        if name == "properties" and isinstance(part, Mapping):
            found.update(part)
        found |= spelled_out(part)
    for part in schema if isinstance(schema, list) else ():
        found |= spelled_out(part)
    return found


@dataclass(frozen=True, slots=True)
class Open:
    """An object inside something granted: all its members stay, but for masks. `inner` has something masked below."""

    masked: Sequence[Masked]
    dropped: Sequence[Dropped]
    inner: Mapping[str, "Open"]


@dataclass(frozen=True, slots=True)
class Closed:
    """An object on the way to something granted: only members named here stay.

    granted  member -> the grant's dotted name that ends here      dotted  these names
    size     how many members are named: an object of that size has all of them
    masked, dropped, inner as above, `opened` granted members with something masked below
    kind     the type for msgspec of what may stand at this place
    read     text -> a value of that type; unnamed members are skipped and never made
    """

    granted: Mapping[str, str]
    dotted: frozenset[str]
    size: int
    masked: Sequence[Masked]
    dropped: Sequence[Dropped]
    opened: Mapping[str, Open]
    inner: Mapping[str, "Closed"]
    kind: Any
    read: Callable[[Any], Any]


class Projection:
    """What one grant lets out of one interface's answers.

    whole   everything is granted and nothing masked
    root    the outermost object; each element, if the answer is an array
    fields  the grant's names, without those that lie inside another, sorted
    masked  dotted names that are masked or dropped where they are met, sorted
    """

    __slots__ = ("fields", "masked", "root", "whole")

    def __init__(self, contract: Contract, obligations: Obligations, consumer: str = "") -> None:
        """Raises BadContract for an unknown mask or a broken name: nothing leaves then.

        consumer  the department that asks (CallMessage.consumer): pseudonyms are its own
        """
        masks_by_name = {**contract.masks, **obligations.masks}
        branch = plan(obligations.fields, masks_by_name, contract.functions(consumer))
        self.root = open_node(branch, "") if branch.granted else closed_node(branch, "")
        self.whole = branch.granted and not branch.masks_below
        fields, masked = names(self.root)
        self.fields = [EVERYTHING] if branch.granted else sorted(fields)
        self.masked = sorted(masked)


def names(node: Open | Closed) -> tuple[list[str], list[str]]:
    """Dotted names that are granted, and that are masked or dropped, at this node and below."""
    fields = list(node.granted.values()) if isinstance(node, Closed) else []
    masked = [dotted for _, dotted, _ in node.masked] + [dotted for _, dotted in node.dropped]
    opened = node.opened.values() if isinstance(node, Closed) else ()
    for child in (*node.inner.values(), *opened):
        more_fields, more_masked = names(child)
        fields += more_fields
        masked += more_masked
    return fields, masked


@dataclass(slots=True)
class Branch:
    """A name on the way to grants and masks, while these are sorted into a tree."""

    granted: bool = False
    mask: str = ""
    covers: Mask | None = None
    grants_below: bool = False
    masks_below: bool = False
    below: dict[str, "Branch"] = field(default_factory=dict)

    def down(self, dotted: str) -> list["Branch"]:
        """This branch and all on the way to a name, made where they are not there yet. Raises BadContract."""
        parts = dotted.split(".")
        if len(parts) > DEEPEST or not all(is_name(part) for part in parts):
            raise BadContract(f"a field cannot be named {dotted!a}")
        way = [self]
        for part in parts:
            way.append(way[-1].below.setdefault(part, Branch()))
        return way


def is_name(part: str) -> bool:
    """Whether this can name a member (a lone surrogate is not text)."""
    return part not in {"", EVERYTHING} and not any("\ud800" <= character <= "\udfff" for character in part)


def plan(fields: Sequence[str], masks_by_name: Mapping[str, str], functions: Mapping[str, Mask]) -> Branch:
    """Grants and masks as one tree. Raises BadContract."""
    root = Branch(granted=EVERYTHING in fields)
    for dotted in fields:
        if dotted != EVERYTHING:
            *above, last = root.down(dotted)
            last.granted = True
            for branch in above:
                branch.grants_below = True
    for dotted, mask in masks_by_name.items():
        if mask not in functions and mask not in (masks.PLAIN, masks.DROP):
            raise BadContract(f"field {dotted!a}: there is no mask {mask!a}")
        if mask != masks.PLAIN:
            *above, last = root.down(dotted)
            last.mask = mask
            last.covers = functions.get(mask)
            for branch in above:
                branch.masks_below = True
    return root


def open_node(branch: Branch, path: str) -> Open:
    """The node for a branch inside something granted: only masks matter there."""
    masked, dropped = masks_at(branch.below, path, are_granted=True)
    inner = {
        name: open_node(below, path + name + ".")
        for name, below in branch.below.items()
        if below.masks_below and not below.mask
    }
    return Open(masked, dropped, inner)


def closed_node(branch: Branch, path: str) -> Closed:
    """The node for a branch that is not granted itself. `path` is its dotted name with a dot behind, or empty.

    A mask covers all that lies below it: of a masked object nothing leaves, whatever is granted inside. Where it was
    not granted itself, not even what the mask leaves of it.
    """
    met = {name: below for name, below in branch.below.items() if below.granted or below.grants_below}
    masked, dropped = masks_at(met, path)
    granted = {name: path + name for name, below in met.items() if below.granted and below.mask != masks.DROP}
    plain = {name: below for name, below in met.items() if not below.mask}
    opened = {n: open_node(below, f"{path}{n}.") for n, below in plain.items() if below.granted and below.masks_below}
    inner = {name: closed_node(below, f"{path}{name}.") for name, below in plain.items() if not below.granted}
    kind = kind_of(dict.fromkeys(met, msgspec.Raw) | {name: Any for name, _, _ in masked} | kinds(inner))
    dotted, read = frozenset(granted.values()), msgspec.json.Decoder(kind).decode
    return Closed(granted, dotted, len(met), masked, dropped, opened, inner, kind, read)


def masks_at(
    members: Mapping[str, Branch], path: str, *, are_granted: bool = False
) -> tuple[list[tuple[str, str, Mask]], list[tuple[str, str]]]:
    """(member, dotted name, mask) of those that are masked, (member, dotted name) of those that are taken out.

    are_granted  they lie inside something granted; otherwise a mask shows of a member what it shows only if that is
                 granted itself
    """
    masked: list[tuple[str, str, Mask]] = []
    dropped: list[tuple[str, str]] = []
    for name, below in members.items():
        if below.covers is not None and (are_granted or below.granted):
            masked.append((name, path + name, below.covers))
        elif below.mask:
            dropped.append((name, path + name))
    return masked, dropped


def kinds(inner: Mapping[str, Closed]) -> dict[str, Any]:
    return {name: child.kind for name, child in inner.items()}


def kind_of(members: dict[str, Any]) -> Any:
    """The type of what may stand at a closed node: a scalar, an object, an array of these.

    Arrays inside arrays stay spans, to be read again: a type that contains itself has to have a name.
    """
    make: Any = TypedDict  # its shape is known at run time only
    one: Any = make("Members", members, total=False)
    prove(one, members)
    scalar: Any = str | int | float | bool | None
    return scalar | one | list[scalar | one | list[msgspec.Raw]]


def prove(one: Any, members: Mapping[str, Any]) -> None:
    """Raises BadContract unless msgspec finds exactly these members, and takes nothing else for one of them.

    msgspec 0.22 knows a member outside ASCII only once the name has been encoded; before, it takes the empty name for
    it. Writing the probe encodes them; reading it shows that it worked, for a mistake here would let out other fields.
    """
    probe = msgspec.json.encode(dict.fromkeys(["", *members]))
    if list(msgspec.json.decode(probe, type=one)) != list(members):
        raise BadContract("these field names cannot be told apart")
