"""Reading the log for misuse, and putting what it shows before professional standards within minutes (H1.3, H12.1).

The place in the log is told in transactions, not in moments: only rows of transactions before which every other has
ended are read, so that one that commits late stands after the place and not before it. A finding is kept under a unique
key in the transaction that moves the place on and opens the task: it is found once, however often a worker is killed.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Role
from app.access.tables import StaffMember
from app.access.telling import sees
from app.clock import in_london
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import open_task
from app.evidence.tables import LoggedCase, LoggedIndividual, LogRow
from app.evidence.terms import OWN_NAME
from app.misuse.facts import accounts, cases, individuals
from app.misuse.rules import Account, Finding, Thresholds, Touched, findings
from app.misuse.tables import MisuseFinding, MisuseWatch
from app.misuse.terms import Misuse
from app.storage.base import SETTLED, shares_any

BATCH = 500
_FIRST = UUID(int=0)
_ROW = (
    col(LogRow.id),
    col(LogRow.logged_at),
    col(LogRow.action),
    col(LogRow.staff_id),
    col(LogRow.case_id),
    col(LogRow.force_id),
    col(LogRow.recorded_in),
    col(LogRow.refused),
    col(LogRow.rule),
)
_JUDGED = or_(~col(LogRow.refused), col(LogRow.rule) == OWN_NAME)
"""What was refused showed nobody; but whoever sought the own name sought it, also where too many fitted to be shown."""
_WORDS = {
    Misuse.OWN_RECORD: "touched a person who certainly is the account's own",
    Misuse.SAME_ADDRESS: "touched a person who lives or lived at the account's own address",
    Misuse.SAME_SURNAME: "touched a person with the account's own surname",
    Misuse.OWN_NAME: "searched for the account's own name, whether anybody was found or not",
    Misuse.OUT_OF_FORCE: "touched cases of another force",
    Misuse.OFF_SHIFT: "touched cases while away or off shift",
    Misuse.BULK: "touched unusually many cases or persons within a short time",
    Misuse.CASE_OF_NOTE: "touched a case that is marked, without holding it",
}


async def watch_for_misuse(session: AsyncSession, *, thresholds: Thresholds, now: datetime) -> bool:
    """Read on in the log, open a task for each finding, and say whether more waits. One worker reads at a time."""
    place = (await session.scalars(select(MisuseWatch).with_for_update(skip_locked=True))).one_or_none()
    if place is None:
        return False
    settled = (await session.execute(select(SETTLED))).scalar_one()
    if place.read_in > settled:  # the database was restored into another server, which counts anew
        place.read_in, place.read_log_id = 0, _FIRST
    order = (col(LogRow.recorded_in), col(LogRow.id))
    query = (
        select(*_ROW)
        .where(tuple_(*order) > (place.read_in, place.read_log_id), col(LogRow.recorded_in) < settled)
        .order_by(*order)
        .limit(BATCH)
    )
    new = (await session.execute(query)).all()
    more = len(new) == BATCH
    place.read_in, place.read_log_id = (new[-1].recorded_in, new[-1].id) if more else (settled, _FIRST)
    by_account: dict[UUID, list[Any]] = defaultdict(list)
    for row in new:
        if row.staff_id is not None and (not row.refused or row.rule == OWN_NAME):
            by_account[row.staff_id].append(row)
    known = await accounts(session, by_account)
    for staff_id, rows in sorted(by_account.items()):
        if staff_id in known:
            await _judge(session, known[staff_id], rows, thresholds=thresholds, now=now)
    return more


async def _judge(
    session: AsyncSession, account: Account, new: Sequence[Any], *, thresholds: Thresholds, now: datetime
) -> None:
    since = min(row.logged_at for row in new) - thresholds.window
    until = max(row.logged_at for row in new)
    query = (
        select(*_ROW)
        .where(
            col(LogRow.staff_id) == account.staff_id,
            col(LogRow.logged_at).between(since, until),
            _JUDGED,
        )
        .order_by(col(LogRow.logged_at), col(LogRow.id))
    )
    rows = (await session.execute(query)).all()
    touched = await _touched(session, account, rows)
    homes = {row.id: account.force_id or row.force_id for row in rows}
    found = findings(account, touched, new={row.id for row in new}, thresholds=thresholds)
    for one in {(each.kind, each.about, each.day): each for each in found}.values():
        await _keep(session, account, one, force_id=homes[one.log_id], now=now)


async def _touched(session: AsyncSession, account: Account, rows: Sequence[Any]) -> list[Touched]:
    pairs = select(col(LoggedIndividual.log_id), col(LoggedIndividual.person_id)).where(
        col(LoggedIndividual.log_id).in_([row.id for row in rows])
    )
    logged = (await session.execute(pairs)).all()
    people = await individuals(session, {one.person_id for one in logged}, account=account)
    of_row: dict[UUID, list[UUID]] = defaultdict(list)
    for one in logged:
        of_row[one.log_id].append(one.person_id)
    shown: dict[UUID, list[UUID]] = defaultdict(list)
    lists = select(col(LoggedCase.log_id), col(LoggedCase.case_id)).where(
        col(LoggedCase.log_id).in_([row.id for row in rows])
    )
    for one in (await session.execute(lists)).all():
        shown[one.log_id].append(one.case_id)
    on_lists = {case_id for each in shown.values() for case_id in each}
    of_people = {one.case_id for one in people.values()}
    known = await cases(session, on_lists | of_people | {row.case_id for row in rows if row.case_id})
    return [
        Touched(
            row.id,
            row.logged_at,
            row.action,
            known.get(row.case_id),
            [people[person] for person in of_row[row.id] if person in people],
            [known[case_id] for case_id in shown[row.id] if case_id in known],
            [
                known[people[person].case_id]
                for person in of_row[row.id]
                if person in people and people[person].case_id in known
            ],
            row.rule == OWN_NAME,
        )
        for row in rows
    ]


async def _keep(
    session: AsyncSession, account: Account, found: Finding, *, force_id: str | None, now: datetime
) -> None:
    row = {
        "id": uuid4(),
        "staff_id": account.staff_id,
        "kind": found.kind,
        "about": found.about,
        "day": found.day,
        "log_id": found.log_id,
        "found_at": now,
    }
    kept = insert(MisuseFinding).values(row).on_conflict_do_nothing().returning(col(MisuseFinding.id))
    if (await session.scalars(kept)).one_or_none() is None:
        return
    # A case of another force is none of this force's to be told of: the row of the log names it to who may read that.
    of_ours = found.case is not None and found.case.force_id == force_id
    case_id = found.case.case_id if found.case is not None and of_ours else None
    await open_task(
        session,
        kind=TaskKind.MISUSE,
        says=f"Account {account.staff_id} {_WORDS[found.kind]} on {in_london(found.at)}: log row {found.log_id}.",
        for_role=await whose(session, account.staff_id, force_id, case_id),
        force_id=force_id,
        about=str(row["id"]),
        case_id=case_id,
        kept_from=account.staff_id,
        now=now,
    )


async def whose(session: AsyncSession, suspect: UUID, force_id: str | None, case_id: UUID | None) -> Role:
    """Professional standards, or where none but the suspect would see it, the head of public protection."""
    others = select(func.count()).where(
        col(StaffMember.force_id) == force_id,
        col(StaffMember.active),
        col(StaffMember.id) != suspect,
        shares_any(StaffMember.roles, {Role.PROFESSIONAL_STANDARDS}),
        *([sees(case_id)] if case_id else []),
    )
    found = (await session.execute(others)).scalar_one()
    return Role.PROFESSIONAL_STANDARDS if found else Role.HEAD_OF_PUBLIC_PROTECTION
