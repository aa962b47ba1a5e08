"""Pages with an opaque cursor: give `next_cursor` back as `cursor` for the page that follows."""

import base64
import json
import re
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from app.casefile.worklist import Position
from app.errors import Unprocessable

T = TypeVar("T")

Cursor = Annotated[str | None, Query(max_length=400, description="The next_cursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]


class Page(BaseModel, Generic[T]):
    """Some of a list."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Empty on the last page.")


class BadCursor(Unprocessable):
    """The cursor is not one of ours."""

    code = "bad_cursor"


def encode(*parts: Any) -> str:
    """A cursor after the row with these sort values."""
    return base64.urlsafe_b64encode(json.dumps([str(part) for part in parts]).encode()).decode()


def _decode(cursor: str, length: int) -> list[str]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError:
        parts = None
    if not isinstance(parts, list) or len(parts) != length or not all(isinstance(part, str) for part in parts):
        raise BadCursor("The cursor was not given by this list; leave it out for the first page.", field="cursor")
    return parts


def after_moment(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The moment and id that a cursor stands for."""
    if cursor is None:
        return None
    moment, row = _decode(cursor, 2)
    try:
        read = datetime.fromisoformat(moment)
        if read.tzinfo is None:
            raise ValueError
        return read, UUID(row)
    except ValueError:
        raise BadCursor(
            "The cursor was not given by this list; leave it out for the first page.", field="cursor"
        ) from None


def after_day(cursor: str | None) -> tuple[date, UUID] | None:
    """The day and id that a cursor stands for."""
    if cursor is None:
        return None
    day, row = _decode(cursor, 2)
    try:
        return date.fromisoformat(day), UUID(row)
    except ValueError:
        raise BadCursor(
            "The cursor was not given by this list; leave it out for the first page.", field="cursor"
        ) from None


def after_standing(cursor: str | None) -> Position | None:
    """The place on the worklist that a cursor stands for."""
    if cursor is None:
        return None
    rank, moment, row = _decode(cursor, 3)
    try:
        read = None if moment == "None" else datetime.fromisoformat(moment)
        if not re.fullmatch(r"[0-9]", rank) or (read is not None and read.tzinfo is None):
            raise ValueError
        return Position(int(rank), read, UUID(row))
    except ValueError:
        raise BadCursor(
            "The cursor was not given by this list; leave it out for the first page.", field="cursor"
        ) from None


def after_position(cursor: str | None) -> int:
    """The position that a cursor stands for."""
    if cursor is None:
        return 0
    (position,) = _decode(cursor, 1)
    if not re.fullmatch(r"[0-9]{1,18}", position):
        raise BadCursor("The cursor was not given by this list; leave it out for the first page.", field="cursor")
    return int(position)


def page(rows: list[T], limit: int, cursor_of: Any) -> Page[T]:
    """A page of at most `limit` from rows read with one more than the limit."""
    more = len(rows) > limit
    shown = rows[:limit]
    return Page(items=shown, next_cursor=cursor_of(shown[-1]) if more else None)
