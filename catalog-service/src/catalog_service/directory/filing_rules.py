"""What the names in the table of filings mean: conditions, and guards that each refuse by an article. Pure."""

from collections.abc import Mapping

import msgspec

from catalog_service.directory import contract
from catalog_service.directory.difference import narrowed
from catalog_service.directory.entry import Basis, Resource
from catalog_service.directory.filing import TREATED_AS_UNCONDITIONAL, Situation, has_change
from catalog_service.directory.required import missing_in_entry
from catalog_service.machine import Condition, Guard, Rules
from runtime.errors import INVALID_REQUEST, Refusal
from statute.model import COLLECTIVE, RANKS, Answer
from wire import codes

AUTHORITY_STEPS = frozenset({"same_level_authority", "authority_compiles"})
"""Words of an approval chain that give the authority of the same level the last word; 指导 (景德镇 5) does not."""
UPPER_STEP = "upper_authority"
RANK_WORDS = frozenset({*RANKS, *COLLECTIVE})


# --- who decides ----------------------------------------------------------------------------------------------------
def _chain(s: Situation) -> frozenset[str]:
    """The steps of the local chain and, between government bodies, of the floor's: both together are the stricter."""
    found = s.law.value("catalog.approval_chain").value
    return frozenset(found) if isinstance(found, list) else frozenset()


def _institution_decides(s: Situation) -> bool:
    """The department's own head has the last word (常德 4, 景德镇 7); where no chain is stated the authority has it."""
    chain = _chain(s)
    return bool(chain) and not chain & (AUTHORITY_STEPS | {UPPER_STEP})


def _upper_decides(s: Situation) -> bool:
    """An authority's own catalog goes one level up (云南 12); everybody else's ends with the authority."""
    return UPPER_STEP in _chain(s) and s.provider.is_authority


def _live(s: Situation) -> bool:
    return s.live is not None


CONDITIONS: Mapping[str, Condition[Situation]] = {
    "first_time": lambda s: s.live is None,
    "live": _live,
    "institution_decides": _institution_decides,
    "institution_decides_change": lambda s: _live(s) and _institution_decides(s),
    "upper_decides": _upper_decides,
    "change_recorded": lambda s: bool(s.filing.changed_on),
    "no_change_recorded": lambda s: not s.filing.changed_on,
    "change_pending": lambda s: s.live is not None and has_change(s.filing, s.live),
}


# --- what an entry has to hold --------------------------------------------------------------------------------------
def _incomplete(missing: list[tuple[str, str, str]], detail: str) -> Refusal:
    """missing: (path in the text, what is asked for, by which article)"""
    errors = [{"path": f"/text/{path}", "error": error, "article": article} for path, error, article in missing]
    return Refusal(codes.ENTRY_INCOMPLETE, detail, errors=errors, article=missing[0][2])


def _asked(answer: Answer, text: Resource) -> list[tuple[str, str, str]]:
    words = answer.value if isinstance(answer.value, list) else []
    return [(path, f"{word} is missing", answer.cite) for path, word in missing_in_entry(words, text)]


def _not_secret(s: Situation) -> None:
    """State secrets are no matter of this catalog (国务院令第809号 3, 常德 2, 德清 42, 云南 2, 淄博 2)."""
    if s.filing.text.secret:
        excluded = s.law.value("excluded_data")
        raise Refusal(codes.SECRET_ENTRY, s.filing.code, article=excluded.cite, excluded=excluded.value)


def _fields_complete(s: Situation) -> None:
    """What the place asks for, of government bodies also the decree (国务院令第809号 13, 德清 9, 云南 13, 淄博 10)."""
    text = s.filing.text
    missing = _asked(s.law.value("catalog.fields_required"), text) + _unclassed(s)
    if text.open != "none":
        missing += _asked(s.law.value("catalog.open_fields_required"), text)
    if missing:
        raise _incomplete(missing, f"{s.filing.code} lacks {len(missing)} of the fields asked for")


def _unclassed(s: Situation) -> list[tuple[str, str, str]]:
    """基础数据, 主题数据 or 业务数据, where the place knows such classes (常德 5)."""
    known = s.law.value("catalog.data_classes")
    if not isinstance(known.value, list) or s.filing.text.data_class in known.value:
        return []
    return [("data_class", f"one of {', '.join(known.value)}", known.cite)]


def _assessed(s: Situation) -> None:
    """Secrecy always, privacy where there is personal information (国务院令第809号 13)."""
    if missing := _asked(s.law.value("catalog.pre_assessment"), s.filing.text):
        raise _incomplete(missing, f"{s.filing.code} was not assessed")


def _has_ground(basis: list[Basis], ranks: frozenset[str]) -> bool:
    return not ranks or any(ground.rank in ranks for ground in basis)


def is_treated_as_unconditional(s: Situation) -> bool:
    """无依据的，应当无条件共享 (常德 9)."""
    share = s.filing.text.share
    if share.type == "unconditional" or s.law.value("catalog.no_basis_effect").value != "treat_as_unconditional":
        return False
    return not _has_ground(share.legal_basis, s.law.ranks(f"catalog.basis_required.{share.type}"))


def _grounded(s: Situation) -> None:
    """Who shares less than unconditionally says why (国务院令第809号 14, 15; 常德 9; 德清 13; 景德镇 9; 云南 27)."""
    share = s.filing.text.share
    if share.type == "unconditional" or is_treated_as_unconditional(s):
        return
    asked = s.law.value(f"catalog.basis_required.{share.type}")
    ranks = s.law.ranks(asked.key)
    if not _has_ground(share.legal_basis, ranks):
        raise _no_ground("share/legal_basis", ranks, asked.cite)
    words = [word for word in asked.value if word not in RANK_WORDS] if isinstance(asked.value, list) else []
    missing = [(path, f"{word} is missing", asked.cite) for path, word in missing_in_entry(words, s.filing.text)]
    missing += [(path, error, "国务院令第809号 14, 15") for path, error in contract.mistakes_in_share(share)]
    if missing:
        raise _incomplete(missing, f"{share.type} sharing lacks what justifies it")


def _no_ground(path: str, ranks: frozenset[str], article: str) -> Refusal:
    allowed = [rank for rank in RANKS if rank in ranks]
    errors = [{"path": f"/text/{path}", "error": f"a ground of rank {' or '.join(allowed)}", "article": article}]
    detail = "no legal ground of a rank that will do"
    return Refusal(codes.NO_LEGAL_GROUND, detail, errors=errors, ranks=allowed, article=article)


def _aggregation_grounded(s: Situation) -> None:
    """Data that stay with the department take a law that says so (淄博 13)."""
    asked = s.law.value("catalog.basis_required.not_aggregated")
    ranks = s.law.ranks(asked.key)
    if not s.filing.text.aggregated and not _has_ground(s.filing.text.not_aggregated_basis, ranks):
        raise _no_ground("not_aggregated_basis", ranks, asked.cite)


def _no_added_conditions(s: Situation) -> None:
    """Nobody adds conditions to what everybody may have (国务院令第809号 15, 淄博 9; the 1272 guide knows none)."""
    share = s.filing.text.share
    if share.type == "unconditional" and share.condition:
        article = s.law.value("catalog.no_added_conditions").cite or "发改高技〔2017〕1272号"
        raise Refusal(codes.ADDED_CONDITION, share.condition, article=article)


def _duplicates_seen(s: Situation) -> None:
    """What others provide is not collected again; whoever files it has seen that (常德 8, 云南 19, 淄博 11)."""
    if s.alike and not s.evidence.duplicates_seen:
        article = "国务院令第809号 19, 常德 8, 云南 19, 淄博 11"
        raise Refusal(
            codes.ALIKE_PROVIDED, "see `alike`, then say duplicates_seen", alike=list(s.alike), article=article
        )


# --- changes, and the end -------------------------------------------------------------------------------------------
def _narrowed(s: Situation) -> list[str]:
    """Attributes that give less than what is live; opening less is declared where a place asks for that (德清 22)."""
    asks = s.law.value("open.downgrade").value is not None
    found = narrowed(s.live, as_published(s)) if s.live else []
    return [name for name in found if name != "open" or asks]


def _narrowing_declared(s: Situation) -> None:
    """Nobody shares less in silence (常德 28, 德清 22)."""
    if (less := _narrowed(s)) and s.filing.narrowing is None:
        raise Refusal(codes.NARROWED, ", ".join(less), narrowed=less, article="常德 28, 德清 22")


def _downgrade_filed(s: Situation) -> None:
    """Less is filed with the authority where the law says so: of a service (国务院令第809号 27), of opening (德清 22).

    Where only the second is said, sharing less is filed all the same.
    """
    opening, service = s.law.value("open.downgrade.file_with_authority"), s.law.value("share.service_change.procedure")
    filed = service.value if isinstance(service.value, list) else []
    article = opening.cite if opening.value else service.cite if "file_with_authority" in filed else ""
    if article and not s.evidence.filing_no:
        errors = [{"path": "/body/filing_no", "error": f"required by {article}"}]
        raise Refusal(INVALID_REQUEST, "downgrade needs filing_no", errors=errors, article=article)


def _changed_by_today(s: Situation) -> None:
    """The time to update runs from the day of the change: it has come (国务院令第809号 17, 云南 13, 淄博 10)."""
    if s.evidence.changed_on > s.today.isoformat():
        raise contract.invalid(("changed_on", "has not come yet"))


def _negotiated(s: Situation) -> None:
    """No service ends before its users were heard (国务院令第809号 27 para 3)."""
    if left := sorted(s.subscribers - set(s.evidence.negotiated)):
        article = "国务院令第809号 27"
        raise Refusal(
            codes.NOT_NEGOTIATED, f"{len(left)} subscribers were not heard", departments=left, article=article
        )


GUARDS: Mapping[str, Guard[Situation]] = {
    "not_secret": _not_secret,
    "fields_complete": _fields_complete,
    "assessed": _assessed,
    "grounded": _grounded,
    "aggregation_grounded": _aggregation_grounded,
    "no_added_conditions": _no_added_conditions,
    "duplicates_seen": _duplicates_seen,
    "narrowing_declared": _narrowing_declared,
    "downgrade_filed": _downgrade_filed,
    "changed_by_today": _changed_by_today,
    "negotiated": _negotiated,
}
RULES = Rules(conditions=CONDITIONS, guards=GUARDS)


# --- what becomes of a text -----------------------------------------------------------------------------------------
def flags_of(s: Situation) -> list[str]:
    """What an authority should know of the text as it stands."""
    return [TREATED_AS_UNCONDITIONAL] if is_treated_as_unconditional(s) else []


def as_published(s: Situation) -> Resource:
    """The text that goes live: without a ground, what was to be held back is shared (常德 9)."""
    text = s.filing.text
    if not is_treated_as_unconditional(s):
        return text
    share = msgspec.structs.replace(text.share, type="unconditional", condition="", reason="", legal_basis=[])
    return msgspec.structs.replace(text, share=share)
