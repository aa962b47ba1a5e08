"""Safety rules that hold at every step (H2). Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from app.access.rules import Permission, Role, roles_that_may
from app.editions.rules import Edition
from app.editions.terms import ClockKind
from app.errors import Obstacle
from app.safeguarding.schemas import Meanwhile, Plan


def plan_is_current(plan: Plan | None, *, newest_immediate_risk_at: datetime | None, today: date) -> bool:
    """Whether a safety plan still answers the risk: its review has not passed, and it is no older than the newest
    finding of immediate risk (H7.0, H2.4)."""
    if plan is None or plan.review_on < today:
        return False
    return newest_immediate_risk_at is None or plan.occurred_at >= newest_immediate_risk_at


def no_current_plan(plan: Plan | None, *, newest_immediate_risk_at: datetime | None, today: date) -> list[Obstacle]:
    """The obstacle where the safety plan is missing, past its review, or older than the risk it must answer."""
    if plan_is_current(plan, newest_immediate_risk_at=newest_immediate_risk_at, today=today):
        return []
    return [
        Obstacle(
            "no_current_safety_plan",
            "There is no current safety plan for this potential victim: record one, or record its review.",
            "H7.0",
        )
    ]


def no_interim_plan(
    late: Collection[ClockKind], plans: Mapping[UUID, Sequence[Meanwhile]], *, today: date
) -> list[Obstacle]:
    """The obstacle where a late duty has no interim plan for some potential victim (H2.6, H10.6).

    `plans` are those of each potential victim, oldest first: together they answer every late clock, and the review of
    the newest has not passed.
    """
    if all(_planned(frozenset(late), of_victim, today=today) for of_victim in plans.values()):
        return []
    which = ", ".join(kind.replace("_", " ") for kind in ClockKind if kind in late)
    says = (
        f"The limit is not kept: {which}. Record the interim safeguarding and communication plan of each potential "
        "victim, answering that, before anything more is decided."
    )
    return [Obstacle("late_without_interim_plan", says, "H10.6")]


def _planned(late: frozenset[ClockKind], plans: Sequence[Meanwhile], *, today: date) -> bool:
    if not late:
        return True
    answered = frozenset[ClockKind]().union(*(plan.clocks for plan in plans))
    return late <= answered and plans[-1].review_on >= today


def obstacles_to_deviation(edition: Edition) -> list[Obstacle]:
    """The obstacle where the edition knows no exceptional circumstances (H10.6)."""
    if edition.deviations.known:
        return []
    says = f"The edition {edition.name} knows no exceptional circumstances: a late duty is late, whatever the reason."
    return [Obstacle("no_exceptional_circumstances", says, "H10.6")]


def no_safe_contact() -> Obstacle:
    """Somebody was approached with no safe means agreed and no approach planned (H2.1)."""
    says = (
        "No safe means of contact is recorded for this person and no approach was planned: record a safe contact, or "
        "how the approach is made, before anybody tries again."
    )
    return Obstacle("no_safe_contact", says, "H2.1")


def subject_contacted() -> Obstacle:
    """The subject was approached with nobody having authorised it (H2.7)."""
    return Obstacle("subject_contacted", "The subject was contacted outside authorised representations.", "H2.7")


def makes_safe(done_for: UUID | None, *, endangered: UUID | None, potential_victims: Collection[UUID]) -> bool:
    """Whether an immediate action answers a finding of risk to one potential victim, or with None to the whole case.

    One that was done for another potential victim does not; one done about the subject or for nobody named does (H2.4).
    """
    return endangered is None or done_for == endangered or done_for not in potential_victims


_FOR_SUPERVISORS = {"supervisor_review", "police_involvement", "crime", "offender_management", "subject_to_be_told"}


def who_may_answer(kind: str) -> tuple[Role, ...]:
    """The roles that may answer a duty in words; none named means whoever safeguards.

    A supervisor's alone: the review of an irregular act (H2.10), the notices where a party is police (H2.8), a crime
    without a reference (H2.3), offender management (H8.2), that a subject is not told after all (H6.3).
    """
    return tuple(roles_that_may(Permission.SUPERVISE)) if kind in _FOR_SUPERVISORS else ()


def least_rank_to_answer(kind: str, edition: Edition) -> str | None:
    """The rank below which a duty is not answered: those told where a party is police are told by that rank (H2.8)."""
    return edition.ranks.police_involvement_supervisor if kind == "police_involvement" else None
