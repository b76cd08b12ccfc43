"""The archive over HTTP: which segments there are, and bringing one back (scope audit:keep)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from audit_service.api.strict import answer, no_query
from audit_service.keeping.segments import Segment, Segments
from wire import scopes
from wire.tokens import AccessToken, Door

Name = Annotated[str, Path(pattern=r"^[0-9]{8}-(general|personal|permanent)$")]


def router(segments: Segments, door: Door) -> APIRouter:
    """Names and sizes of days; nothing of their records."""
    routes = APIRouter(prefix="/archive", tags=["archive"], dependencies=[Depends(no_query)])
    keeper = Depends(door.needing(scopes.AUDIT_KEEP))

    @routes.get("")
    async def some(_token: AccessToken = keeper) -> Response:
        """All segments of the log, oldest first."""
        return answer({"items": [_shown(segment) for segment in await segments.all()]})

    @routes.post("/{segment}/restore", status_code=202)
    async def restore(segment: Name, token: AccessToken = keeper) -> Response:
        """Bring a segment back into the database for some days; done within a minute or so."""
        await segments.restore(segment, token)
        return answer({"segment": segment, "state": "archived", "restore": "asked"}, 202)

    return routes


def _shown(segment: Segment) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "segment": segment.name, "state": segment.state, "in_database": segment.in_database,
        "kept_until": segment.kept_until,
    }  # fmt: skip
    if (kept := segment.archived) is not None:
        shown |= {
            "first": kept.first_index, "last": kept.last_index, "count": kept.count, "bytes": kept.bytes,
            "object": kept.object, "sha256": kept.sha256.hex(), "manifest_sha256": kept.manifest_sha256.hex(),
            "manifest_leaf": kept.manifest_leaf, "disposal": kept.disposal, "disposal_leaf": kept.disposal_leaf,
        }  # fmt: skip
    return shown
