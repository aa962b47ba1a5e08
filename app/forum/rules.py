"""What a forum's decision, its confirmation and an emergency authority need (H6). Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.categorisation.terms import Category
from app.editions.rules import Agency
from app.editions.terms import POLICE
from app.errors import Obstacle
from app.forum.terms import ActionOutcome


@dataclass(frozen=True)
class Seat:
    """A member at one item: from which agency, there or not, and conflicted or not."""

    staff_id: UUID
    agency: str
    present: bool
    conflicted: bool

    @property
    def counts(self) -> bool:
        """A conflicted member leaves the item (H6.2), and does not count."""
        return self.present and not self.conflicted


@dataclass(frozen=True)
class Sitting:
    """The meeting as it sits on one item."""

    required: tuple[Agency, ...]
    seats: tuple[Seat, ...]
    chair_id: UUID
    held_on: date

    @property
    def missing(self) -> tuple[Agency, ...]:
        """The agencies of the quorum that have nobody present and unconflicted (H6.1)."""
        there = {seat.agency for seat in self.seats if seat.counts}
        return tuple(agency for agency in self.required if agency.code not in there)

    def seat_of(self, staff_id: UUID) -> Seat | None:
        """A person's seat, if the person is a member of the meeting."""
        return next((seat for seat in self.seats if seat.staff_id == staff_id), None)


@dataclass(frozen=True)
class Proposal:
    """What is to be decided for one potential victim: the parts that the rules ask about (H6.3)."""

    category: Category
    disclose: bool
    pressing_need: str | None
    proportionate: str | None
    what: str | None
    has_recipient: bool
    has_delivery: bool
    subject_to_be_told: bool


def obstacles_to_sitting(sitting: Sitting, *, deciding: UUID, today: date) -> list[Obstacle]:
    """What stands against the meeting deciding this item, and against this person deciding it for the meeting."""
    obstacles = []
    if deciding != sitting.chair_id:
        obstacles.append(
            Obstacle("not_the_chair", "Only the chair of this meeting records what it decides.", "H6.2"),
        )
    elif conflicted := chair_conflicted(sitting):
        obstacles += conflicted
    elif (chair := sitting.seat_of(sitting.chair_id)) is None or not chair.present:
        obstacles.append(
            Obstacle("chair_not_present", "The chair is not recorded as present: record the attendance.", "H6.2")
        )
    if today < sitting.held_on:
        obstacles.append(
            Obstacle("meeting_not_held", "The meeting's day has not come: decide when it sits.", "H6.2"),
        )
    return [*obstacles, *no_quorum(sitting)]


def chair_conflicted(sitting: Sitting) -> list[Obstacle]:
    """Nobody decides for a meeting on a case in which the own interests are in conflict (H6.2)."""
    chair = sitting.seat_of(sitting.chair_id)
    if chair is None or not chair.conflicted:
        return []
    return [
        Obstacle(
            "chair_conflicted",
            "The chair has a conflict of interest on this item: take it to a meeting with another chair.",
            "H6.2",
        )
    ]


def no_quorum(sitting: Sitting) -> list[Obstacle]:
    """One obstacle for each agency of the quorum that is missing; without it nothing is decided (H6.1)."""
    return [
        Obstacle(
            f"quorum_{agency.code}",
            f"No quorum: {agency.title} has no member present without a conflict of interest on this item.",
            "H6.1",
        )
        for agency in sitting.missing
    ]


def obstacles_to_deciding(
    proposal: Proposal,
    *,
    categorised: bool,
    representations_considered: bool,
    police_conclude_necessary: bool | None,
) -> list[Obstacle]:
    """What stands against a decision on one potential victim, whoever sits (H6.3, H6.4).

    `categorised` is whether the police found a category, or an emergency authority its concern (H6.8).
    `police_conclude_necessary` is what the police member recorded by name, None where nothing is recorded.
    """
    obstacles = []
    if not categorised:
        obstacles.append(
            Obstacle(
                "not_categorised",
                "The police have not categorised this potential victim: have the category recorded first.",
                "H5.6",
            )
        )
    if not representations_considered:
        obstacles.append(
            Obstacle(
                "representations_not_considered",
                "It has not been considered whether to seek the subject's representations: record it with its reason.",
                "H6.3",
            )
        )
    if proposal.disclose:
        obstacles += _obstacles_to_disclosing(proposal, police_conclude_necessary)
    elif proposal.subject_to_be_told:
        obstacles.append(
            Obstacle("subject_not_told", "Where nothing is disclosed the subject is not told: leave it out.", "H7.4")
        )
    return obstacles


def _obstacles_to_disclosing(proposal: Proposal, police_conclude_necessary: bool | None) -> list[Obstacle]:
    obstacles = []
    if proposal.category is not Category.CONCERN:
        obstacles.append(
            Obstacle("no_concern", "Disclosure needs the category concern for this potential victim.", "H6.4")
        )
    if police_conclude_necessary is None:
        obstacles.append(
            Obstacle(
                "no_police_conclusion",
                "The police member has not recorded, by name, that the police conclude disclosure to be necessary to "
                "protect from crime: without it nobody discloses.",
                "H6.3",
            )
        )
    elif not police_conclude_necessary:
        obstacles.append(
            Obstacle(
                "police_conclude_not_necessary",
                "The police member recorded that the police do not conclude disclosure to be necessary: without that "
                "conclusion nobody discloses.",
                "H6.3",
            )
        )
    wanted = (
        ("no_pressing_need", proposal.pressing_need, "a pressing need, with its reasons"),
        (
            "not_proportionate",
            proposal.proportionate,
            "that the interference with the subject's rights is necessary and proportionate, weighing the consequences",
        ),
        ("what_not_decided", proposal.what, "what is disclosed, enough for an informed choice"),
        ("recipient_not_decided", proposal.has_recipient, "to whom it is disclosed"),
        ("delivery_not_decided", proposal.has_delivery, "how: agency, person, safe place and time"),
    )
    return obstacles + [
        Obstacle(code, f"To disclose, the decision must say {says}.", "H6.4")
        for code, given, says in wanted
        if not given
    ]


def obstacles_to_police_conclusion(sitting: Sitting, *, by: UUID, of_the_force: bool) -> list[Obstacle]:
    """The conclusion is the police member's own: of the force, at the meeting, without a conflict (H6.3)."""
    seat = sitting.seat_of(by)
    if of_the_force and seat is not None and seat.agency == POLICE and seat.counts:
        return []
    return [
        Obstacle(
            "not_the_police_member",
            "Only a police member of this force who is present, without a conflict of interest on this item, records "
            "what the police conclude.",
            "H6.3",
        )
    ]


def obstacles_to_confirming(
    by: UUID, *, held_by: Collection[UUID], chair_id: UUID, took_part: Collection[UUID], conflicted: Collection[UUID]
) -> list[Obstacle]:
    """The second person neither holds the case nor chaired nor voted (H6.4), and has no conflict of interest (H6.2).

    Whoever did so once has done so: leaving the case or the meeting afterwards makes nobody a second person.
    """
    if by in held_by:
        why = "holds the case, or held, categorised or referred it"
    elif by == chair_id:
        why = "chaired the meeting"
    elif by in took_part:
        why = "sat at the meeting"
    elif by in conflicted:
        return [
            Obstacle(
                "confirmer_conflicted",
                "Whoever confirms a decision not to disclose has no conflict of interest in the case; this one has.",
                "H6.2",
            )
        ]
    else:
        return []
    return [
        Obstacle(
            "same_person",
            f"Whoever confirms a decision not to disclose must be a different person; this one {why}.",
            "H6.4",
        )
    ]


def decided_with_conflicted_member() -> Obstacle:
    """A member who took part in a decision that still counts turns out to be conflicted (H6.2)."""
    says = (
        "The member had taken part in a decision that still counts: refuse to confirm it or return it to the forum, or "
        "say why it may stand."
    )
    return Obstacle("decided_with_conflicted_member", says, "H6.2")


def obstacles_to_emergency(
    *, rank_suffices: bool, least_rank: str, open_checks: Iterable[str], accepted: Collection[str]
) -> list[Obstacle]:
    """What stands against an emergency authority: the authoriser's rank, and checks left open unmentioned (H6.8)."""
    obstacles = []
    if not rank_suffices:
        obstacles.append(
            Obstacle(
                "rank_too_low",
                f"An emergency authority needs the rank of {least_rank.replace('_', ' ')} or above.",
                "H6.8",
            )
        )
    obstacles += [
        Obstacle(
            "open_check_not_accepted",
            f"The check {name.replace('_', ' ')} has no answer: name it among the open checks accepted, or have it "
            "answered.",
            "H6.8",
        )
        for name in sorted(set(open_checks) - set(accepted))
    ]
    return obstacles


def still_owed(answers: Iterable[ActionOutcome]) -> bool:
    """Whether an action is chased on: until it is done, or circumstances changed (H6.2)."""
    return not set(answers) & {ActionOutcome.DONE, ActionOutcome.CIRCUMSTANCES_CHANGED}
