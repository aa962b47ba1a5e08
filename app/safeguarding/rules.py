"""Safety rules that hold at every step (H2). Pure."""

from datetime import date, datetime

from app.access.rules import Role
from app.editions.rules import Edition
from app.errors import Obstacle
from app.safeguarding.schemas import Plan


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


def police_notices(edition: Edition) -> list[str]:
    """Whom a supervisor must tell where a party is police (H2.8), in the edition's words."""
    return list(edition.police_involvement_notices)


_FOR_SUPERVISORS = {"supervisor_review", "police_involvement", "crime", "offender_management"}


def who_may_answer(kind: str) -> tuple[Role, ...]:
    """The roles that may answer a duty in words; none named means whoever safeguards.

    A supervisor's alone: the review of an irregular act (H2.10), the notices where a party is police (H2.8), a crime
    without a reference (H2.3), offender management (H8.2).
    """
    return (Role.PUBLIC_PROTECTION_SUPERVISOR, Role.HEAD_OF_PUBLIC_PROTECTION) if kind in _FOR_SUPERVISORS else ()
