"""What a refused token is answered with: the code, and the challenge that tells an OAuth library what to do.

Source: RFC 6750 section 3, RFC 9449 sections 7.1 and 9.
"""

from runtime.errors import Refusal
from wire import codes
from wire.dpop import InvalidProof, NonceWanted
from wire.jose import ALGORITHMS, InvalidToken

BEARER, DPOP = "Bearer", "DPoP"
_ALGORITHMS = " ".join(ALGORITHMS)


def invalid_token(invalid: InvalidToken, scheme: str) -> Refusal:
    """The refusal of a token that was sent with this scheme; it says no more than may be told."""
    return _challenged(Refusal(codes.TOKEN_INVALID, invalid.told), scheme, "invalid_token")


def invalid_proof(invalid: InvalidProof, nonce: str = "") -> Refusal:
    """The refusal of a proof of possession.

    nonce  which the next proof has to name, "" where none is asked for
    """
    if isinstance(invalid, NonceWanted):
        refused = _challenged(Refusal(codes.PROOF_NONCE, str(invalid)), DPOP, "use_dpop_nonce")
    else:
        refused = _challenged(Refusal(codes.PROOF_INVALID, str(invalid)), DPOP, "invalid_dpop_proof")
    if nonce:
        refused.headers["DPoP-Nonce"] = nonce
    return refused


def _challenged(refused: Refusal, scheme: str, error: str) -> Refusal:
    algorithms = f', algs="{_ALGORITHMS}"' if scheme == DPOP else ""
    refused.headers["WWW-Authenticate"] = f'{scheme} realm="tongdao", error="{error}"{algorithms}'
    return refused
