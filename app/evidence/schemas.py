"""The log as it is read."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.evidence.terms import Category


class LogView(BaseModel):
    """One touch: who, when, what kind, which case, whether it was refused. Ids only, never the data."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    logged_at: datetime
    category: Category
    action: str
    refused: bool
    staff_id: UUID | None
    organisation: str | None
    case_id: UUID | None
    event_id: UUID | None
    recipient: UUID | None
    request_id: str
