"""Requests of the coordinator's page; no method is named here."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from reader_study.app.access import Connection, Coordinator, Served, begin, served
from reader_study.app.monitor import overview
from reader_study.errors import StudyError
from reader_study.study.export import ratings_csv
from reader_study.study.storage import note_audit, open_study, transaction
from reader_study.study.tokens import find_token

__all__ = ["router"]

router = APIRouter(prefix="/api/coordinator", responses={401: {}})


class PreviewBody(BaseModel):
    """The reader whose order a preview shows; empty for the first one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reader: Annotated[str, Field(max_length=200)] = ""


@router.get("/overview")
def coordinator_overview(who: Coordinator, connection: Connection) -> dict[str, Any]:
    """Progress, times and flags of every reader."""
    return overview(connection)


@router.get("/ratings.csv", response_class=Response)
def coordinator_ratings(who: Coordinator, connection: Connection) -> Response:
    """Ratings so far, blinded, as CSV; this is recorded in the audit trail."""
    text = ratings_csv(connection)
    with transaction(connection):
        note_audit(connection, "coordinator's page", "exported, blinded", "ratings.csv")
    headers = {"Content-Disposition": 'attachment; filename="ratings.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/preview", responses={404: {}})
def coordinator_preview(body: PreviewBody, who: Coordinator, request: Request, response: Response) -> dict[str, str]:
    """Open a preview on a copy of the study, and sign the coordinator's browser in to it; the study itself is only read."""
    room = served(request).preview
    if room is None:
        raise HTTPException(404, "this is a preview itself")
    try:
        app, token = room.begin(body.reader)
    except StudyError as error:
        raise HTTPException(404, str(error)) from None
    what: Served = app.state.served
    with closing(open_study(what.folder)) as copy:
        reader = find_token(
            token, [(row["id"], row["token_hash"]) for row in copy.execute("SELECT id, token_hash FROM reader")]
        )
        assert reader is not None
        begin(copy, what, reader, response)
    return {"go": f"{what.base}/read"}
