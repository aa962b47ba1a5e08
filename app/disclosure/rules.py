"""What must hold before words are spoken, and what is wrong with a delivery that lacked it (H7.0 to H7.3). Pure.

Each rule is written once: clearance is refused for it, and a delivery is flagged for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.access.names import normalise_name
from app.categorisation.terms import Category
from app.clock import LONDON
from app.disclosure.terms import RecipientWarning, Undertaking
from app.editions.terms import SpentRule
from app.errors import Obstacle
from app.forum.schemas import StandingDecision


@dataclass(frozen=True)
class ItemFacts:
    """One item as it stands on the day of disclosure."""

    superseded: bool = False
    spent: bool = False
    spent_authorised: bool = False
    needs_agreement: bool = False
    agreed: bool = False
    identifies_earlier_victim_or_source: bool = False


@dataclass(frozen=True)
class Recipient:
    """Who is told: a party of the case, or somebody described. `is_subject` must never be."""

    party_id: UUID | None
    described: str | None
    is_subject: bool = False
    safe_contact_known: bool = True
    lacks_suitable_adult: bool = False
    """Young enough to need an adult who is not involved, and none is named (H2.9)."""


@dataclass(frozen=True)
class Reconsideration:
    """The three answers owed where the undertaking is refused (H7.1)."""

    plan_effective_without_disclosure: bool
    could_be_improved: bool
    disclosure_needed_for_safety: bool


@dataclass(frozen=True)
class Readiness:
    """How the case stands for one potential victim."""

    subject_identified: bool
    plan_is_current: bool
    immediate_safeguarding_open: bool
    postponed: bool


@dataclass(frozen=True)
class ToldFirst:
    """What happens at the door before the words (H7.0, H7.1)."""

    warnings_given: frozenset[RecipientWarning]
    undertaking: Undertaking | None
    reconsideration: Reconsideration | None


@dataclass(frozen=True)
class Consultation:
    """The offender manager was consulted, in words that reveal no applicant or do (H6.5)."""

    reveals_no_applicant: bool


def without_decision(decision: StandingDecision | None, *, named: UUID | None) -> list[Obstacle]:
    """What is missing of the decision: one that stands, is the one named, discloses, with concern and every limb."""
    if decision is None or decision.confirmed_at is None:
        says = "No decision stands for this potential victim: the forum decides, or an emergency authority is given."
        return [Obstacle("no_standing_decision", says, "H7.0")]
    found = []
    if named != decision.id:
        says = "The decision named is not the one that stands for this potential victim: name that one."
        found.append(Obstacle("decision_does_not_stand", says, "H7.0"))
    if not decision.disclose:
        says = "The decision that stands is not to disclose: new information goes back to the forum."
        return [*found, Obstacle("decision_is_not_to_disclose", says, "H7.0")]
    if decision.category != Category.CONCERN:
        says = "The decision has no finding of concern: return it to the forum."
        found.append(Obstacle("no_concern", says, "H6.4"))
    if not decision.police_conclude_necessary:
        says = "The police have not concluded that disclosure is necessary; without that nobody discloses."
        found.append(Obstacle("police_have_not_concluded", says, "H6.3"))
    if not decision.pressing_need:
        says = "No pressing need is reasoned in the decision: return it to the forum."
        found.append(Obstacle("no_pressing_need", says, "H6.3"))
    if not decision.proportionate:
        says = "The decision does not reason that the interference is necessary and proportionate: return it."
        found.append(Obstacle("not_proportionate", says, "H6.3"))
    return found


def not_ready(readiness: Readiness) -> list[Obstacle]:
    """What the case lacks for this potential victim: plan, identity, immediate safeguarding, no postponement."""
    found = []
    if readiness.immediate_safeguarding_open:
        says = "Immediate risk: record the immediate safeguarding action and a robust safety plan first."
        found.append(Obstacle("immediate_safeguarding_open", says, "H2.4"))
    if not readiness.plan_is_current:
        says = "There is no current safety plan for this potential victim: record one, or record its review."
        found.append(Obstacle("no_current_safety_plan", says, "H7.0"))
    if not readiness.subject_identified:
        says = "The subject's identity is not confirmed against a record: an officer confirms it and says how."
        found.append(Obstacle("subject_not_identified", says, "H4.5"))
    if readiness.postponed:
        says = "Delivery is postponed: the forum or a supervisor ends the postponement, or its review date passes."
        found.append(Obstacle("postponed", says, "H7.7"))
    return found


def not_tellable(items: Iterable[ItemFacts], *, rule: SpentRule) -> list[Obstacle]:
    """Why any of the items may not be told (H7.3, H7.8); each reason once."""
    told = list(items)
    if not told:
        return [Obstacle("no_items", "No item is named: say which items are told.", "H7.8")]
    found = []
    if any(item.superseded for item in told):
        says = "An item has been superseded: choose the one that replaced it."
        found.append(Obstacle("item_superseded", says, "H7.8"))
    if rule is SpentRule.BLOCKED:
        if any(item.spent for item in told):
            says = "An item is spent today, or lies behind one that is: it may not be told. Leave it out."
            found.append(Obstacle("item_spent", says, "H7.3"))
    elif any(item.spent and not item.spent_authorised for item in told):
        says = (
            "An item is spent today, or lies behind one that is: leave it out, or have a supervisor authorise it with "
            "legal advice."
        )
        found.append(Obstacle("item_spent", says, "H7.3"))
    if any(item.needs_agreement and not item.agreed for item in told):
        says = "An item is owned elsewhere or coded C: record its owner's agreement, or leave it out."
        found.append(Obstacle("owner_has_not_agreed", says, "H7.8"))
    if any(item.identifies_earlier_victim_or_source for item in told):
        says = "An item identifies an earlier victim or a source: reword it so that it does not, or leave it out."
        found.append(Obstacle("identifies_victim_or_source", says, "H7.8"))
    return found


def no_suitable_adult(recipient: Recipient) -> list[Obstacle]:
    """Where a young recipient would be told without a suitable adult (H2.9)."""
    if not recipient.lacks_suitable_adult:
        return []
    says = "The recipient is young: a suitable adult who is not involved is there, and is named."
    return [Obstacle("no_suitable_adult", says, "H2.9")]


def wrong_recipient(recipient: Recipient, decision: StandingDecision | None) -> list[Obstacle]:
    """Where the recipient is not whom the decision names, or is the subject."""
    if recipient.is_subject:
        return [Obstacle("recipient_is_subject", "The recipient is the subject: nobody tells the subject.", "H2.7")]
    if decision is None or not decision.disclose or names(decision, recipient):
        return []
    says = (
        "The recipient is not the one whom the decision names: tell that one, described as the decision does, or "
        "return to the forum."
    )
    return [Obstacle("recipient_not_decided", says, "H6.3")]


def names(decision: StandingDecision, recipient: Recipient) -> bool:
    """Whether the decision is to tell this recipient."""
    return _same_recipient(recipient, decision.recipient_id, decision.recipient_described)


def _same_recipient(recipient: Recipient, party_id: UUID | None, described: str | None) -> bool:
    """A party is compared by id; one who is only described by the words, without case, accents, spaces and points."""
    if recipient.party_id is not None or party_id is not None:
        return recipient.party_id == party_id
    return normalise_name(recipient.described or "") == normalise_name(described or "")


def decided_afterwards(decision: StandingDecision | None, *, occurred_at: datetime) -> list[Obstacle]:
    """Where the words were spoken before the decision that stands now: they did not carry it out (H7.0)."""
    if decision is None or not decision.disclose or stood_at(decision, occurred_at):
        return []
    says = "Delivered before the decision that stands was made: it is still to be carried out."
    return [Obstacle("decided_afterwards", says, "H7.0")]


def stood_at(decision: StandingDecision, moment: datetime) -> bool:
    """Whether a decision that stands now stood then already."""
    return decision.confirmed_at is not None and decision.confirmed_at <= moment


def not_told_first(first: ToldFirst) -> list[Obstacle]:
    """What is missing of the warnings and the undertaking; refused, it is reconsidered (H7.1)."""
    found = []
    if first.warnings_given != frozenset(RecipientWarning):
        says = "The three warnings come before the words: use, undertaking, proceedings. Give them."
        found.append(Obstacle("warnings_not_given", says, "H7.1"))
    if first.undertaking is None:
        says = "The undertaking is not answered: it is signed, or refused and reconsidered, before the words."
        found.append(Obstacle("undertaking_not_answered", says, "H7.1"))
    if first.undertaking is Undertaking.REFUSED:
        if first.reconsideration is None:
            says = (
                "The undertaking is refused: record the reconsideration, whether the plan is effective without "
                "disclosure, whether it could be improved, and whether disclosure is needed for safety."
            )
            found.append(Obstacle("refusal_not_reconsidered", says, "H7.1"))
        elif not first.reconsideration.disclosure_needed_for_safety:
            says = "The undertaking is refused and disclosure is not needed for safety: it does not go ahead."
            found.append(Obstacle("not_needed_for_safety", says, "H7.1"))
    return found


def not_consulted(decision: StandingDecision | None, consultation: Consultation | None) -> list[Obstacle]:
    """Where an offender manager is to be consulted first, in words that reveal no applicant (H6.5)."""
    if consultation is not None and not consultation.reveals_no_applicant:
        says = "The words to the offender manager reveal an applicant: a supervisor must see to it before delivery."
        return [Obstacle("consultation_reveals_applicant", says, "H2.7")]
    if decision is None or not decision.consult_offender_manager or consultation is not None:
        return []
    says = "The subject is managed: consult the offender manager first, in words that reveal no applicant."
    return [Obstacle("offender_manager_not_consulted", says, "H6.5")]


def obstacles_to_clearance(
    *,
    decision: StandingDecision | None,
    named: UUID,
    readiness: Readiness,
    items: Iterable[ItemFacts],
    spent_rule: SpentRule,
    recipient: Recipient,
    first: ToldFirst,
    consultation: Consultation | None,
) -> list[Obstacle]:
    """Everything in the order of H7.0; the deliverer, who must be another, is compared by `same_person`."""
    unsafe = []
    if not recipient.safe_contact_known:
        says = "No safe contact of the recipient is recorded: agree place, means and times, or plan the approach."
        unsafe.append(Obstacle("no_safe_contact", says, "H2.1"))
    return [
        *without_decision(decision, named=named),
        *not_ready(readiness),
        *not_tellable(items, rule=spent_rule),
        *wrong_recipient(recipient, decision),
        *no_suitable_adult(recipient),
        *unsafe,
        *not_consulted(decision, consultation),
        *not_told_first(first),
    ]


@dataclass(frozen=True)
class Clearance:
    """The clearance that a delivery names, and when its decision ceased to stand, if it has."""

    potential_victim_id: UUID
    decision_id: UUID
    recipient_id: UUID | None
    recipient_described: str | None
    delivered_by: UUID | None
    item_ids: frozenset[UUID]
    cleared_at: datetime
    overtaken_at: datetime | None = None


def held(clearance: Clearance, *, potential_victim_id: UUID, recipient: Recipient, occurred_at: datetime) -> bool:
    """Whether permission for this telling, given on its decision, still held when the words were spoken (H7.0)."""
    return (
        clearance.potential_victim_id == potential_victim_id
        and _same_recipient(recipient, clearance.recipient_id, clearance.recipient_described)
        and clearance.cleared_at <= occurred_at
        and (clearance.overtaken_at is None or occurred_at < clearance.overtaken_at)
    )


def not_cleared(
    clearance: Clearance | None,
    *,
    potential_victim_id: UUID,
    decision_id: UUID | None,
    recipient: Recipient,
    delivered_by: UUID | None,
    item_ids: frozenset[UUID],
    occurred_at: datetime,
    used_already: bool,
) -> list[Obstacle]:
    """Where a delivery had no clearance, or one for something else (H7.0)."""
    if clearance is None:
        says = "Delivered without clearance: a supervisor reviews the decision, the risk and the plan at once."
        return [Obstacle("not_cleared", says, "H7.0")]
    found = []
    if clearance.cleared_at > occurred_at:
        says = "Delivered before it was cleared: a supervisor reviews it."
        found.append(Obstacle("cleared_afterwards", says, "H7.0"))
    elif london_day(clearance.cleared_at) != london_day(occurred_at):
        says = "Cleared on another day than it was delivered: spent dates and the safety plan were not looked at anew."
        found.append(Obstacle("cleared_on_another_day", says, "H7.3"))
    if clearance.potential_victim_id != potential_victim_id:
        says = "The clearance is for another potential victim."
        found.append(Obstacle("cleared_for_another", says, "H7.0"))
    if clearance.decision_id != decision_id:
        says = "The clearance is for another decision than the one named."
        found.append(Obstacle("other_decision_cleared", says, "H7.0"))
    if not _same_recipient(recipient, clearance.recipient_id, clearance.recipient_described):
        says = "Delivered to another recipient than was cleared."
        found.append(Obstacle("recipient_not_cleared", says, "H7.0"))
    if clearance.delivered_by != delivered_by:
        says = "Delivered by somebody else than was cleared."
        found.append(Obstacle("deliverer_not_cleared", says, "H7.0"))
    if used_already:
        says = "That clearance was used for an earlier delivery: each delivery needs its own."
        found.append(Obstacle("clearance_used", says, "H7.0"))
    if not item_ids <= clearance.item_ids:
        says = "Items were told that were not cleared."
        found.append(Obstacle("items_not_cleared", says, "H7.0"))
    return found


def wrong_at_the_door(
    *,
    nothing_handed_over: bool,
    signed_by_deliverer: bool,
    interpreter_is_family: bool,
    interpreter_approved: bool,
    partner_account_signed: bool,
    partner_same_day: bool,
) -> list[Obstacle]:
    """What went wrong in the telling itself (H2.2, H7.2, H7.2a)."""
    found = []
    if not nothing_handed_over:
        says = "Something written was handed over: get it back safely, and look at the risk again."
        found.append(Obstacle("something_handed_over", says, "H2.2"))
    if not signed_by_deliverer:
        says = "The deliverer has not signed the police copy of the words."
        found.append(Obstacle("not_signed_by_deliverer", says, "H7.2"))
    if interpreter_is_family:
        found.append(Obstacle("interpreter_is_family", "The interpreter was of the family.", "H7.2a"))
    if not interpreter_approved:
        found.append(Obstacle("interpreter_not_approved", "The interpreter was not an approved one.", "H7.2a"))
    if not partner_account_signed:
        says = "The partner who delivered has not signed the account: have it signed."
        found.append(Obstacle("account_not_signed", says, "H7.2"))
    if not partner_same_day:
        says = "Delivered by a partner and not recorded by the police on the same day."
        found.append(Obstacle("partner_recorded_late", says, "H7.2"))
    return found


def corrects_another(*, same_potential_victim: bool) -> list[Obstacle]:
    """Where a correction moves a record to another potential victim (H7.2)."""
    if same_potential_victim:
        return []
    says = "A record stood under the wrong potential victim: look at who was told what, and who is still to be told."
    return [Obstacle("corrects_another_potential_victim", says, "H7.2")]


def no_longer_carries_out(*, before: bool, now: bool) -> list[Obstacle]:
    """Where a correction shows that a decision held to be carried out was not (H7.2)."""
    if now or not before:
        return []
    says = "As corrected, the decision was not carried out: the potential victim is still to be told."
    return [Obstacle("no_longer_carried_out", says, "H7.2")]


def not_of_the_force(*, of_the_force: bool) -> list[Obstacle]:
    """Where whoever spoke is no active member of the case's force, nor described as a partner (H7.2)."""
    if of_the_force:
        return []
    says = "Whoever spoke is no active member of staff of this force: check who it was; a partner is described."
    return [Obstacle("deliverer_not_of_force", says, "H7.2")]


def once(found: Iterable[Obstacle]) -> list[Obstacle]:
    """Each code once, in the order in which it was first found."""
    first: dict[str, Obstacle] = {}
    for obstacle in found:
        first.setdefault(obstacle.code, obstacle)
    return list(first.values())


def london_day(moment: datetime) -> date:
    """The day on which something happened, as people here count days."""
    return moment.astimezone(LONDON).date()
