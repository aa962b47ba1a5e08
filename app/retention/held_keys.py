"""Whether every case has the key that was made for it: who takes one away erases past every rule (H12.2)."""

from collections import Counter
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Case
from app.evidence.keys import version_of
from app.evidence.tables import CaseKey
from app.evidence.vouching import is_vouched_for
from app.retention.tables import Erasure, Retention, RetentionAgreement, RetentionDecision
from app.retention.terms import Verdict
from app.storage.statements import rows

BATCH = 1000
_FIRST = UUID(int=0)
_erased = (
    select(1)
    .select_from(Erasure)
    .join(RetentionDecision, col(RetentionDecision.id) == col(Erasure.decision_id))
    .join(RetentionAgreement, col(RetentionAgreement.id) == col(Erasure.agreement_id))
    .join(Retention, col(Retention.case_id) == col(Erasure.case_id))
    .where(
        col(Erasure.case_id) == col(Case.id),
        col(Case.erased_at) == col(Erasure.erased_at),
        col(RetentionDecision.case_id) == col(Erasure.case_id),
        col(RetentionDecision.verdict) == Verdict.ERASE,
        col(RetentionDecision.recorded_by) == col(Erasure.decided_by),
        col(RetentionAgreement.case_id) == col(Erasure.case_id),
        col(RetentionAgreement.decision_id) == col(Erasure.decision_id),
        col(RetentionAgreement.agrees),
        col(RetentionAgreement.recorded_by) == col(Erasure.agreed_by),
        col(Erasure.agreed_by) != col(Erasure.decided_by),
        col(Retention.keep_until) == col(Erasure.keep_until),
        col(Retention.keep_until) <= func.date(func.timezone("Europe/London", col(Erasure.erased_at))),
    )
    .correlate(Case)
)
"""A row of `erasure` alone, which whoever took the key could put in, excuses nothing."""
_keyless = (
    select(col(Case.id))
    .where(~select(1).where(col(CaseKey.case_id) == col(Case.id)).exists(), ~_erased.exists())
    .cte("keyless")
    .prefix_with("MATERIALIZED", dialect="postgresql")  # the function is asked of these few alone
)
_GONE = select(_keyless.c.id).where(func.case_is_sealed(_keyless.c.id))
_KEYS = (
    select(
        col(CaseKey.case_id),
        col(CaseKey.public_half),
        col(CaseKey.wrapped),
        col(CaseKey.key_version),
        col(CaseKey.vouched),
    )
    .where(col(CaseKey.case_id) > bindparam("after"))
    .order_by(col(CaseKey.case_id))
    .limit(BATCH)
)
_log = structlog.get_logger()


async def unusable_keys(session: AsyncSession) -> dict[str, int]:
    """How many keys are gone although the case has sealed records and was not erased, and how many are not as written.

    A case that was opened while the key service was down has none before its first record, which is as it should be.
    Each is logged by its case's id.
    """
    found = Counter({"gone": 0, "changed": 0})
    for one in await rows(session, _GONE):
        _tell(found, "gone", one.id)
    after = _FIRST
    while batch := await rows(session, _KEYS, after=after):
        after = batch[-1].case_id
        for one in batch:
            true = is_vouched_for(one.case_id, one.public_half, one.wrapped, one.vouched)
            if not true or one.key_version != version_of(one.wrapped):
                _tell(found, "changed", one.case_id)
    return dict(found)


def _tell(found: Counter[str], because: str, case_id: UUID) -> None:
    found[because] += 1
    _log.error("case_key_unusable", case_id=str(case_id), because=because)
