"""Who is told of an alert, and how long a message waits between two tries (H11). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.access.rules import PERMISSIONS, Permission, Role
from app.channels.terms import ToldBecause
from app.editions.terms import AlertLevel

_ROLE_OF = {
    AlertLevel.SUPERVISOR: Role.PUBLIC_PROTECTION_SUPERVISOR,
    AlertLevel.HEAD_OF_PUBLIC_PROTECTION: Role.HEAD_OF_PUBLIC_PROTECTION,
}
_IN_THE_ABSENCE_OF = {
    AlertLevel.SUPERVISOR: (AlertLevel.SUPERVISOR, AlertLevel.HEAD_OF_PUBLIC_PROTECTION),
    AlertLevel.HEAD_OF_PUBLIC_PROTECTION: (AlertLevel.HEAD_OF_PUBLIC_PROTECTION, AlertLevel.SUPERVISOR),
}
"""Whom an alert of a level reaches, and who is told where nobody of that level is there: upwards, then downwards."""


@dataclass(frozen=True, slots=True)
class Colleague:
    """An active account of the force. `mail_to` is empty where single mails are not wanted or cannot be sent."""

    staff_id: UUID
    roles: frozenset[Role]
    mail_to: str | None = None

    @property
    def reads_alerts(self) -> bool:
        """Whether any role opens the inbox."""
        return any(Permission.READ_ALERTS in PERMISSIONS[role] for role in self.roles)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is told, why, and in whose place."""

    staff_id: UUID
    because: ToldBecause
    in_place_of: UUID | None = None


def who_is_told(
    level: AlertLevel,
    *,
    holder: UUID | None,
    colleagues: Mapping[UUID, Colleague],
    away: Mapping[UUID, UUID | None],
) -> list[Recipient]:
    """The people whom an alert of one level reaches; empty only where nobody of the force can be told.

    An officer's alert goes to whoever holds the case; where nobody does, or the holder has left or is away, to the
    deputy, else to the supervisors, else to the head. `colleagues` are the active accounts that may know of the case;
    `away` names those absent now and, for each, the deputy or None.
    """
    if level is not AlertLevel.OFFICER:
        return _of_level(level, ToldBecause.LEVEL, colleagues, away)
    if holder is None:
        because = ToldBecause.NOT_HELD
    elif holder not in colleagues or not colleagues[holder].reads_alerts:
        because = ToldBecause.HOLDER_LEFT
    elif holder not in away:
        return [Recipient(holder, ToldBecause.HOLDER)]
    else:
        because = ToldBecause.HOLDER_ABSENT
        if (deputy := _deputy_of(holder, colleagues, away)) is not None:
            return [Recipient(deputy, because, holder)]
    return _of_level(AlertLevel.SUPERVISOR, because, colleagues, away)


def _of_level(
    level: AlertLevel,
    because: ToldBecause,
    colleagues: Mapping[UUID, Colleague],
    away: Mapping[UUID, UUID | None],
) -> list[Recipient]:
    for asked in _IN_THE_ABSENCE_OF[level]:
        if asked is not level and because is ToldBecause.LEVEL:
            because = ToldBecause.LEVEL_ABSENT
        members = [one.staff_id for one in colleagues.values() if _ROLE_OF[asked] in one.roles]
        found = {one: Recipient(one, because) for one in members if one not in away}
        for one in members:
            if one in away and (deputy := _deputy_of(one, colleagues, away)) is not None:
                found.setdefault(deputy, Recipient(deputy, ToldBecause.LEVEL_ABSENT, one))
        if found:
            return sorted(found.values(), key=lambda one: one.staff_id)
    return []


def _deputy_of(absent: UUID, colleagues: Mapping[UUID, Colleague], away: Mapping[UUID, UUID | None]) -> UUID | None:
    """The deputy, or where that one is away too, the deputy's deputy; None where the chain ends or turns."""
    seen = {absent}
    deputy = away[absent]
    while deputy is not None and deputy not in seen:
        if deputy not in colleagues or not colleagues[deputy].reads_alerts:
            return None
        if deputy not in away:
            return deputy
        seen.add(deputy)
        deputy = away[deputy]
    return None


def rerouted_because(told: Iterable[Recipient]) -> ToldBecause | None:
    """Why an alert left its plain course, else None."""
    plain = (ToldBecause.HOLDER, ToldBecause.LEVEL)
    return next((one.because for one in told if one.because not in plain), None)


def wait_before(next_try: int, *, first: timedelta, longest: timedelta, jitter: float) -> timedelta:
    """How long a message rests before its try number `next_try` (from 2): doubling, never beyond `longest`.

    `jitter`, from 0 up to 1, takes off up to half, so that a thousand messages do not come back at one moment.
    """
    whole = min(first.total_seconds() * 2.0 ** min(next_try - 2, 60), longest.total_seconds())
    return timedelta(seconds=whole * (1 - jitter / 2))
