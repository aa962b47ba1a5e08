"""The log as it is read."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.evidence.terms import Category


class LogView(BaseModel):
    """One touch: who, in which part, when, what kind, which case and persons, what was decided. Ids, never the data."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    logged_at: datetime
    category: Category
    action: str
    refused: bool
    staff_id: UUID | None
    role: str | None = Field(description="The role that carried the permission; the others are not listed.")
    organisation: str | None
    case_id: UUID | None
    individuals: list[UUID] = Field(description="The persons who were touched.")
    cases_shown: list[UUID] = Field(description="The cases that a list, a search or a feed showed.")
    fields: list[str] | None = Field(description="The names of what was shown, never what stood in it.")
    event_id: UUID | None
    recipient: UUID | None = Field(description="Of a disclosure, and of nothing else.")
    decision: str | None = Field(description="`allowed`, or the code of the refusal.")
    rule: str | None
    reason: str | None
    request_id: str
