"""Items, agreements, clearance, the verbatim record, notices, postponement, non-completion, words to the subject.

`disclosure`, `delivery_clearance` and `words_to_subject` are sealed: a trigger refuses every update and delete, the
owner's included.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKeyConstraint, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.disclosure.terms import (
    Handling,
    ItemKind,
    NotCompletedReason,
    NoticeKind,
    Pack,
    Signature,
    Undertaking,
)
from app.evidence.sealed import sealed
from app.storage.base import Act, case_constraints, check, text_enum


class Item(Act, table=True):
    """Something that may be told (H7.8). A newer row supersedes; a conviction or disposal carries its proceeding."""

    __tablename__ = "item"
    __table_args__ = case_constraints(
        "item",
        UniqueConstraint("supersedes_id"),
        check("(kind = 'behaviour') = (proceeding_id IS NULL)", "proceeding_of_conviction_or_disposal"),
        check("kind = 'behaviour' OR concerns_item_id IS NULL", "behaviour_concerns"),
        check("id <> supersedes_id AND id <> concerns_item_id", "not_itself"),
    )

    kind: ItemKind = Field(sa_type=text_enum(ItemKind, "kind"))
    text: str
    owner: str
    owned_elsewhere: bool
    handling: Handling = Field(sa_type=text_enum(Handling, "handling"))
    identifies_earlier_victim_or_source: bool
    proceeding_id: UUID | None = Field(default=None, foreign_key="proceeding.id")
    concerns_item_id: UUID | None = Field(default=None, foreign_key="item.id")
    """The conviction or disposal that this behaviour is the circumstances, charge or arrest of (H7.3)."""
    supersedes_id: UUID | None = Field(default=None, foreign_key="item.id")


class ItemAgreement(Act, table=True):
    """The owner of an item agreed to its being told (H7.8)."""

    __tablename__ = "item_agreement"
    __table_args__ = case_constraints("item_agreement")

    item_id: UUID = Field(foreign_key="item.id", index=True)
    agreed_by: str
    reference: str
    conditions: str | None = None


class SpentAuthorisation(Act, table=True):
    """A supervisor authorised, on legal advice, that an item is told although it is spent (H7.3)."""

    __tablename__ = "spent_authorisation"
    __table_args__ = case_constraints("spent_authorisation")

    item_id: UUID = Field(foreign_key="item.id", index=True)
    advice_reference: str = sealed("spent_authorisation.advice_reference")
    advice: str = sealed("spent_authorisation.advice")
    reason: str = sealed("spent_authorisation.reason")


class DeliveryClearance(Act, table=True):
    """Permission to tell these items to this recipient on the day it was given (H7.0). `recorded_by` cleared it."""

    __tablename__ = "delivery_clearance"
    __table_args__ = case_constraints(
        "delivery_clearance",
        ForeignKeyConstraint(
            ["recipient_id", "case_id"], ["party.id", "party.case_id"], name="fk_delivery_clearance_recipient_id"
        ),
        check("num_nonnulls(recipient_id, recipient_described_sealed) = 1", "one_recipient"),
        check("num_nonnulls(delivered_by, partner_deliverer_sealed) = 1", "one_deliverer"),
        check("delivered_by IS DISTINCT FROM recorded_by", "cleared_by_another"),
        check("undertaking = 'signed' OR reconsideration_sealed IS NOT NULL", "refusal_is_reconsidered"),
        party="potential_victim_id",
    )

    potential_victim_id: UUID
    decision_id: UUID
    item_ids: list[UUID] = Field(sa_type=ARRAY(Uuid))
    recipient_id: UUID | None = None
    recipient_described: str | None = sealed("delivery_clearance.recipient_described", default=None)
    recipient_safe_contact: str | None = sealed("delivery_clearance.recipient_safe_contact", default=None)
    delivered_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    partner_deliverer: str | None = sealed("delivery_clearance.partner_deliverer", default=None)
    suitable_adult: str | None = sealed("delivery_clearance.suitable_adult", default=None)
    place: str = sealed("delivery_clearance.place")
    planned_for: datetime
    warnings_given: list[str] = Field(sa_type=JSONB)
    undertaking: Undertaking = Field(sa_type=text_enum(Undertaking, "undertaking"))
    reconsideration: dict[str, Any] | None = sealed("delivery_clearance.reconsideration", as_json=True, default=None)
    offender_manager_consultation: dict[str, Any] | None = sealed(
        "delivery_clearance.offender_manager_consultation", as_json=True, default=None
    )


class Disclosure(Act, table=True):
    """The words that were said, byte for byte, and all that belongs to them (H7.2). Nobody changes or deletes one.

    A correction is a new row that names the one it supersedes; it is not a further delivery. The digest of the words
    is sealed with them.
    """

    __tablename__ = "disclosure"
    __table_args__ = case_constraints(
        "disclosure",
        UniqueConstraint("supersedes_id"),
        ForeignKeyConstraint(
            ["recipient_id", "case_id"], ["party.id", "party.case_id"], name="fk_disclosure_recipient_id"
        ),
        check("num_nonnulls(recipient_id, recipient_described_sealed) = 1", "one_recipient"),
        check("num_nonnulls(delivered_by, partner_sealed) = 1", "one_deliverer"),
        check("supersedes_id <> id", "not_itself"),
        party="potential_victim_id",
    )

    potential_victim_id: UUID
    words: str = sealed("disclosure.words")
    decision_id: UUID | None = None
    clearance_id: UUID | None = Field(default=None, foreign_key="delivery_clearance.id")
    carries_out_decision: bool
    """A decision to disclose stood when the words were spoken and named this recipient, cleared or not; of a
    corrected record the newest correction says."""
    item_ids: list[UUID] = Field(sa_type=ARRAY(Uuid))
    recipient_id: UUID | None = None
    recipient_described: str | None = sealed("disclosure.recipient_described", default=None)
    delivered_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    partner: dict[str, Any] | None = sealed("disclosure.partner", as_json=True, default=None)
    present: list[str] = sealed("disclosure.present", as_json=True)
    suitable_adult: str | None = sealed("disclosure.suitable_adult", default=None)
    place: str = sealed("disclosure.place")
    beyond_script: str | None = sealed("disclosure.beyond_script", default=None)
    warnings_given: list[str] = Field(sa_type=JSONB)
    undertaking: Undertaking = Field(sa_type=text_enum(Undertaking, "undertaking"))
    reconsideration: dict[str, Any] | None = sealed("disclosure.reconsideration", as_json=True, default=None)
    signed_by_deliverer: bool
    recipient_signature: Signature = Field(sa_type=text_enum(Signature, "recipient_signature"))
    nothing_handed_over: bool
    pack: Pack = Field(sa_type=text_enum(Pack, "pack"))
    interpreter: dict[str, Any] | None = sealed("disclosure.interpreter", as_json=True, default=None)
    supersedes_id: UUID | None = Field(default=None, foreign_key="disclosure.id")


class NonDisclosureNotice(Act, table=True):
    """Not disclosing, told to the applicant in the edition's words, or recorded to be found again (H7.4 to H7.5)."""

    __tablename__ = "non_disclosure_notice"
    __table_args__ = case_constraints(
        "non_disclosure_notice",
        check("(kind = 'recorded') = (told_id IS NULL)", "told_to_someone"),
        check("(kind = 'recorded') = (words_sealed IS NULL)", "told_in_words"),
        check("kind <> 'recorded' OR rationale_sealed IS NOT NULL", "recorded_with_rationale"),
        party="told_id",
    )

    kind: NoticeKind = Field(sa_type=text_enum(NoticeKind, "kind"))
    potential_victim_ids: list[UUID] = Field(sa_type=ARRAY(Uuid))
    told_id: UUID | None = None
    told_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    in_person: bool = False
    place: str | None = sealed("non_disclosure_notice.place", default=None)
    words: str | None = sealed("non_disclosure_notice.words", default=None)
    pack: Pack | None = Field(default=None, sa_type=text_enum(Pack, "pack"))
    written_left: bool = False
    rationale: str | None = sealed("non_disclosure_notice.rationale", default=None)


class Postponement(Act, table=True):
    """Delivery to one potential victim, or to every one, waits until a review date; the clocks run on (H7.7)."""

    __tablename__ = "postponement"
    __table_args__ = case_constraints("postponement", party="potential_victim_id")

    potential_victim_id: UUID | None = None
    investigator: str
    investigator_answer: str
    reason: str
    review_on: date


class PostponementEnd(Act, table=True):
    """A postponement was ended before its review date."""

    __tablename__ = "postponement_end"
    __table_args__ = case_constraints("postponement_end", UniqueConstraint("postponement_id"))

    postponement_id: UUID = Field(foreign_key="postponement.id")
    reason: str


class NonCompletion(Act, table=True):
    """A supervisor ended the attempts to tell (H7.6); without a potential victim, those to give the neutral words."""

    __tablename__ = "non_completion"
    __table_args__ = case_constraints(
        "non_completion",
        UniqueConstraint("case_id", "decision_id", postgresql_nulls_not_distinct=True),
        check("(potential_victim_id IS NULL) = (decision_id IS NULL)", "of_a_decision"),
        party="potential_victim_id",
    )

    potential_victim_id: UUID | None = None
    decision_id: UUID | None = None
    """The decision that nobody could carry out; a newer one has attempts of its own."""
    reason: NotCompletedReason = Field(sa_type=text_enum(NotCompletedReason, "reason"))
    explanation: str = sealed("non_completion.explanation")


class WordsToSubject(Act, table=True):
    """Words spoken to the subject, what authorised them, and the subject's answer (H5.5, H6.3, H2.7).

    Kept also where nothing authorised them. Nobody changes or deletes one.
    """

    __tablename__ = "words_to_subject"
    __table_args__ = case_constraints(
        "words_to_subject",
        check("num_nonnulls(representations_id, decision_id) <= 1", "one_authority"),
        check("num_nonnulls(spoken_by, partner_sealed) = 1", "one_speaker"),
        party="potential_victim_id",
    )

    representations_id: UUID | None = Field(default=None, foreign_key="representations.id")
    decision_id: UUID | None = Field(default=None, foreign_key="forum_decision.id")
    potential_victim_id: UUID | None = None
    spoken_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    partner: str | None = sealed("words_to_subject.partner", default=None)
    place: str = sealed("words_to_subject.place")
    words: str = sealed("words_to_subject.words")
    answer: str | None = sealed("words_to_subject.answer", default=None)
