"""Parties that come to light later, and corrections of what is known of a person (H1.1, H1.4)."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.pointers import keys_of, point
from app.cases.schemas import Recorded
from app.cases.service import must_be_party, note
from app.cases.tables import Case, Party, PartyRole
from app.clock import LONDON
from app.editions import edition
from app.intake.rules import childrens_referral, under_age
from app.intake.schemas import ChildIn, PotentialVictimIn
from app.intake.service import record_party
from app.people.schemas import Form, PersonIn, SafeContactIn
from app.people.service import agree_safe_contact, amend_person
from app.people.tables import Person
from app.safeguarding.service import owe_once
from app.safeguarding.tables import DutyKind


class PartyOfCaseIn(Form):
    """A further potential victim, or a child, found after opening: give exactly one."""

    potential_victim: PotentialVictimIn | None = None
    child: ChildIn | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.potential_victim is None) == (self.child is None):
            raise ValueError("Give exactly one of potential_victim and child.")
        return self


class AmendedPersonIn(Form):
    """What is now known of a party's person: replaces what was recorded, the timeline keeps that it was."""

    party_id: UUID
    person: PersonIn


class AgreedContactIn(Form):
    """How a party may be reached safely from now on (H2.1)."""

    party_id: UUID
    safe_contact: SafeContactIn


async def add_party(
    session: AsyncSession, case: Case, found: PartyOfCaseIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Add a potential victim or a child who came to light; a child brings the referral at once (H2.9)."""
    role = PartyRole.POTENTIAL_VICTIM if found.potential_victim else PartyRole.CHILD
    described = found.potential_victim or found.child
    assert described is not None  # the form holds exactly one
    party = await record_party(session, case, role, described, actor=actor, now=now)
    await point(session, case, keys_of(described, role))
    await session.flush()
    scheme, today = edition(case.edition), now.astimezone(LONDON).date()
    if role is PartyRole.CHILD or under_age([described.born], edition=scheme, today=today):
        await owe_once(session, case, DutyKind.CHILDRENS_SOCIAL_CARE, childrens_referral(), actor=actor, now=now)
    sentence = f"A further {role.replace('_', ' ')} was added."
    await note(session, case, "party_added", sentence, by=actor, now=now, about_id=party.id)
    return Recorded(party.id)


async def amend(
    session: AsyncSession, case: Case, amended: AmendedPersonIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Replace what is known of a person; names and addresses known before are kept beside the new ones."""
    party = await must_be_party(session, case, amended.party_id, field="party_id")
    person = await session.get_one(Person, party.person_id)
    await amend_person(session, person, amended.person, by=actor.staff_id, now=now)
    await point(session, case, keys_of(amended.person, party.role))
    sentence = f"What is known of the {party.role.replace('_', ' ')} was amended."
    await note(session, case, "person_amended", sentence, by=actor, now=now, about_id=party.id)
    return Recorded(party.id)


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
