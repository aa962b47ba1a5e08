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


def who_may_answer(kind: str) -> tuple[Role, ...]:
    """A review of an irregular act, and a crime duty closed by a reason, are a supervisor's."""
    supervisors = (Role.PUBLIC_PROTECTION_SUPERVISOR, Role.HEAD_OF_PUBLIC_PROTECTION)
    return supervisors if kind in {"supervisor_review", "police_involvement", "crime"} else ()
