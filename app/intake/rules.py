"""What intake decides: who is a child, who is police, what is owed from the first hour. Pure."""

from collections.abc import Iterable
from datetime import date

from app.editions.rules import Edition
from app.errors import Obstacle
from app.people.rules import age_on


def under_age(births: Iterable[date | None], *, edition: Edition, today: date) -> bool:
    """Whether any of the parties is under the edition's age of a child (H2.9). An unknown birth decides nothing."""
    return any(
        born is not None and age_on(born, min(today, born) if born > today else today) < edition.ages.child_under
        for born in births
    )


def childrens_referral() -> Obstacle:
    """The duty that an affected child, or a party under age, brings at once (H2.9)."""
    return Obstacle(
        "childrens_social_care",
        "A child is affected or a party is under age: refer to children's social care at once, or record why not.",
        "H2.9",
    )


def police_notice(notified: str) -> Obstacle:
    """One of the notices that a supervisor gives where a party is police (H2.8)."""
    return Obstacle("police_involvement", f"A party is police: a supervisor must inform the {notified}.", "H2.8")


def relationship_problem(code: str | None, *, ended: bool, edition: Edition) -> str | None:
    """Why a relationship is not in the edition's scope, else None. Safeguarding goes on all the same (H1.5)."""
    if code is None or edition.relationship_eligible(code, ended=ended):
        return None
    known = ", ".join(kind.code for kind in edition.relationships.eligible)
    return f"'{code}' is not a relationship of this edition; it knows: {known}."
