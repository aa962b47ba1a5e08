"""Parties that come to light later, and corrections of what is known of a person (H1.1, H1.4)."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.pointers import keys_of, point
from app.cases.risk import weigh
from app.cases.schemas import Recorded
from app.cases.service import must_be_party, note, parties
from app.cases.tables import Case, Party, PartyRole
from app.clock import LONDON
from app.editions import edition
from app.editions.terms import Route
from app.errors import Obstacle, Unprocessable
from app.intake.people import Revealed, all_of, owe_for_people, point_again, record_party
from app.intake.rules import changed_after_conclusion, further_applicant, unborn_but_no_child, under_age
from app.intake.schemas import ChildIn, PotentialVictimIn
from app.people.schemas import Form, Line, PersonIn, SafeContactIn
from app.people.service import agree_safe_contact, amend_person
from app.people.tables import Person
from app.safeguarding.service import owe
from app.safeguarding.terms import DutyKind


class PartyOfCaseIn(Form):
    """A further potential victim, or a child, found after opening: give exactly one."""

    potential_victim: PotentialVictimIn | None = None
    child: ChildIn | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.potential_victim is None) == (self.child is None):
            raise ValueError("Give exactly one of potential_victim and child.")
        return self


class KnownPersonIn(PersonIn):
    """What is now known of a person: only the fields that are sent change, and null makes one blank (H1.4)."""

    may_be_unborn: ClassVar[bool] = True

    police_employment: Line | None = Field(None, description="The force that employs the person (H2.8).")


class AmendedPersonIn(Form):
    """What is now known of a party's person. What was recorded until now is kept beside it."""

    party_id: UUID
    person: KnownPersonIn


class AgreedContactIn(Form):
    """How a party may be reached safely from now on (H2.1)."""

    party_id: UUID
    safe_contact: SafeContactIn


async def add_party(
    session: AsyncSession, case: Case, found: PartyOfCaseIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Add a potential victim or a child who came to light, and owe what follows from who that is (H2.8, H2.9)."""
    role = PartyRole.POTENTIAL_VICTIM if found.potential_victim else PartyRole.CHILD
    told = found.potential_victim or found.child
    assert told is not None  # the form holds exactly one
    wrong = changed_after_conclusion(case.stage)
    asks = found.potential_victim is not None and found.potential_victim.is_applicant
    applicant = (await parties(session, case.id)).applicant
    first = asks and applicant is None and case.route is Route.RIGHT_TO_ASK
    if asks and not first:
        wrong.append(further_applicant())
    party = await record_party(session, case, role, told, applies=first, actor=actor, now=now)
    await session.flush()
    await point(session, case, keys_of(told, role))
    await weigh(session, case, by=actor, now=now)
    await owe_for_people(session, case, [all_of(party, told)], actor=actor, now=now)
    _put_before_supervisor(session, case, wrong, about_id=party.id, actor=actor, now=now)
    sentence = f"A further {role.replace('_', ' ')} was added."
    await note(session, case, "party_added", sentence, by=actor, now=now, about_id=party.id)
    return Recorded(party.id, flags=tuple(wrong))


async def amend(
    session: AsyncSession, case: Case, amended: AmendedPersonIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Change what was sent of a person; what was held is kept, and what comes to light brings its duty (H2.8, H2.9)."""
    party = await must_be_party(session, case, amended.party_id, field="party_id")
    known, today = amended.person, now.astimezone(LONDON).date()
    if says := unborn_but_no_child(party.role, known.born, today=today):
        raise Unprocessable(says, field="person.born")
    person = await session.get_one(Person, party.person_id)
    was_young = under_age([person.born], edition=edition(case.edition), today=today)
    employed = party.police_employment
    version = amend_person(session, person, known, held_too={"police_employment": employed}, by=actor.staff_id, now=now)
    if "police_employment" in known.model_fields_set:
        party.police_employment = known.police_employment
    await session.flush()
    await point_again(session, case, party.role)
    revealed = Revealed(
        party.role,
        party.id,
        new=False,
        born=None if was_young else person.born,
        police=party.police_employment not in (None, employed),
    )
    await owe_for_people(session, case, [revealed], actor=actor, now=now)
    wrong = changed_after_conclusion(case.stage)
    _put_before_supervisor(session, case, wrong, about_id=version.id, actor=actor, now=now)
    sentence = f"What is known of the {party.role.replace('_', ' ')} was amended."
    await note(session, case, "person_amended", sentence, by=actor, now=now, about_id=version.id)
    return Recorded(version.id, flags=tuple(wrong))


def _put_before_supervisor(
    session: AsyncSession, case: Case, wrong: Iterable[Obstacle], *, about_id: UUID, actor: Actor, now: datetime
) -> None:
    for flag in wrong:
        owe(session, case, DutyKind.SUPERVISOR_REVIEW, flag, actor=actor, now=now, about_id=about_id)


async def agree_contact(
    session: AsyncSession, case: Case, agreed: AgreedContactIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep how a party may be reached safely from now on (H2.1)."""
    party: Party = await must_be_party(session, case, agreed.party_id, field="party_id")
    person = await session.get_one(Person, party.person_id)
    row = agree_safe_contact(session, person, agreed.safe_contact, by=actor.staff_id, now=now)
    sentence = f"Safe contact with the {party.role.replace('_', ' ')} was settled."
    await note(session, case, "safe_contact", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)
