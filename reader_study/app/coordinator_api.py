"""What the coordinator's page asks the server for; no method is named here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from reader_study.app.access import Connection, Coordinator
from reader_study.app.monitor import overview
from reader_study.study.export import ratings_csv
from reader_study.study.storage import note_audit, transaction

__all__ = ["router"]

router = APIRouter(prefix="/api/coordinator", responses={401: {}})


@router.get("/overview")
def coordinator_overview(who: Coordinator, connection: Connection) -> dict[str, Any]:
    """Progress, times and flags of every reader."""
    return overview(connection)


@router.get("/ratings.csv", response_class=Response)
def coordinator_ratings(who: Coordinator, connection: Connection) -> Response:
    """Ratings so far, blinded, as CSV; written into the audit trail."""
    text = ratings_csv(connection)
    with transaction(connection):
        note_audit(connection, "coordinator's page", "exported, blinded", "ratings.csv")
    headers = {"Content-Disposition": 'attachment; filename="ratings.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
