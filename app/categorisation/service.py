"""Considering representations, categorising, referring to the forum (H5.3 to H5.6)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import PartyView, Recorded
from app.cases.service import advance, must_be_at, must_be_party, note, parties, party_ids
from app.cases.tables import Case, PartyRole
from app.categorisation.rules import (
    CategorisationFacts,
    FactorFound,
    names_the_applicant,
    obstacles_to_category,
    obstacles_to_referral,
    obstacles_to_representations,
)
from app.categorisation.schemas import CategorisationIn, ReferralIn, RepresentationsAnswerIn, RepresentationsIn
from app.categorisation.tables import Categorisation, Referral, Representations, RepresentationsAnswer
from app.categorisation.terms import Category, RepresentationsChoice
from app.deadlines.service import meet
from app.editions.terms import ClockKind
from app.errors import Obstacle, Unprocessable, refuse_if
from app.face_to_face.malice import finding_awaiting_agreement
from app.people.schemas import AliasView, PersonView
from app.process import Move, Stage
from app.safeguarding.service import act_keys, open_duties, record_act
from app.safeguarding.terms import DutyKind

_BEFORE_THE_FINAL_DECISION = (
    Stage.INITIAL_CHECKS,
    Stage.FACE_TO_FACE,
    Stage.RISK_ASSESSMENT,
    Stage.CATEGORISATION,
    Stage.FORUM,
)


class NoSuchRepresentations(Unprocessable):
    """No representations of this case have that id."""

    code = "no_such_representations"


async def consider_representations(
    session: AsyncSession, case: Case, given: RepresentationsIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep whether the subject is asked, and why; asking is a supervisor's, in words settled beforehand (H5.5)."""
    must_be_at(case, *_BEFORE_THE_FINAL_DECISION)
    if given.potential_victim_id is not None:
        await must_be_party(
            session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
        )
    applicants, subjects = await names_to_keep_apart(session, case)
    refuse_if(
        obstacles_to_representations(
            given.choice,
            by_supervisor=actor.is_supervisor,
            words=given.words,
            applicants_names=applicants,
            subjects_names=subjects,
        )
    )
    row = Representations(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump())
    session.add(row)
    await session.flush()
    sought = given.choice is RepresentationsChoice.SOUGHT
    sentence = f"The subject's representations were considered and are {'' if sought else 'not '}sought."
    await note(session, case, "representations_considered", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def record_representations_answer(
    session: AsyncSession, case: Case, given: RepresentationsAnswerIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep what the subject answered. An answer to what was never asked means that somebody asked unauthorised."""
    wrong = []
    if given.representations_id is None:
        says = "The subject answered, though it was not considered whether to seek representations."
        wrong = [Obstacle("representations_not_authorised", says, "H5.5")]
    elif (await _considered(session, case, given.representations_id)).choice is RepresentationsChoice.NOT_SOUGHT:
        says = "The subject answered, though it was decided not to seek representations."
        wrong = [Obstacle("representations_not_authorised", says, "H5.5")]
    row = RepresentationsAnswer(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    sentence = f"The subject's representations: {given.outcome.replace('_', ' ')}."
    return await record_act(session, case, row, "representations_answer", sentence, actor=actor, now=now, wrong=wrong)


async def _considered(session: AsyncSession, case: Case, representations_id: UUID) -> Representations:
    asked = await session.get(Representations, representations_id)
    if asked is None or asked.case_id != case.id:
        raise NoSuchRepresentations(
            "representations_id must name a consideration of representations in this case.", field="representations_id"
        )
    return asked


async def categorise(
    session: AsyncSession, case: Case, given: CategorisationIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Decide the police category of one potential victim; it is provisional, and the newest holds (H5.4, H5.6).

    Still at the forum too: an emergency for one potential victim brings the others there uncategorised (H6.8).
    """
    must_be_at(case, Stage.CATEGORISATION, Stage.FORUM)
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    refuse_if(
        obstacles_to_category(
            given.category,
            risk_of_harm=given.risk_of_harm,
            factors=[FactorFound(one.factor, one.present, one.answer) for one in given.factors],
            other_information=given.other_information,
        )
    )
    row = Categorisation(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump(mode="python"))
    session.add(row)
    await session.flush()
    sentence = f"A potential victim was categorised: {given.category.replace('_', ' ')}."
    await note(session, case, "categorised", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def refer_to_forum(
    session: AsyncSession, case: Case, given: ReferralIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Refer the case to the forum. The clock is met here: of categorising and referring this is the later (H9.1)."""
    must_be_at(case, Stage.CATEGORISATION)
    refuse_if(obstacles_to_referral(await facts(session, case)))
    row = Referral(**act_keys(case, actor=actor, now=now, occurred_at=None), note=given.note)
    session.add(row)
    await session.flush()
    await advance(session, case, Move.REFERRED, by=actor, now=now, sentence="Referred to the forum.", about_id=row.id)
    await meet(session, case.id, ClockKind.CATEGORISE_AND_REFER, done_at=now, now=now)
    return Recorded(row.id)


async def facts(session: AsyncSession, case: Case) -> CategorisationFacts:
    """What a referral asks of the case."""
    everyone = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    categorised = await police_categories(session, case.id)
    return CategorisationFacts(
        uncategorised=len(set(everyone) - set(categorised)),
        immediate_safeguarding_owed=bool(await open_duties(session, case.id, DutyKind.IMMEDIATE_SAFEGUARDING)),
        malice_awaits_agreement=await finding_awaiting_agreement(session, case.id) is not None,
    )


async def police_categories(session: AsyncSession, case_id: UUID) -> Mapping[UUID, Category]:
    """The newest police category of each potential victim that has one."""
    query = (
        select(col(Categorisation.potential_victim_id), col(Categorisation.category))
        .where(col(Categorisation.case_id) == case_id)
        .order_by(col(Categorisation.position))
    )
    return {row.potential_victim_id: row.category for row in (await session.execute(query)).all()}


async def representations_considered(session: AsyncSession, case_id: UUID, potential_victim_id: UUID) -> bool:
    """Whether it was considered, for this potential victim or for the whole case, to ask the subject (H5.5)."""
    query = (
        select(col(Representations.id))
        .where(
            col(Representations.case_id) == case_id,
            (col(Representations.potential_victim_id) == potential_victim_id)
            | col(Representations.potential_victim_id).is_(None),
        )
        .limit(1)
    )
    return (await session.scalars(query)).first() is not None


async def names_to_keep_apart(session: AsyncSession, case: Case) -> tuple[list[str], list[str]]:
    """The names of all who asked, which words for the subject may not hold, and the subject's own (H2.7)."""
    known = await parties(session, case.id)
    return _names(known.applicant, *known.other_applicants), _names(known.subject)


async def told_of_a_third_party(
    session: AsyncSession, case: Case, texts: Iterable[str], *, to: UUID | None
) -> list[Obstacle]:
    """What is wrong where words for a recipient hold a name of a third party who asked and is another (H2.7).

    A name that the subject, a potential victim or a child bears too tells nothing, nor does the recipient's own.
    """
    known = await parties(session, case.id)
    asked = [one for one in known.everyone if one.role is PartyRole.APPLICANT and one.id != to]
    others = [one for one in known.everyone if one not in asked]
    applicants, spoken_of = _names(*asked), _names(*others)
    if any(names_the_applicant(text, applicants_names=applicants, subjects_names=spoken_of) for text in texts):
        says = (
            "What is to be said holds a name of the third party who asked: say it so that nobody who asked is known "
            "by it."
        )
        return [Obstacle("words_identify_applicant", says, "H2.7")]
    return []


def _names(*of: PartyView | None) -> list[str]:
    known = [party.person for party in of if party is not None]
    named: list[PersonView | AliasView] = [*known, *(alias for person in known for alias in person.aliases)]
    return [name for one in named for name in (one.given_names, one.surname) if name]
