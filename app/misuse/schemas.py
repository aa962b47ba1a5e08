"""Marking a case of note."""

from datetime import datetime
from uuid import UUID

from app.people.schemas import Form, Narrative, View


class OfNoteIn(Form):
    """Why a case is marked, or is marked no longer."""

    reason: Narrative


class OfNoteView(View):
    """That professional standards marked a case, and whether they still do."""

    id: UUID
    reason: str
    marked_at: datetime
    marked_by: UUID
    ended_at: datetime | None
    ended_by: UUID | None
    ended_because: str | None
