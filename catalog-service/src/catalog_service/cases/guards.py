"""Guards that several procedures share. Pure."""

from catalog_service.cases.model import Situation
from runtime.errors import Refusal
from wire import codes


def basis_allowed(situation: Situation) -> None:
    """A refusal names a legal ground of a rank that the law of the case allows; where none is named a reason will do.

    Source: 国务院令第809号 21 (reason); 常德 11 (法律、法规); 景德镇 10 (法律、政策); 德清 12, 云南 29 (法律、法规、
    规章).
    """
    allowed = situation.law.ranks("share.refusal")
    if allowed and not any(basis.rank in allowed for basis in situation.evidence.legal_basis):
        cite = situation.law.value("share.refusal.legal_basis").cite
        errors = [{"path": "/body/legal_basis", "error": f"required by {cite}"}]
        ranks = sorted(allowed)
        raise Refusal(codes.GROUND_NOT_ALLOWED, "、".join(ranks), allowed=ranks, article=cite, errors=errors)


def incomplete_is_no_ground(situation: Situation) -> None:
    """Source: 国务院令第809号 21 ¶2: what is missing is said once; it is no reason to refuse."""
    if situation.evidence.missing:
        raise Refusal(
            codes.INCOMPLETE_IS_NO_GROUND, "、".join(situation.evidence.missing), article="国务院令第809号 21"
        )


def told_once(situation: Situation) -> None:
    """Source: 国务院令第809号 21 ¶2 (一次性告知)."""
    if situation.case.counts.get("return"):
        raise Refusal(codes.TOLD_ONCE, situation.case.number, article="国务院令第809号 21")
