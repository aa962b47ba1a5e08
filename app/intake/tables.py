"""Initial contacts: the first opens a case, a later one about the same pair joins it (H3.5)."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


class Channel(StrEnum):
    """How an application reached the police (H3.1)."""

    IN_PERSON = "in_person"
    TELEPHONE = "telephone"
    EMAIL = "email"
    ONLINE = "online"
    DURING_INVESTIGATION = "during_investigation"
    PARTNER_AGENCY = "partner_agency"


class ReceivedFrom(StrEnum):
    """Where right-to-know information came from (H3.3)."""

    CRIMINAL_INVESTIGATION = "criminal_investigation"
    PARTNER_AGENCY = "partner_agency"
    INTELLIGENCE = "intelligence"
    CONTACT_WITH_POLICE = "contact_with_police"
    APPLICATION_WITHDRAWN = "application_withdrawn"


class InitialContact(Act, table=True):
    """What was asked and why (right to ask), or what was received and how good it is (right to know).

    `occurred_at` is when the request first reached any part of the police, or when the information was first held.
    """

    __tablename__ = "initial_contact"
    __table_args__ = case_constraints(
        "initial_contact",
        check("consent_to_share OR consent_reason IS NOT NULL", "sharing_without_consent_has_reason"),
        check("received_from IS NULL OR source_grading IS NOT NULL", "information_is_graded"),
    )

    channel: Channel = Field(sa_type=text_enum(Channel, "channel"))
    taken_by: str
    why: str
    risk_indicators: list[str] = Field(default=[], sa_type=JSONB)
    consent_to_share: bool
    consent_reason: str | None = None
    received_from: ReceivedFrom | None = Field(default=None, sa_type=text_enum(ReceivedFrom, "received_from"))
    received_from_detail: str | None = None
    source_grading: str | None = None
    veracity: str | None = None


class Draft(CaseRow, table=True):
    """An application begun and not yet opened, kept as typed (H3.5).

    One that was completed while a case held the same pair joined that case, and is no longer open.
    """

    __tablename__ = "draft"
    __table_args__ = case_constraints("draft")

    typed: dict[str, object] = Field(sa_type=JSONB)
    joined_id: UUID | None = Field(default=None, foreign_key="application.id")
