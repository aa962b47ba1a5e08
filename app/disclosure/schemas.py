"""Stage 7 as it comes in and goes out."""

import hashlib
from datetime import date, datetime
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from app.cases.schemas import ActIn, Receipt
from app.convictions.schemas import ProceedingIn
from app.disclosure import rules
from app.disclosure.tables import (
    DeliveryClearance,
    Disclosure,
    ItemAgreement,
    NonCompletion,
    NonDisclosureNotice,
    SpentAuthorisation,
)
from app.disclosure.terms import (
    Handling,
    ItemKind,
    NotCompletedReason,
    NoticeKind,
    Pack,
    RecipientWarning,
    Signature,
    Undertaking,
)
from app.people.schemas import Day, Form, Line, MaskedView, Moment, Narrative, OfApplicant, OfContact
from app.safeguarding.schemas import ActView


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("A text holds a NUL byte or half of a surrogate pair, which no record can keep.")
    return text


Verbatim = Annotated[str, StringConstraints(min_length=1, max_length=100_000), AfterValidator(_storable)]
"""Words as they were said: any Unicode text, at most 100,000 characters. What goes in comes out, byte for byte."""


class ItemIn(ActIn):
    """Something that may be told. Record every conviction and caution known: they are worked out together (H7.3)."""

    kind: ItemKind
    text: Narrative = Field(description="What is proposed to be said.")
    owner: Line = Field(examples=["Own force", "Probation Service"])
    owned_elsewhere: StrictBool = Field(description="Another force or agency owns it: its agreement is needed (H7.8).")
    handling: Handling
    identifies_earlier_victim_or_source: StrictBool = Field(description="If so it cannot be told (H7.8).")
    proceeding: ProceedingIn | None = Field(None, description="Of a conviction or disposal: from it, when it is spent.")
    concerns_item: UUID | None = Field(
        None,
        description=(
            "Of behaviour: the conviction or disposal it is the circumstances, charge or arrest of (H7.3). "
            "Left out where it replaces behaviour: the same as before."
        ),
    )
    supersedes_id: UUID | None = Field(None, description="The item that this one replaces.")

    @model_validator(mode="after")
    def _proceeding_where_there_is_one(self) -> Self:
        behaviour = self.kind is ItemKind.BEHAVIOUR
        if behaviour == (self.proceeding is not None):
            raise ValueError("A conviction or out-of-court disposal has its proceeding; behaviour has none.")
        if not behaviour and self.concerns_item is not None:
            raise ValueError("concerns_item is for behaviour that lies behind a conviction or disposal.")
        return self


class ItemView(ActView):
    """An item, and whether it is spent on the day it is read."""

    kind: ItemKind
    text: str
    owner: str
    owned_elsewhere: bool
    handling: Handling
    identifies_earlier_victim_or_source: bool
    proceeding: ProceedingIn | None
    concerns_item_id: UUID | None
    supersedes_id: UUID | None
    superseded: bool
    spent_today: bool
    becomes_spent_on: date | None = Field(description="None where it never is, or no day can be named.")
    owner_agreed: bool
    spent_authorised: bool


class AgreementIn(ActIn):
    """The owner's agreement that an item is told (H7.8)."""

    agreed_by: Line = Field(examples=["Disclosure manager, Probation Service"])
    reference: Line
    conditions: Narrative | None = None


class AgreementView(ActView):
    """An owner's agreement."""

    of: ClassVar = ItemAgreement

    item_id: UUID
    agreed_by: str
    reference: str
    conditions: str | None


class SpentAuthorisationIn(Form):
    """Authority to tell a spent item, with the legal advice it rests on (H7.3)."""

    advice_reference: Line
    advice: Narrative
    reason: Narrative


class SpentAuthorisationView(ActView):
    """An authority to tell a spent item."""

    of: ClassVar = SpentAuthorisation

    item_id: UUID
    advice_reference: str
    advice: str
    reason: str


class ReconsiderationIn(Form):
    """The three questions where the undertaking is refused, each with reasons (H7.1)."""

    plan_effective_without_disclosure: StrictBool
    plan_effective_reasons: Narrative
    could_be_improved: StrictBool
    could_be_improved_reasons: Narrative
    disclosure_needed_for_safety: StrictBool
    disclosure_needed_reasons: Narrative


class ToRecipient(Form):
    """Who is told: a party of the case, or one who is described."""

    recipient_id: UUID | None = Field(None, description="The party of this case who is told.")
    recipient_described: Line | None = Field(None, examples=["Support worker of the refuge, named in the minutes"])
    suitable_adult: Line | None = Field(
        None, description="Who is there with a young recipient: suitable, and not involved (H2.9)."
    )

    @model_validator(mode="after")
    def _one_recipient(self) -> Self:
        if (self.recipient_id is None) == (self.recipient_described is None):
            raise ValueError("Give either recipient_id or recipient_described.")
        return self


class ToldFirstIn(Form):
    """Warnings and undertaking, which come before the words."""

    warnings_given: list[RecipientWarning] = Field([], max_length=3)
    undertaking: Undertaking | None = None
    reconsideration: ReconsiderationIn | None = None

    def told_first(self) -> rules.ToldFirst:
        """As the rules ask for it."""
        again = None
        if self.reconsideration is not None:
            again = rules.Reconsideration(
                self.reconsideration.plan_effective_without_disclosure,
                self.reconsideration.could_be_improved,
                self.reconsideration.disclosure_needed_for_safety,
            )
        return rules.ToldFirst(frozenset(self.warnings_given), self.undertaking, again)


class ConsultationIn(Form):
    """The offender manager was consulted before delivery (H6.5)."""

    consulted: Line = Field(examples=["MAPPA co-ordinator"])
    consulted_at: Moment
    words: Narrative
    reveals_no_applicant: StrictBool


class ClearanceIn(ToRecipient, ToldFirstIn):
    """Asks for permission to speak: the recipient is there, warned, and has answered the undertaking (H7.0).

    Whoever clears is another than whoever delivers.
    """

    potential_victim_id: UUID
    decision_id: UUID = Field(description="The forum's decision or the emergency authority that is carried out.")
    item_ids: list[UUID] = Field(max_length=200)
    recipient_safe_contact: Line | None = Field(None, description="For a recipient who is no party (H2.1).")
    delivered_by: UUID | None = Field(None, description="The member of staff who will speak.")
    partner_deliverer: Line | None = Field(None, description="Or the partner who will.")
    place: Line
    planned_for: Moment
    offender_manager_consultation: ConsultationIn | None = None

    @model_validator(mode="after")
    def _one_deliverer(self) -> Self:
        if (self.delivered_by is None) == (self.partner_deliverer is None):
            raise ValueError("Give either delivered_by or partner_deliverer.")
        return self


class ClearanceView(MaskedView, ActView):
    """A clearance; `recorded_by` gave it."""

    of: ClassVar = DeliveryClearance

    potential_victim_id: UUID
    decision_id: UUID
    item_ids: list[UUID]
    recipient_id: UUID | None
    recipient_described: str | None
    recipient_safe_contact: Annotated[str | None, OfContact]
    suitable_adult: str | None
    delivered_by: UUID | None
    partner_deliverer: str | None
    place: str
    planned_for: datetime
    warnings_given: list[RecipientWarning]
    undertaking: Undertaking
    reconsideration: ReconsiderationIn | None
    offender_manager_consultation: ConsultationIn | None


class InterpreterIn(Form):
    """Who interpreted; the record is what the officer said for interpreting (H7.2a)."""

    name: Line
    approved: StrictBool
    is_family: StrictBool


class PartnerIn(Form):
    """A partner delivered; the police record it from the signed account (H7.2)."""

    agency: Line
    name: Line
    account: Verbatim
    account_signed: StrictBool


class DisclosureIn(ActIn, ToRecipient, ToldFirstIn):
    """What was said, word for word, and how. Never refused: what was wrong goes before a supervisor (H2.10)."""

    words: Verbatim
    potential_victim_id: UUID
    decision_id: UUID | None = None
    clearance_id: UUID | None = None
    item_ids: list[UUID] = Field([], max_length=200, description="The items that were told.")
    undertaking: Undertaking
    delivered_by: UUID | None = None
    partner: PartnerIn | None = None
    present: list[Line] = Field([], max_length=40, description="Who else was there, by part or name.")
    place: Line
    beyond_script: Verbatim | None = Field(None, description="What was said beyond the script.")
    signed_by_deliverer: StrictBool
    recipient_signature: Signature
    nothing_handed_over: StrictBool
    pack: Pack
    interpreter: InterpreterIn | None = None
    supersedes_id: UUID | None = Field(
        None, description="The newest record of the telling, which this corrects; it is kept. The hour may be left out."
    )
    crime_alleged: StrictBool = Field(False, description="A crime was alleged in it: opens the crime duty (H2.3).")

    @model_validator(mode="after")
    def _one_deliverer(self) -> Self:
        if (self.delivered_by is None) == (self.partner is None):
            raise ValueError("Give either delivered_by or partner.")
        return self


_OF_WORDS = AliasChoices("words")


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8")).hexdigest()


def _length(words: str) -> int:
    return len(words.encode("utf-8"))


class DisclosureView(ActView):
    """A record of a disclosure, without its words: their digest stands for them."""

    of: ClassVar = Disclosure

    potential_victim_id: UUID
    sha256: Annotated[str, BeforeValidator(_digest)] = Field(
        validation_alias=_OF_WORDS, description="Of the UTF-8 bytes of the words, in hexadecimal."
    )
    byte_length: Annotated[int, BeforeValidator(_length)] = Field(validation_alias=_OF_WORDS)
    decision_id: UUID | None
    clearance_id: UUID | None
    carries_out_decision: bool
    recipient_id: UUID | None
    recipient_described: str | None
    delivered_by: UUID | None
    place: str
    undertaking: Undertaking
    signed_by_deliverer: bool
    recipient_signature: Signature
    nothing_handed_over: bool
    pack: Pack
    supersedes_id: UUID | None


class KeptDisclosure(Receipt):
    """The record is kept, and not acknowledged before its own receipt is there: ask at the address until it is."""

    receipt: str = Field(description="Answers 200 once a signed and witnessed checkpoint covers the record.")


class VerbatimView(DisclosureView):
    """The whole record, with the words as they were said."""

    words: str
    item_ids: list[UUID]
    partner: PartnerIn | None
    present: list[str]
    suitable_adult: str | None
    beyond_script: str | None
    warnings_given: list[RecipientWarning]
    reconsideration: ReconsiderationIn | None
    interpreter: InterpreterIn | None


class NoticeIn(ActIn):
    """Not disclosing, told or recorded (H7.4 to H7.5)."""

    kind: NoticeKind
    potential_victim_ids: list[UUID] = Field(min_length=1, max_length=20, description="Whom it concludes.")
    told_id: UUID | None = Field(None, description="The party told: the applicant.")
    told_by: UUID | None = Field(None, description="Left out: whoever records it.")
    in_person: StrictBool = False
    place: Line | None = None
    words: Verbatim | None = Field(None, description="What was said. Left out: the edition's words.")
    pack: Pack | None = None
    written_left: StrictBool = Field(False, description="Something written was left: wrong under H2.2.")
    rationale: Narrative | None = Field(None, description="Of a recorded one: why, to be found again (H7.5).")
    crime_alleged: StrictBool = False

    @model_validator(mode="after")
    def _told_or_recorded(self) -> Self:
        if self.kind is NoticeKind.RECORDED:
            if self.rationale is None or self.told_id is not None or self.words is not None:
                raise ValueError("A recorded one gives its rationale, and nobody is told: no told_id, no words.")
        elif self.told_id is None:
            raise ValueError("Say in told_id who was told.")
        return self


class NoticeView(MaskedView, ActView):
    """A notice of not disclosing."""

    of: ClassVar = NonDisclosureNotice

    kind: Annotated[NoticeKind | None, OfApplicant]
    potential_victim_ids: list[UUID]
    told_id: Annotated[UUID | None, OfApplicant]
    told_by: UUID | None
    in_person: bool
    place: Annotated[str | None, OfApplicant]
    words: Annotated[str | None, OfApplicant]
    pack: Pack | None
    written_left: bool
    rationale: str | None


class PostponementIn(Form):
    """Delivery is to wait; the investigator has been asked (H7.7)."""

    potential_victim_id: UUID | None = Field(None, description="Whose; left out, that of every potential victim.")
    investigator: Line
    investigator_answer: Narrative
    reason: Narrative
    review_on: Day


class PostponementEndIn(Form):
    """Why delivery need wait no longer."""

    potential_victim_id: UUID | None = Field(None, description="As it was postponed: whose, or left out everybody's.")
    reason: Narrative


class PostponementView(ActView):
    """A postponement, and how it ended if it did before its review date."""

    potential_victim_id: UUID | None
    investigator: str
    investigator_answer: str
    reason: str
    review_on: date
    ended_at: datetime | None
    end_reason: str | None


class NonCompletionIn(Form):
    """Ends the attempts to tell (H7.6). Left out, `potential_victim_id` means the neutral words to the applicant."""

    potential_victim_id: UUID | None = None
    reason: NotCompletedReason
    explanation: Narrative


class NonCompletionView(MaskedView, ActView):
    """Attempts that were ended."""

    of: ClassVar = NonCompletion

    potential_victim_id: Annotated[UUID | None, OfApplicant]
    decision_id: UUID | None
    reason: NotCompletedReason
    explanation: Annotated[str | None, OfApplicant]
