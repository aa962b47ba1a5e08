"""What a worker does in turn: each a batch in its own transactions, which opens, calls a service and ends."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app import clock
from app.channels.terms import Channel
from app.deadlines import following, refreshing
from app.deadlines.alerts import BATCH, sweep
from app.deadlines.calendars import checked_against
from app.deadlines.chasing import BATCH as CHASED_AT_ONCE
from app.deadlines.chasing import chase
from app.deadlines.delivery import deliver, senders
from app.deadlines.digest import BATCH as DIGESTS_AT_ONCE
from app.deadlines.digest import write_digests
from app.deadlines.published_file import FileRefused
from app.deadlines.watch import (
    beat,
    case_keys_are_due,
    forget_dead_workers,
    hour_agrees,
    keep_case_keys,
    tally,
    watched,
)
from app.editions import all_editions
from app.evidence.keys import KeyServiceDown, key_ring
from app.evidence.rotating import rewrap
from app.evidence.sequencer import ClockOff, Sequencer, Turn, WitnessDisagrees
from app.evidence.signing import signer_of, witness_of
from app.intake.accounts import accounts_to_compare, compare_account
from app.intake.watching import watch_attempts, watch_pointers
from app.misuse import service as misuse
from app.misuse.thresholds import thresholds
from app.outside.bank_holidays import BankHolidaySource, GovUk, SourceRefused, SourceUnreachable
from app.outside.witness import WitnessUnreachable
from app.retention.held_keys import unusable_keys
from app.retention.reviewing import BATCH as REVIEWS_AT_ONCE
from app.retention.reviewing import PRUNED_AT_ONCE, ask_for_reviews, prune
from app.scheduler import Job, Sessions, Worker
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions

WITHHOLD_EVERY = 2.0
"""Seconds, as all below."""
DELIVER_EVERY = 1.0
DIGEST_EVERY = 30.0
FOLLOW_EVERY = 10.0
COUNT_EVERY = 15.0
ATTEMPT_EVERY = 300.0
"""How often a worker looks whether the published bank holidays are to be asked for; its row says when."""
WATCH_EVERY = 60.0
REWRAP_EVERY = 60.0
REVIEW_EVERY = 60.0
PRUNE_EVERY = 300.0
MISUSE_EVERY = 20.0
KEYS_EVERY = 600.0
"""Each time it looks at every case, once for all workers."""

_log = structlog.get_logger()


async def sweep_clocks(worker: Worker, now: datetime) -> bool:
    """Turn what has fallen due into alerts, and say that the worker lives and how far the sweep came.

    Then raise the alerts that nobody acknowledged. Rungs first: a later one chases by itself. In production a machine
    whose clock is not the database's sweeps nothing, and is silent.
    """
    async with worker.sessions() as session, session.begin():
        if settings().environment == "production" and not await hour_agrees(session, real_now=clock.real_now()):
            return False
        swept = await sweep(session, now=now)
    async with worker.sessions() as session, session.begin():
        await beat(session, worker.id, beat_at=clock.real_now(), now=now)
    chased = 0
    if swept < BATCH:
        async with worker.sessions() as session, session.begin():
            chased = await chase(session, now=now)
    return swept >= BATCH or chased >= CHASED_AT_ONCE


async def count_for_metrics(worker: Worker, now: datetime) -> bool:
    """Count what the metrics show, where no other worker has, and forget workers that ended long ago."""
    real_now = clock.real_now()
    async with worker.sessions() as session, session.begin():
        await tally(session, now=now, counted_at=real_now, every=COUNT_EVERY / 2)
        await forget_dead_workers(session, now=real_now)
    return False


async def keep_withheld(worker: Worker, now: datetime) -> bool:
    """Compare new accounts with the parties of cases, and tell of attempts on cases that are withheld (H2.8)."""
    compared = await compare_accounts(worker.sessions, now)
    async with worker.sessions() as session, session.begin():
        seen = await watch_attempts(session, now=now)
    async with worker.sessions() as session, session.begin():
        found = await watch_pointers(session, now=now)
    return bool(compared or seen or found)


async def compare_accounts(opened: Sessions, now: datetime) -> int:
    """Compare accounts that wait, each in its own transaction; one that fails is logged and waits on."""
    async with opened() as session, session.begin():
        waiting = await accounts_to_compare(session)
    compared = 0
    for staff_id in waiting:
        try:
            async with opened() as session, session.begin():
                await compare_account(session, staff_id, now=now)
            compared += 1
        except SQLAlchemyError as error:
            _log.error("comparing_failed", staff_id=str(staff_id), error=type(error).__name__)
    return compared


async def watch_for_misuse(worker: Worker, now: datetime) -> bool:
    """Read on in the log for what professional standards should look at (H12.1)."""
    async with worker.sessions() as session, session.begin():
        return await misuse.watch_for_misuse(session, thresholds=thresholds(), now=now)


async def follow_calendars(worker: Worker, now: datetime) -> bool:
    """Move open clocks whose calendar has changed."""
    async with worker.sessions() as session, session.begin():
        return await following.follow_calendars(session, now=now) >= following.BATCH


async def refresh_calendars(worker: Worker, now: datetime) -> bool:
    """Ask for the published bank holidays where it is time, one worker for all."""
    url = settings().bank_holidays_url
    if url == "off":
        return False
    async with worker.sessions() as session, session.begin():
        claimed = await refreshing.claim_attempt(session, at=clock.real_now())
    if claimed:
        await ask_for_calendars(worker.sessions, GovUk(url), now=now)
    return False


async def ask_for_calendars(opened: Sessions, source: BankHolidaySource, *, now: datetime) -> None:
    """Take in what is published, or put its refusal before a person. No transaction waits for the network."""
    async with opened() as session, session.begin():
        etag = await checked_against(session)
    try:
        fetched = await source.fetch(etag)
        async with opened() as session, session.begin():
            await refreshing.take_in_fetched(session, fetched, now=now)
    except SourceUnreachable as unreachable:
        _log.warning("calendar_unreachable", error=type(unreachable.__cause__ or unreachable).__name__)
    except (SourceRefused, FileRefused) as refused:
        async with opened() as session, session.begin():
            await refreshing.refuse(session, str(refused), now=now)


async def watch_calendars(worker: Worker, now: datetime) -> bool:
    """Tell the administrators in good time where a list of bank holidays ends (H10.3)."""
    reach = refreshing.longest_reach(all_editions().values())
    notice = max(reach, timedelta(days=settings().calendar_notice_days))
    async with worker.sessions() as session, session.begin():
        await refreshing.watch_ends(session, now=now, notice=notice)
    return False


async def write_mails_of_the_day(worker: Worker, now: datetime) -> bool:
    """Put the digests whose hour has come in the outbox."""
    async with worker.sessions() as session, session.begin():
        return await write_digests(session, now=now) >= DIGESTS_AT_ONCE


async def deliver_mail(worker: Worker, now: datetime) -> bool:
    """Send the mail that waits in the outbox."""
    return await deliver(worker.sessions, senders(settings()), now=now, channels=[Channel.MAIL])


async def deliver_webhooks(worker: Worker, now: datetime) -> bool:
    """Post what waits for other systems; no mail waits for a receiver that hangs."""
    return await deliver(worker.sessions, senders(settings()), now=now, channels=[Channel.WEBHOOK])


def sequencer_over(opened: Sessions) -> Sequencer:
    """The sequencer with the key and the witness that the settings name."""
    return Sequencer(opened, signer_of(settings()), witness_of(settings()))


async def sequence(worker: Worker, now: datetime) -> bool:
    """Number records, sign over them, tell the witness.

    Nothing where the witness saw another database, or this machine's clock is not the database's.
    """
    try:
        return await sequencer_over(worker.sessions).turn() is Turn.MORE
    except (WitnessDisagrees, ClockOff) as found:
        _log.error(found.code)
        return False


async def tell_of_witness(database_url: str) -> None:
    """Log where the witness saw another database than this one. A worker starts all the same: alerts before proof.

    At each turn it asks again, numbers nothing while that is so, and has readiness tell the code. So it does where
    the database went away as it began.
    """
    try:
        await agree_with_witness(database_url)
    except WitnessDisagrees as found:
        _log.error(found.code, says=str(found))
    except OperationalError as error:
        _log.warning("database_unavailable", error=type(error).__name__)


async def agree_with_witness(database_url: str) -> None:
    """Raise where the witness saw another database than this one: a person must look before it is numbered further.

    A witness that cannot be reached stops nobody: alerts are raised, and what waits for it is numbered later.
    """
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=1)
    try:
        await sequencer_over(sessions(engine)).agree()
    except WitnessUnreachable as error:
        _log.warning(error.code)
    finally:
        await engine.dispose()


async def rewrap_keys(worker: Worker, now: datetime) -> bool:
    """Rewrap the keys of cases that are under an older key-encryption key."""
    try:
        done = await rewrap(worker.sessions, key_ring().service)
    except KeyServiceDown:
        _log.warning("key_service_down")
        return False
    if done:
        _log.info("case_keys_rewrapped", number=done)
    return False


async def count_unusable_keys(worker: Worker, now: datetime) -> bool:
    """Count the keys of cases that are gone without an erasure or changed, where no other worker has."""
    real_now = clock.real_now()
    async with worker.sessions() as session, session.begin():
        if await case_keys_are_due(session, counted_at=real_now, every=KEYS_EVERY / 2):
            await keep_case_keys(session, await unusable_keys(session), counted_at=real_now)
    return False


async def review_retention(worker: Worker, now: datetime) -> bool:
    """Put closed cases whose review is due before the reviewers; nothing here erases one."""
    async with worker.sessions() as session, session.begin():
        return await ask_for_reviews(session, now=now) >= REVIEWS_AT_ONCE


async def prune_settled(worker: Worker, now: datetime) -> bool:
    """Delete messages that are settled and requests that were answered long ago."""
    async with worker.sessions() as session, session.begin():
        return await prune(session, now=now) >= PRUNED_AT_ONCE


def jobs(*, sweep_every: float) -> list[Job]:
    """Everything that a worker does in turn."""
    return [
        Job("sweep", sweep_every, sweep_clocks),
        Job("sequence", settings().sequence_seconds, sequence),
        Job("withholding", WITHHOLD_EVERY, keep_withheld),
        Job("misuse", MISUSE_EVERY, watch_for_misuse),
        Job("follow_calendars", FOLLOW_EVERY, follow_calendars),
        Job("refresh_calendars", ATTEMPT_EVERY, refresh_calendars),
        Job("watch_calendars", WATCH_EVERY, watch_calendars),
        Job("count", COUNT_EVERY, count_for_metrics),
        Job("digest", DIGEST_EVERY, write_mails_of_the_day),
        Job("mail", DELIVER_EVERY, deliver_mail),
        Job("webhooks", DELIVER_EVERY, deliver_webhooks),
        Job("rewrap_keys", REWRAP_EVERY, rewrap_keys),
        Job("unusable_keys", KEYS_EVERY, count_unusable_keys),
        Job("retention", REVIEW_EVERY, review_retention),
        Job("prune", PRUNE_EVERY, prune_settled),
    ]


async def last_sweep(database_url: str) -> float | None:
    """Seconds since any worker last swept; None where none ever has."""
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine)() as session:
        stale = settings().heartbeat_stale_seconds
        found = await watched(session, now=clock.now(), real_now=clock.real_now(), stale_seconds=stale)
    await engine.dispose()
    return found.sweep_age
