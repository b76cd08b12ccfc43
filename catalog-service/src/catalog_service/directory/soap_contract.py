"""Whether the WSDL of a SOAP interface can be read, leads nowhere else, and has the registered operations. Pure.

The document is read by the library that the exchange speaks with (`soap.wsdl`), which fetches nothing.
"""

from collections.abc import Collection, Iterator

from catalog_service.directory.adapters import Mistake
from catalog_service.directory.addresses import Forbidden, require_allowed
from catalog_service.directory.contract import require
from catalog_service.directory.model import Interface
from wire.catalog import Soap

PATH = "adapter/wsdl"


def require_wsdl(interface: Interface) -> None:
    """Raise Refusal: 400 naming the rule for what leads elsewhere, 422 for what cannot be used."""
    if isinstance(interface.adapter, Soap):
        forbidden, mistakes = _looked_at(interface, interface.adapter)
        require_allowed(iter(forbidden))
        require(mistakes)


def _looked_at(interface: Interface, adapter: Soap) -> tuple[list[Forbidden], list[Mistake]]:
    from soap import wsdl  # a third of a second that other starts need not wait for

    try:
        document = wsdl.read(adapter.wsdl.encode())
    except wsdl.BadWsdl as bad:
        return ([(PATH, str(bad), bad.rule)], []) if bad.rule else ([], [(PATH, str(bad))])
    try:
        port = document.port(adapter.service, adapter.port)
    except wsdl.BadWsdl as bad:
        return [], [("adapter/port" if adapter.port else "adapter/service" if adapter.service else PATH, str(bad))]
    return [], list(_without_operation(interface, port.operations.keys()))


def _without_operation(interface: Interface, names: Collection[str]) -> Iterator[Mistake]:
    for n, operation in enumerate(interface.operations):
        if operation.target not in names:
            yield f"operations/{n}/target", f"one of {', '.join(sorted(names))[:300]}"
