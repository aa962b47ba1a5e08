"""What intake decides: who is a child, who is police, what is owed from the first hour. Pure."""

from collections.abc import Iterable
from datetime import date

from app.cases.rules import CONCLUDED
from app.editions.rules import Edition
from app.errors import Obstacle
from app.people.rules import age_on, unborn_problem
from app.process import Stage


def under_age(births: Iterable[date | None], *, edition: Edition, today: date) -> bool:
    """Whether any of the parties is under the edition's age of a child (H2.9), or not born yet.

    An unknown birth decides nothing.
    """
    return any(born is not None and age_on(born, max(born, today)) < edition.ages.child_under for born in births)


def childrens_referral() -> Obstacle:
    """The duty that an affected child, or a party under age, brings at once (H2.9)."""
    return Obstacle(
        "childrens_social_care",
        "A child is affected or a party is under age: refer to children's social care at once, or record why not.",
        "H2.9",
    )


def may_have_account() -> Obstacle:
    """A party's name is that of an account here: somebody compares the two (H2.8)."""
    says = (
        "A party has the name of an account of this service. That account is kept out of the case until a supervisor "
        "has compared the two: end the exclusion where they are two people, or record that the party is police."
    )
    return Obstacle("may_have_account", says, "H2.8")


def attempted(moment: str) -> Obstacle:
    """Somebody from whom the case is withheld tried to open it (H2.8)."""
    says = f"Somebody from whom this case is withheld tried to open it on {moment}; the timeline names the account."
    return Obstacle("attempted_access", says, "H2.8")


def open_elsewhere(reference: str) -> Obstacle:
    """A case about the subject of a restricted one that others can open (H2.8)."""
    says = (
        f"{reference} is about the same subject and is not restricted: record there that a party is police, or say why "
        "it may stay open to others."
    )
    return Obstacle("open_elsewhere", says, "H2.8")


def police_notice(notified: str) -> Obstacle:
    """One of the notices that a supervisor gives where a party is police (H2.8)."""
    return Obstacle("police_involvement", f"A party is police: a supervisor must inform the {notified}.", "H2.8")


def relationship_out_of_scope(code: str | None, *, ended: bool, edition: Edition) -> list[Obstacle]:
    """What a supervisor is told of a relationship that the edition does not cover: risk is safeguarded still (H1.5)."""
    if code is None or edition.relationship_eligible(code, ended=ended):
        return []
    known = ", ".join(kind.code for kind in edition.relationships.eligible)
    says = (
        "The relationship recorded is not one of this edition of the guidance: correct it, or decide how the risk is "
        f"safeguarded outside the scheme. The edition knows: {known}."
    )
    return [Obstacle("relationship_out_of_scope", says, "H1.5")]


def described_differently(role: str, fields: Iterable[str]) -> list[Obstacle]:
    """What a supervisor is told where a further contact describes a party otherwise than is recorded (H1.4)."""
    named = ", ".join(name.replace("_", " ") for name in sorted(fields))
    if not named:
        return []
    says = f"The {role.replace('_', ' ')} is described otherwise than is recorded: compare and correct ({named})."
    return [Obstacle("described_differently", says, "H1.4")]


def further_applicant() -> Obstacle:
    """Somebody asks in a case that holds the same people already (H3.5)."""
    says = (
        "Somebody else asks about the same people: settle who is met, who is told what, and in whose protection "
        "from the other."
    )
    return Obstacle("further_applicant", says, "H3.5")


def risk_not_graded_again() -> Obstacle:
    """A further contact came without a grade of risk (H3.5, H2.6)."""
    return Obstacle(
        "risk_not_graded_again", "A further contact joined without a grade of risk: grade the risk again.", "H3.5"
    )


def earlier_first_contact() -> Obstacle:
    """A joined contact reached the police before the one that the clocks were counted from (H3.4, H10.7)."""
    says = (
        "This contact reached the police before the one recorded first: the clocks are counted from it now. Find out "
        "why it was not acted on."
    )
    return Obstacle("earlier_first_contact", says, "H3.4")


def changed_after_conclusion(stage: Stage) -> list[Obstacle]:
    """What a supervisor is told where people are added or amended in a case that has ended (H2.10, H8.3)."""
    if stage not in CONCLUDED:
        return []
    says = "This was recorded after the case had ended: new information opens a new application that follows it."
    return [Obstacle("changed_after_conclusion", says, "H8.3")]


def unborn_but_no_child(role: str, born: date | None, *, today: date) -> str | None:
    """Why a corrected date of birth cannot be: only an expected child's may lie ahead (H2.9)."""
    return None if role == "child" or born is None else unborn_problem(born, today=today)
