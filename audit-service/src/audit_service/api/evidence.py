"""`GET /evidence`: one ZIP with everything that the log can prove about a call, a case or a grant."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, model_validator

from audit_service.api.search import Key, Moment, asked_to_wait
from audit_service.api.strict import NO_STORE
from audit_service.evidence.packages import About, Evidence
from audit_service.summary import Mode
from runtime.documents import JSON_TEXT, Document, content
from runtime.errors import Refusal
from wire.tokens import AccessToken, Door

_ANSWERS: dict[int | str, Document] = {
    200: content("application/zip"),
    202: content(JSON_TEXT, description="Something of it is not yet covered by a checkpoint; ask again"),
}


class EvidenceQuery(BaseModel):
    """Exactly one of call, case and grant; since, before, department and mode narrow a case or a grant.

    department  only calls in which it took part; auditors alone ask for another than their own
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: UUID | None = None
    case: Key = ""
    grant: Key = ""
    since: Moment = None
    before: Moment = None
    department: Key = ""
    mode: Mode | Literal[""] = ""

    @model_validator(mode="after")
    def _one(self) -> "EvidenceQuery":
        if len([one for one in (self.call, self.case, self.grant) if one]) != 1:
            raise ValueError("exactly one of call, case and grant")
        if self.call and (self.since or self.before or self.department or self.mode):
            raise ValueError("since, before, department and mode go with case or grant")
        return self

    def about(self) -> About:
        if self.call is not None:
            return About("call", str(self.call))
        kind: Literal["case", "grant"] = "case" if self.case else "grant"
        return About(kind, self.case or self.grant, self.since, self.before, self.department, self.mode)


def router(evidence: Evidence, door: Door) -> APIRouter:
    """The one route."""
    routes = APIRouter(tags=["evidence"])

    @routes.get("/evidence", responses=_ANSWERS)
    async def package(
        request: Request,
        query: Annotated[EvidenceQuery, Query()],
        token: Annotated[AccessToken, Depends(door.needing())],
    ) -> Response:
        """Records, receipts, checkpoints, the decision and a verifier, for those who took part and for auditors.

        `Tongdao-Record` names the log's own record of it, which has the SHA-256 of the package. One at a time for each
        department, and for each auditor; a second one at once is answered 429.
        """
        try:
            made = await evidence.package(query.about(), token)
        except Refusal as refusal:
            return asked_to_wait(request, refusal)
        if made is None:
            accepted = msgspec.json.encode({"state": "accepted"})
            return Response(accepted, 202, {**NO_STORE, "Retry-After": "1"}, "application/json")
        lines = {"Content-Disposition": f'attachment; filename="{made.name}"', "Tongdao-Record": made.record}
        return Response(made.content, 200, {**NO_STORE, **lines}, "application/zip")

    return routes
