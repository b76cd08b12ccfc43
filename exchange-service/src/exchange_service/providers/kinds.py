"""Which adapter speaks with which kind of provider."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exchange_service.credentials.model import Credential
from exchange_service.credentials.signing import Source
from exchange_service.providers.provider import Provider
from exchange_service.providers.rest import RestProvider
from relay.egress import Egress
from wire.catalog import Files, Interface, Soap, Table

if TYPE_CHECKING:
    from exchange_service.providers.soap import SoapProvider


def provider_of(
    interface: Interface, egress: Egress, credential: Callable[[], Credential | None], source: Source | None = None,
    roots: Sequence[Path] = (),
) -> Provider:  # fmt: skip
    """The provider as the interface says it is spoken to. Raises ValueError for what cannot be used.

    Adapters are imported with the first interface that needs them: codecs and drivers take long.

    credential  the present one at each use, None where the interface names none; raises Refusal where it is missing
    source      the keychain, where adapters look again after they were refused
    roots       folders of this machine below which files may be offered
    """
    match interface.adapter:
        case Soap():
            from exchange_service.providers.soap import SoapProvider

            return SoapProvider(interface, egress, credential, source)
        case Table():
            from exchange_service.providers.table.provider import TableProvider

            return TableProvider(interface, egress, credential)
        case Files():
            from exchange_service.providers.files.provider import FilesProvider

            return FilesProvider(interface, egress, credential, roots)
    return RestProvider(interface, egress, credential, source)


def interpreter_of(interface: Interface, provider: Provider, content_type: str) -> "SoapProvider | None":
    """Who turns the envelopes of a consumer round that speaks SOAP; None for all other questions."""
    if not isinstance(interface.adapter, Soap):
        return None
    from exchange_service.providers.soap import SoapProvider, speaks_soap

    return provider if isinstance(provider, SoapProvider) and speaks_soap(content_type) else None
