"""Forces, agencies, staff, and the keys of requests already answered."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.storage.base import check


class Installation(SQLModel, table=True):
    """One row: demonstration and production refuse each other's data."""

    __tablename__ = "installation"
    __table_args__ = (
        check("kind IN ('demonstration', 'production')", "kind"),
        check("only_row", "only_row"),
    )

    only_row: bool = Field(default=True, primary_key=True)
    kind: str


class Force(SQLModel, table=True):
    """A police force; `division` decides its bank holidays (H10.1)."""

    __tablename__ = "force"

    id: str = Field(primary_key=True)
    name: str
    division: str


class Agency(SQLModel, table=True):
    """An agency that sits on a force's forum: police, probation, IDVA service, children's social care ..."""

    __tablename__ = "agency"

    id: str = Field(primary_key=True)
    force_id: str = Field(foreign_key="force.id")
    kind: str
    name: str


class StaffMember(SQLModel, table=True):
    """An account. Police staff have a force; partners an agency; roles are read anew at every request."""

    __tablename__ = "staff_member"
    __table_args__ = (
        check("(force_id IS NULL) <> (agency_id IS NULL)", "one_organisation"),
        UniqueConstraint("subject"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    subject: str
    name: str
    force_id: str | None = Field(default=None, foreign_key="force.id")
    agency_id: str | None = Field(default=None, foreign_key="agency.id")
    roles: list[str] = Field(sa_type=ARRAY(Text))
    rank: str | None = None
    active: bool = True
    email: str | None = None
    """The work address, for alerts alone (H2.2)."""


class CaseGrant(SQLModel, table=True):
    """A case that a partner may see because it stands on an agenda; ended when the item is."""

    __tablename__ = "case_grant"

    staff_id: UUID = Field(primary_key=True, foreign_key="staff_member.id")
    item_id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="application.id", index=True)
    granted_at: datetime
    ended_at: datetime | None = None


class AnsweredRequest(SQLModel, table=True):
    """An idempotency key: the request it came with and what was made. A replay is read anew, with today's rights."""

    __tablename__ = "answered_request"

    staff_id: UUID = Field(primary_key=True, foreign_key="staff_member.id")
    key: str = Field(primary_key=True, max_length=200)
    fingerprint: str
    case_id: UUID | None = None
    resource_id: UUID | None = None
    opened_id: UUID | None = None
    answered_at: datetime
