"""Requests of a reader's page: what it reads and what it stores."""

from __future__ import annotations

import gzip
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from reader_study.app.access import Connection, Reader, served
from reader_study.study.documents import picture_of
from reader_study.study.items import mask_file, scan_file
from reader_study.study.state import state_of, study_of
from reader_study.study.storage import IMAGES, MOST_COMMENT
from reader_study.study.training import feedback_of
from reader_study.study.write_ratings import Answer, note_comment, note_mark, note_view, record_answer

__all__ = ["router"]

router = APIRouter(prefix="/api", responses={401: {}})

ItemId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Key = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{8,64}$")]
_REFUSED: dict[int | str, dict[str, Any]] = {404: {}, 409: {}}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ViewBody(_Body):
    """An item appeared on the screen, or left it without an answer."""

    kind: Literal["shown", "paused"]
    key: Key


class CommentBody(_Body):
    """A comment on an item; control characters other than line ends are refused."""

    comment: Annotated[str, Field(max_length=MOST_COMMENT, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
    key: Key


class MarkBody(_Body):
    """Whether the reader wants to look at an item again."""

    marked: bool
    key: Key


class AnswerBody(_Body):
    """A rating, the ranks of the columns, or a guess: exactly one of them."""

    key: Key
    rating: Annotated[int, Field(ge=0, le=9)] | None = None
    ranks: Annotated[list[Annotated[int, Field(ge=1, le=9)]], Field(min_length=2, max_length=9)] | None = None
    guess: Annotated[str, Field(max_length=100)] | None = None
    previous: Annotated[int, Field(ge=1, le=2**62)] | None = None
    more: Annotated[dict[str, int | str | list[str]], Field(max_length=9)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.rating, self.ranks, self.guess)) != 1:
            raise ValueError("exactly one of rating, ranks and guess")
        return self


@router.get("/study")
def study(who: Reader, connection: Connection) -> dict[str, Any]:
    """Title, scale and conventions."""
    return study_of(connection)


@router.get("/state")
def state(who: Reader, connection: Connection) -> dict[str, Any]:
    """Progress of the reader."""
    return state_of(connection, who)


@router.get("/items/{item}/scan", responses={404: {}}, response_class=Response)
def scan(item: ItemId, who: Reader, connection: Connection, request: Request) -> Response:
    """Scan of an open item, NIfTI; one file for all methods, so that its compressed length reveals nothing."""
    packed = (served(request).folder / IMAGES / scan_file(connection, who, item)).read_bytes()
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="application/octet-stream", headers={**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type="application/octet-stream", headers=headers)


@router.get("/items/{item}/masks/{column}", responses={404: {}}, response_class=Response)
def mask(
    item: ItemId, column: Annotated[int, Path(ge=0, le=9)], who: Reader, connection: Connection, request: Request
) -> Response:
    """Region of an open item, NIfTI, never compressed: its length is the same for every method."""
    packed = (served(request).folder / IMAGES / mask_file(connection, who, item, column)).read_bytes()
    return Response(gzip.decompress(packed), media_type="application/octet-stream")


@router.post("/items/{item}/view", responses=_REFUSED)
def view(item: ItemId, body: ViewBody, who: Reader, connection: Connection) -> dict[str, Any]:
    """Note that an item is on the screen, or left it."""
    note_view(connection, who, item, body.kind, body.key)
    return state_of(connection, who)


@router.post("/items/{item}/comment", responses=_REFUSED)
def comment(item: ItemId, body: CommentBody, who: Reader, connection: Connection) -> dict[str, bool]:
    """Store a comment."""
    note_comment(connection, who, item, body.comment, body.key)
    return {"stored": True}


@router.post("/items/{item}/answer", responses={400: {}, **_REFUSED})
def answer(item: ItemId, body: AnswerBody, who: Reader, connection: Connection) -> dict[str, Any]:
    """Store an answer; the reply comes after it is on the disk."""
    given = Answer(body.rating, tuple(body.ranks) if body.ranks else None, body.guess, body.previous, body.more)
    try:
        record_answer(connection, who, item, given, body.key)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    return {**state_of(connection, who), "feedback": feedback_of(connection, item)}


@router.post("/items/{item}/mark", responses=_REFUSED)
def mark_item(item: ItemId, body: MarkBody, who: Reader, connection: Connection) -> dict[str, Any]:
    """Note that the reader wants to look at an item again, or no longer."""
    note_mark(connection, who, item, body.marked, body.key)
    return state_of(connection, who)


@router.get("/pictures/{name}", responses={404: {}}, response_class=Response)
def picture(name: Annotated[str, Path(pattern="^[0-9a-f]{32}$")], who: Reader, connection: Connection) -> Response:
    """Picture of the instructions or of an anchor."""
    found = picture_of(connection, name)
    if found is None:
        raise HTTPException(404, "no such picture")
    return Response(found[0], media_type=found[1])
