"""Keeping the subject's record, and reading it as the Act is worked out on it (H7.3)."""

from collections import defaultdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clock import LONDON
from app.convictions.schemas import LengthIn, ProceedingIn, SentenceIn
from app.convictions.sentences import INDEFINITE
from app.convictions.tables import RecordedProceeding, RecordedSentence
from app.errors import Unprocessable
from app.storage.base import columns_of

_LENGTH = tuple(LengthIn.model_fields)


async def keep_proceeding(
    session: AsyncSession, given: ProceedingIn, *, case_id: UUID, force_id: str, by: UUID, now: datetime
) -> UUID:
    """Keep a conviction or caution with its sentences. Unprocessable where its day has not come yet."""
    if given.conviction_date > now.astimezone(LONDON).date():
        says = "That day has not come yet. Give the day of the conviction or caution."
        raise Unprocessable(says, field="proceeding.conviction_date")
    keys: dict[str, Any] = {"case_id": case_id, "force_id": force_id}
    row = RecordedProceeding(
        **keys,
        conviction_date=given.conviction_date,
        age_at_conviction=given.age_at_conviction,
        recorded_at=now,
        recorded_by=by,
    )
    session.add(row)
    await session.flush()
    session.add_all(
        RecordedSentence(
            **keys,
            proceeding_id=row.id,
            **(one.length.model_dump() if isinstance(one.length, LengthIn) else {}),
            indefinite=one.length == INDEFINITE,
            **one.model_dump(exclude={"length"}),
        )
        for one in given.sentences
    )
    return row.id


async def proceedings_of(session: AsyncSession, case_id: UUID) -> dict[UUID, ProceedingIn]:
    """Every conviction and caution recorded in a case, by id."""
    await session.flush()
    sentences: dict[UUID, list[SentenceIn]] = defaultdict(list)
    columns = columns_of(RecordedSentence)
    query = select(*columns).where(columns.case_id == case_id).order_by(columns.start, columns.id)
    for row in (await session.execute(query)).mappings():
        length: LengthIn | Literal["indefinite"] | None = INDEFINITE if row["indefinite"] else None
        if row["years"] is not None:
            length = LengthIn(**{part: row[part] for part in _LENGTH})
        told = {name: row[name] for name in SentenceIn.model_fields if name != "length"}
        sentences[row["proceeding_id"]].append(SentenceIn(**told, length=length))
    columns = columns_of(RecordedProceeding)
    found = (await session.execute(select(*columns).where(columns.case_id == case_id))).mappings()
    return {
        row["id"]: ProceedingIn(
            conviction_date=row["conviction_date"],
            age_at_conviction=row["age_at_conviction"],
            sentences=sentences[row["id"]],
        )
        for row in found
    }
