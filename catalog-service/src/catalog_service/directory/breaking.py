"""What changes for consumers between two versions of an interface, and whether it can break them. Pure.

Questions may only become easier to ask, answers may only become more certain. What cannot be judged is called
breaking: providers may not change a service without cause (国务院令第809号 27), and a needless notice harms nobody.
"""

from collections.abc import Iterator

from catalog_service.directory.model import Interface
from catalog_service.directory.schema_changes import InterfaceChange as InterfaceChange
from catalog_service.directory.schema_changes import Kind, altered, schema_changes
from wire.catalog import Adapter, MaskRule, Rest

_LIMITS = ("timeout_s", "max_in_flight")
_UNSEEN = ("name", "base_url", "networks", "retention", "operation_word", "subject", "credential", "examples")
"""Members that consumers do not depend on."""


def changes(old: Interface, new: Interface) -> list[InterfaceChange]:
    """Every change that there is, in the order of the interface's members."""
    return [*_operations(old, new), *_schemas(old, new), *_fields(old, new), *_terms(old, new)]


def _asked(interface: Interface) -> dict[tuple[str, str], str]:
    return {(one.method, one.path): one.target for one in interface.operations}


def _operations(old: Interface, new: Interface) -> Iterator[InterfaceChange]:
    before, after = _asked(old), _asked(new)
    for asked in dict.fromkeys([*before, *after]):
        path = f"operations/{' '.join(asked)}"
        if asked not in after:
            yield altered(path, "removed", breaking=True)
        elif asked not in before:
            yield altered(path, "added", breaking=False)
        elif before[asked] != after[asked]:
            yield altered(f"{path}/target", "changed", breaking=False)


def _schemas(old: Interface, new: Interface) -> Iterator[InterfaceChange]:
    """One schema stands for all operations, so a new operation may bring a further form of answer with it."""
    grown = bool(_asked(new).keys() - _asked(old).keys())
    yield from schema_changes(old.parameters, new.parameters, "question", "parameters")
    yield from schema_changes(old.request, new.request, "question", "request")
    yield from schema_changes(old.response, new.response, "answer", "response", forms_may_grow=grown)


def _fields(old: Interface, new: Interface) -> Iterator[InterfaceChange]:
    before, after = ({field.name: field for field in one.fields} for one in (old, new))
    for name in dict.fromkeys([*before, *after]):
        path = f"fields/{name}"
        if name not in after:
            yield altered(path, "removed", breaking=True)
        elif name not in before:
            yield altered(path, "added", breaking=False)
        else:
            if before[name].mask != after[name].mask:
                yield altered(f"{path}/mask", "changed", breaking=True)
            if before[name].level != after[name].level:
                yield altered(f"{path}/level", "changed", breaking=False)


def _terms(old: Interface, new: Interface) -> Iterator[InterfaceChange]:
    for name in ("format", "mode", "masks"):
        if getattr(old, name) != getattr(new, name):
            yield altered(name, "changed", breaking=name != "masks" or not _only_more(old.masks, new.masks))
    if old.adapter != new.adapter:
        yield altered("adapter", "changed", breaking=_asked_otherwise(old.adapter, new.adapter))
    if old.consent_required != new.consent_required:
        yield altered("consent_required", "changed", breaking=new.consent_required)
    for name in _LIMITS:
        before, after = getattr(old, name), getattr(new, name)
        kind: Kind = "lowered" if after < before else "raised"
        if before != after:
            yield altered(name, kind, breaking=after < before)
    for name in _UNSEEN:
        if getattr(old, name) != getattr(new, name):
            yield altered(name, "changed", breaking=False)


def _only_more(old: list[MaskRule], new: list[MaskRule]) -> bool:
    return all(rule in new for rule in old)


def _asked_otherwise(old: Adapter, new: Adapter) -> bool:
    """Whether bodies of questions have another form. How the provider itself is spoken to is nobody else's matter."""
    if isinstance(old, Rest) and isinstance(new, Rest):
        return old.request_format != new.request_format
    return type(old) is not type(new)
