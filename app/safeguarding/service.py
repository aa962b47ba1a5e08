"""Recording acts and what is owed. `record_act` is how every stage keeps a fact: never refused, flagged where wrong."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.risk import grade_risk
from app.cases.rules import happened_at, late_entry
from app.cases.schemas import Recorded
from app.cases.service import known_id, must_be_party, note, party_ids
from app.cases.tables import Case, PartyRole, RiskGrade
from app.cases.touching import people_of, touch_people
from app.editions import edition
from app.editions.terms import ClosingDuty
from app.errors import AlreadyDecided, NotFound, NotPermitted, Obstacle
from app.people.schemas import RowView
from app.safeguarding.contact import wrong_with_contact
from app.safeguarding.rules import least_rank_to_answer, makes_safe, who_may_answer
from app.safeguarding.schemas import (
    ContactAttemptIn,
    CrimeReferenceIn,
    DutyAnswerIn,
    Plan,
    RegradeIn,
    SafeguardingActionIn,
    SafetyPlanIn,
)
from app.safeguarding.tables import ContactAttempt, CrimeReference, Duty, SafeguardingAction, SafetyPlan
from app.safeguarding.terms import DutyKind
from app.storage.base import Act, CaseRow, columns_of, shown_columns
from app.storage.statements import rows

V = TypeVar("V", bound=RowView)
_OPEN_DUTIES = (
    select(Duty)
    .where(col(Duty.case_id) == bindparam("case_id"), col(Duty.answered_at).is_(None))
    .order_by(col(Duty.opened_at), col(Duty.id))
)
_OPEN_DUTIES_OF_KINDS = _OPEN_DUTIES.where(col(Duty.kind).in_(bindparam("kinds", expanding=True)))


class DutyNotFound(NotFound):
    """No such duty in this case."""

    code = "duty_not_found"

    def __init__(self) -> None:
        super().__init__("No such duty is held in this case.")


class SupervisorOnly(NotPermitted):
    """Only a supervisor answers this duty."""

    code = "supervisor_only"


class RankTooLow(NotPermitted):
    """A supervisor of a higher rank answers this duty."""

    code = "rank_too_low"


def act_keys(case: Case, *, actor: Actor, now: datetime, occurred_at: datetime | None) -> dict[str, Any]:
    """The columns that every act carries."""
    return {
        "case_id": case.id,
        "force_id": case.force_id,
        "occurred_at": happened_at(occurred_at, now=now),
        "recorded_at": now,
        "recorded_by": actor.staff_id,
    }


async def record_act(
    session: AsyncSession,
    case: Case,
    row: Act,
    kind: str,
    sentence: str,
    *,
    actor: Actor,
    now: datetime,
    wrong: Iterable[Obstacle] = (),
    due_at: datetime | None = None,
    recipient: UUID | None = None,
) -> Recorded:
    """Keep a fact. Whatever is `wrong` with it, and late typing past `due_at`, goes before a supervisor (H2.10)."""
    session.add(row)
    await session.flush()
    within = edition(case.edition).late_entry_after_hours
    flags = (*wrong, *late_entry(row.occurred_at, now=now, within_hours=within, due_at=due_at))
    for flag in flags:
        owe(session, case, DutyKind.SUPERVISOR_REVIEW, flag, actor=actor, now=now, about_id=row.id)
    await note(
        session,
        case,
        kind,
        sentence,
        by=actor,
        now=now,
        occurred_at=row.occurred_at,
        about_id=row.id,
    )
    return Recorded(row.id, flags=flags, recipient=recipient)


def owe(
    session: AsyncSession,
    case: Case,
    kind: DutyKind,
    why: Obstacle,
    *,
    actor: Actor,
    now: datetime,
    potential_victim_id: UUID | None = None,
    about_id: UUID | None = None,
) -> Duty:
    """Open a duty."""
    duty = Duty(
        case_id=case.id,
        force_id=case.force_id,
        kind=kind,
        code=why.code,
        says=why.says,
        rule=why.rule,
        potential_victim_id=potential_victim_id,
        about_id=about_id,
        opened_at=now,
        opened_by=actor.staff_id,
    )
    session.add(duty)
    return duty


async def owe_once(
    session: AsyncSession,
    case: Case,
    kind: DutyKind,
    why: Obstacle,
    *,
    actor: Actor,
    now: datetime,
    potential_victim_id: UUID | None = None,
) -> None:
    """Open a duty unless the same one is open already."""
    open_ones = await open_duties(session, case.id, kind)
    if any(d.code == why.code and d.potential_victim_id == potential_victim_id for d in open_ones):
        return
    owe(session, case, kind, why, actor=actor, now=now, potential_victim_id=potential_victim_id)


async def owe_crime(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """A crime is alleged: the duty that only a crime reference or a supervisor's reason closes (H2.3)."""
    why = Obstacle("crime_alleged", "A crime is alleged: record its crime reference.", "H2.3")
    await owe_once(session, case, DutyKind.CRIME, why, actor=actor, now=now)


async def owe_offender_management(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """A case ended with no forum sitting: a supervisor considers the management of the subject, where the edition
    asks for that with the case's outcome (H8.2)."""
    if case.outcome is None or ClosingDuty.OFFENDER_MANAGEMENT not in edition(case.edition).duties(case.outcome):
        return
    says = "No forum sat: a supervisor considers offender management (MAPPA, IOM, MATAC) and says what was decided."
    why = Obstacle("offender_management", says, "H8.2")
    await owe_once(session, case, DutyKind.OFFENDER_MANAGEMENT, why, actor=actor, now=now)


async def owe_immediate_safeguarding(
    session: AsyncSession, case: Case, *, actor: Actor, now: datetime, potential_victim_id: UUID | None = None
) -> None:
    """Immediate risk to a potential victim, or to the whole case: an action and a safety plan are owed first (H2.4).

    Every finding is owed its own: what was done before it does not answer it.
    """
    why = Obstacle(
        "immediate_risk",
        "Immediate risk: record the immediate safeguarding action and a robust safety plan first.",
        "H2.4",
    )
    kind = DutyKind.IMMEDIATE_SAFEGUARDING
    owe(session, case, kind, why, actor=actor, now=now, potential_victim_id=potential_victim_id)


async def open_duties(session: AsyncSession, case_id: UUID, *kinds: DutyKind) -> list[Duty]:
    """The duties of a case that nobody has answered."""
    query = _OPEN_DUTIES_OF_KINDS if kinds else _OPEN_DUTIES
    return list(await session.scalars(query, {"case_id": case_id, "kinds": kinds}))


async def answer_duties(
    session: AsyncSession, case: Case, *kinds: DutyKind, answer: str, actor: Actor, now: datetime
) -> None:
    """Answer every open duty of some kinds."""
    for duty in await open_duties(session, case.id, *kinds):
        _answer(duty, answer, actor=actor, now=now)


def _answer(duty: Duty, answer: str, *, actor: Actor, now: datetime) -> None:
    duty.answered_at, duty.answered_by, duty.answer = now, actor.staff_id, answer


async def answer_duty(
    session: AsyncSession,
    case: Case,
    given: DutyAnswerIn,
    *,
    actor: Actor,
    now: datetime,
    duty_id: str,
) -> Recorded:
    """Answer one duty with what was done, or why it need not be; some are a supervisor's alone (H2.3, H2.10)."""
    duty = await session.get(Duty, known_id(duty_id, DutyNotFound()))
    if duty is None or duty.case_id != case.id:
        raise DutyNotFound
    if duty.answered_at is not None:
        raise AlreadyDecided("This duty is answered already; its answer stands in the case file.")
    needed = who_may_answer(duty.kind)
    if needed and not actor.roles & set(needed):
        raise SupervisorOnly("Only a public protection supervisor may answer this duty.")
    scheme = edition(case.edition)
    least = least_rank_to_answer(duty.kind, scheme)
    if least is not None and not scheme.rank_suffices(actor.rank or "", least=least):
        raise RankTooLow(f"A supervisor of the rank of {least.replace('_', ' ')} or above answers this duty.")
    _answer(duty, given.answer, actor=actor, now=now)
    await note(
        session,
        case,
        "duty_answered",
        f"Answered: {duty.says}",
        by=actor,
        now=now,
        about_id=duty.id,
    )
    return Recorded(duty.id)


async def record_contact_attempt(
    session: AsyncSession, case: Case, attempt: ContactAttemptIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep an attempt to reach somebody (H2.1)."""
    party = await must_be_party(session, case, attempt.party_id, field="party_id")
    row = ContactAttempt(
        **act_keys(case, actor=actor, now=now, occurred_at=attempt.occurred_at),
        **attempt.model_dump(exclude={"occurred_at", "crime_alleged"}),
    )
    if attempt.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    wrong = await wrong_with_contact(session, party, at=row.occurred_at)
    words = f"Tried to reach the {party.role.replace('_', ' ')}: {attempt.outcome.replace('_', ' ')}."
    return await record_act(session, case, row, "contact_attempt", words, actor=actor, now=now, wrong=wrong)


async def record_safeguarding_action(
    session: AsyncSession, case: Case, action: SafeguardingActionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep what was done to make a person safe (H2.4)."""
    if action.party_id:
        await must_be_party(session, case, action.party_id, field="party_id")
    row = SafeguardingAction(
        **act_keys(case, actor=actor, now=now, occurred_at=action.occurred_at),
        **action.model_dump(exclude={"occurred_at"}),
    )
    done = await record_act(
        session,
        case,
        row,
        "safeguarding_action",
        "Safeguarding action taken.",
        actor=actor,
        now=now,
    )
    await _settle_immediate_safeguarding(session, case, actor=actor, now=now)
    return done


async def record_safety_plan(
    session: AsyncSession, case: Case, plan: SafetyPlanIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep the safety plan of one potential victim; the newest holds (H7.0)."""
    await must_be_party(
        session,
        case,
        plan.potential_victim_id,
        PartyRole.POTENTIAL_VICTIM,
        field="potential_victim_id",
    )
    row = SafetyPlan(
        **act_keys(case, actor=actor, now=now, occurred_at=plan.occurred_at),
        **plan.model_dump(exclude={"occurred_at"}),
    )
    done = await record_act(session, case, row, "safety_plan", "Safety plan recorded.", actor=actor, now=now)
    await _settle_immediate_safeguarding(session, case, actor=actor, now=now)
    return done


async def _settle_immediate_safeguarding(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """A finding of immediate risk is answered once an action and a safety plan are recorded after it: for the potential
    victim whom it is about, or for each where it is about the whole case (H2.4)."""
    owed = await open_duties(session, case.id, DutyKind.IMMEDIATE_SAFEGUARDING)
    if not owed:
        return
    everyone = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    action, plan = columns_of(SafeguardingAction), columns_of(SafetyPlan)
    since = owed[0].opened_at
    done = select(action.party_id, action.recorded_at).where(action.case_id == case.id, action.recorded_at >= since)
    planned = select(plan.potential_victim_id, plan.recorded_at).where(
        plan.case_id == case.id, plan.recorded_at >= since
    )
    actions = (await session.execute(done)).all()
    plans = (await session.execute(planned)).all()
    for duty in owed:
        endangered = duty.potential_victim_id
        acted = any(
            at >= duty.opened_at and makes_safe(done_for, endangered=endangered, potential_victims=everyone)
            for done_for, at in actions
        )
        safe = {one for one, at in plans if at >= duty.opened_at}
        if acted and safe.issuperset([endangered] if endangered else everyone):
            _answer(duty, "Immediate action and safety plan recorded.", actor=actor, now=now)


async def record_crime_reference(
    session: AsyncSession, case: Case, crime: CrimeReferenceIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep a crime reference; it answers the crime duties (H2.3)."""
    row = CrimeReference(
        **act_keys(case, actor=actor, now=now, occurred_at=crime.occurred_at),
        **crime.model_dump(exclude={"occurred_at"}),
    )
    answer = f"Crime reference {crime.reference}."
    await answer_duties(session, case, DutyKind.CRIME, answer=answer, actor=actor, now=now)
    return await record_act(session, case, row, "crime_reference", "Crime reference recorded.", actor=actor, now=now)


async def current_plan(session: AsyncSession, potential_victim_id: UUID) -> Plan | None:
    """The newest safety plan of a potential victim, as the rules ask for it."""
    query = (
        select(col(SafetyPlan.occurred_at), col(SafetyPlan.review_on))
        .where(col(SafetyPlan.potential_victim_id) == potential_victim_id)
        .order_by(col(SafetyPlan.recorded_at).desc())
        .limit(1)
    )
    found = (await session.execute(query)).one_or_none()
    return Plan(found.occurred_at, found.review_on) if found else None


async def newest_immediate_risk_at(session: AsyncSession, case_id: UUID, potential_victim_id: UUID) -> datetime | None:
    """When immediate risk to this potential victim, or to the case as a whole, was last found."""
    query = (
        select(col(RiskGrade.occurred_at))
        .where(
            col(RiskGrade.case_id) == case_id,
            col(RiskGrade.immediate),
            (col(RiskGrade.potential_victim_id) == potential_victim_id) | col(RiskGrade.potential_victim_id).is_(None),
        )
        .order_by(col(RiskGrade.occurred_at).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def rows_of(session: AsyncSession, case_id: UUID, view: type[V], **which: UUID) -> list[V]:
    """Every row of one kind in a case, or those about one thing, oldest first, as the view that names its table."""
    found = await rows(session, _rows_of(view.of, *which), case_id=case_id, **which)
    touch_people(session, case_id, view.of, found)
    return [view.model_validate(one) for one in found]


@cache
def _rows_of(table: type[CaseRow], *about: str) -> Select[Any]:
    columns = columns_of(table)
    order = columns.get("recorded_at", columns.get("opened_at", columns.id))
    first_to_last = [columns.position] if "position" in columns else []
    wanted = [columns[name] == bindparam(name) for name in ("case_id", *about)]
    people = [column for name, column in people_of(table).items() if name not in columns]
    return select(*shown_columns(table), *people).where(*wanted).order_by(order, *first_to_last, columns.id)


async def grade(session: AsyncSession, case: Case, graded: RegradeIn, *, actor: Actor, now: datetime) -> Recorded:
    """Grade the risk anew; immediate harm brings the duty of immediate safeguarding (H2.4, H2.6)."""
    if graded.potential_victim_id:
        await must_be_party(
            session, case, graded.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
        )
    row_id = await grade_risk(
        session,
        case,
        graded,
        by=actor,
        now=now,
        occurred_at=graded.occurred_at,
        potential_victim_id=graded.potential_victim_id,
    )
    if graded.immediate:
        await owe_immediate_safeguarding(
            session, case, actor=actor, now=now, potential_victim_id=graded.potential_victim_id
        )
    await session.flush()
    row = await session.get_one(RiskGrade, row_id)
    return await record_act(session, case, row, "risk_graded", f"Risk graded {graded.grade}.", actor=actor, now=now)
