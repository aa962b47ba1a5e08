"""Meetings held, findings of malice and their agreement. All append-only."""

from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.evidence.sealed import sealed
from app.face_to_face.terms import Pack
from app.storage.base import Act, case_constraints, check, text_enum


class FaceToFaceMeeting(Act, table=True):
    """A meeting that was held. A missed appointment is a contact attempt instead (H5.1)."""

    __tablename__ = "face_to_face_meeting"
    __table_args__ = case_constraints("face_to_face_meeting", party="party_id")

    party_id: UUID
    place: str
    officer: str
    public_protection: bool
    public_protection_reason: str | None = None
    warnings_given: bool
    identity_verified_by: str | None = None
    undertaking_explained: bool
    details: str
    safeguarding_advice: str | None = None
    pack: Pack | None = Field(default=None, sa_type=text_enum(Pack, "pack"))
    pack_details_by_word: bool
    suitable_adult: str | None = None
    written_material_left: str | None = None


class MaliciousFinding(Act, table=True):
    """That a request is malicious, with reasons; it stands when a second person agrees (H5.1a)."""

    __tablename__ = "malicious_finding"
    __table_args__ = case_constraints("malicious_finding")

    reasons: str = sealed("malicious_finding.reasons")


class MaliciousFindingAgreement(Act, table=True):
    """A second person's answer, with what was decided first: whether the police carry on as right to know (H5.1a)."""

    __tablename__ = "malicious_finding_agreement"
    __table_args__ = case_constraints(
        "malicious_finding_agreement",
        UniqueConstraint("finding_id"),
        check(
            "num_nonnulls(carry_on_as_right_to_know, carry_on_reason_sealed) = CASE WHEN agrees THEN 2 ELSE 0 END",
            "carrying_on_is_decided",
        ),
        check("(carry_on_as_right_to_know IS TRUE) = (continued_as_id IS NOT NULL)", "carried_on_in_a_case"),
    )

    finding_id: UUID = Field(foreign_key="malicious_finding.id")
    agrees: bool
    reason: str = sealed("malicious_finding_agreement.reason")
    carry_on_as_right_to_know: bool | None = None
    carry_on_reason: str | None = sealed("malicious_finding_agreement.carry_on_reason", default=None)
    continued_as_id: UUID | None = Field(default=None, foreign_key="application.id")
