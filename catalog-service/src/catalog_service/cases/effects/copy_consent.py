"""What a consent to copying does to the application that it is for."""

from collections.abc import Mapping

from msgspec.structs import replace

from catalog_service.cases import store
from catalog_service.cases.flows import Effect, Turn, fire, hold_case
from catalog_service.cases.model import Case
from catalog_service.cases.procedures.copy_consent import check_open


async def _let_copy(turn: Turn, case: Case) -> Case:
    """The application may be granted; one that waited for nothing else is granted now (常德 10, 11)."""
    application = await hold_case(turn.change, case.parent)
    check_open(application)
    consent = {"case": case.number, "method": case.details["method"]}
    noted = replace(application, decision={**application.decision, "copy_consent": consent})
    await store.keep_case(turn.change.tx, noted, final=False)
    if noted.state == "consent_pending":
        await fire(turn.change, turn.desk, noted, "consented")
    return case


async def _do_not_let_copy(turn: Turn, case: Case) -> Case:
    """Back to the requester, who may ask for the interface instead."""
    application = await hold_case(turn.change, case.parent)
    if application.state == "consent_pending":
        await fire(turn.change, turn.desk, application, "not_consented")
    return case


EFFECTS: Mapping[str, Effect] = {"let_copy": _let_copy, "do_not_let_copy": _do_not_let_copy}
