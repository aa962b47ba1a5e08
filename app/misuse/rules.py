"""What in the log is worth a look. Pure: what is unusual is data (`Thresholds`), and a finding accuses nobody."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PositiveInt

from app.access.names import normalise_name
from app.access.rules import Role
from app.clock import LONDON
from app.misuse.terms import Misuse
from app.people.rules import Described, Likeness, likeness

_MAY_LOOK = frozenset({Role.PROFESSIONAL_STANDARDS, Role.AUDITOR})
"""Those whose work it is to look at a case that is marked."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bulk(_Data):
    """So many different cases or individuals by one account within so many minutes; `listed` are cases on lists."""

    minutes: PositiveInt
    cases: PositiveInt
    listed: PositiveInt
    individuals: PositiveInt


class OutOfForce(_Data):
    """What is done with other forces' cases as a matter of course, and how many of them are no longer that."""

    routine: frozenset[str]
    minutes: PositiveInt
    cases: PositiveInt
    listed: PositiveInt


class OffShift(_Data):
    """Minutes around a shift that still belong to it, and lists that a program fetches `by_itself` at any hour."""

    grace: int
    by_itself: frozenset[str] = frozenset()


class Thresholds(_Data):
    """What is unusual; `watched` are the kinds that are looked for at all."""

    watched: frozenset[Misuse]
    bulk: Bulk
    out_of_force: OutOfForce
    off_shift: OffShift

    @property
    def window(self) -> timedelta:
        """How far back of a touch those before it matter."""
        return timedelta(minutes=max(self.bulk.minutes, self.out_of_force.minutes))


@dataclass(frozen=True)
class Shift:
    """A weekday (Monday is 0) and the London hours worked from it on; one that ends no later goes past midnight."""

    weekday: int
    begins: time
    ends: time


@dataclass(frozen=True)
class Account:
    """An account as it is compared: its name's keys, its surname's, its day of birth, address and hours."""

    staff_id: UUID
    roles: frozenset[Role]
    force_id: str | None
    keys: Collection[str]
    surnames: frozenset[str]
    born: date | None = None
    address_key: str | None = None
    shifts: Sequence[Shift] = ()
    """None are known: then nothing is outside them."""
    absences: Sequence[tuple[datetime, datetime]] = ()


@dataclass(frozen=True)
class Individual:
    """A person who was touched, with the keys of the addresses where they are compared."""

    person_id: UUID
    case_id: UUID
    described: Described
    address_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CaseTouched:
    """A case that was touched: whose it is, who holds it, from when to when professional standards marked it."""

    case_id: UUID
    force_id: str
    held_by: UUID | None = None
    marks: Sequence[tuple[datetime, datetime | None]] = ()

    def of_note(self, at: datetime) -> bool:
        """Whether it was marked then."""
        return any(since <= at and (until is None or at < until) for since, until in self.marks)


@dataclass(frozen=True)
class Touched:
    """One row of the log."""

    log_id: UUID
    at: datetime
    action: str
    case: CaseTouched | None = None
    individuals: Sequence[Individual] = ()
    listed: Sequence[CaseTouched] = ()
    """Cases that a list showed, of which it touched no one alone."""

    of_individuals: Sequence[CaseTouched] = ()
    """The cases of the individuals."""
    sought_own_name: bool = False

    @property
    def cases(self) -> set[UUID]:
        """Every case that it touched."""
        return {one.case_id for one in self.individuals} | ({self.case.case_id} if self.case else set())

    @property
    def met(self) -> list[CaseTouched]:
        """The case, and those of the individuals, as a search finds them; each once."""
        found = [*([self.case] if self.case else []), *self.of_individuals]
        return list({one.case_id: one for one in found}.values())

    @property
    def seen(self) -> list[CaseTouched]:
        """These, and the cases that a list showed; each once."""
        return list({one.case_id: one for one in (*self.met, *self.listed)}.values())


@dataclass(frozen=True)
class Finding:
    """A touch worth a look; `about` and the London day make it one, however often it is found."""

    kind: Misuse
    about: str
    at: datetime
    log_id: UUID
    case: CaseTouched | None = None

    @property
    def day(self) -> date:
        """The London day of the touch."""
        return self.at.astimezone(LONDON).date()


def findings(
    account: Account, touched: Sequence[Touched], *, new: Collection[UUID], thresholds: Thresholds
) -> Iterator[Finding]:
    """What an account's touches show; those of `new` rows alone are judged, the earlier ones are counted with them.

    `touched` stands in the order of time and reaches back over `thresholds.window` of the first new row.
    """
    for number, one in enumerate(touched):
        if one.log_id not in new:
            continue
        before = touched[: number + 1]
        for found in _of_one(account, one, before, thresholds):
            if found.kind in thresholds.watched:
                yield found


def _of_one(account: Account, one: Touched, before: Sequence[Touched], thresholds: Thresholds) -> Iterator[Finding]:
    for individual in one.individuals:
        if kind := resemblance(account, individual):
            case = one.case if one.case and one.case.case_id == individual.case_id else None
            yield Finding(kind, str(individual.person_id), one.at, one.log_id, case)
    if one.sought_own_name:
        yield Finding(Misuse.OWN_NAME, "", one.at, one.log_id)
    others = out_of_force(account, one, before, thresholds.out_of_force)
    routine = one.action in thresholds.out_of_force.routine
    for case in others:
        yield Finding(Misuse.OUT_OF_FORCE, one.action if routine else str(case.case_id), one.at, one.log_id, case)
    if not others and lists_other_forces(account, one, before, thresholds.out_of_force):
        yield Finding(Misuse.OUT_OF_FORCE, one.action, one.at, one.log_id)
    if not account.roles & _MAY_LOOK:
        for case in one.seen:
            if case.of_note(one.at) and case.held_by != account.staff_id:
                yield Finding(Misuse.CASE_OF_NOTE, str(case.case_id), one.at, one.log_id, case)
    shown = one.listed and one.action not in thresholds.off_shift.by_itself
    if (one.cases or shown) and is_off_shift(account, one.at, thresholds.off_shift):
        yield Finding(Misuse.OFF_SHIFT, "", one.at, one.log_id)
    if is_bulk(before, thresholds.bulk):
        yield Finding(Misuse.BULK, "", one.at, one.log_id)


def resemblance(account: Account, individual: Individual) -> Misuse | None:
    """The gravest likeness between an account and a person it touched: the same, one house, one surname."""
    if likeness(individual.described, keys=account.keys, born=account.born) is Likeness.CERTAIN:
        return Misuse.OWN_RECORD
    if account.address_key is not None and account.address_key in individual.address_keys:
        return Misuse.SAME_ADDRESS
    names = {key for name in individual.described.surnames if (key := normalise_name(name))}
    return Misuse.SAME_SURNAME if names & account.surnames else None


def out_of_force(
    account: Account, one: Touched, before: Iterable[Touched], limits: OutOfForce
) -> Sequence[CaseTouched]:
    """Other forces' cases met by other than routine, or by routine once there are too many of them.

    A partner sees what stands on the agenda of the forum that it sits with, and has no force of its own.
    """
    if account.force_id is None:
        return ()
    found = [case for case in one.met if case.force_id != account.force_id]
    if not found or one.action not in limits.routine:
        return found
    since = one.at - timedelta(minutes=limits.minutes)
    others = {
        case.case_id
        for earlier in before
        if earlier.at > since
        for case in earlier.met
        if case.force_id != account.force_id
    }
    return found if len(others) >= limits.cases else ()


def lists_other_forces(account: Account, one: Touched, before: Iterable[Touched], limits: OutOfForce) -> bool:
    """Too many of other forces' cases on the lists that the account was shown, this one among them."""
    since = one.at - timedelta(minutes=limits.minutes)

    def others(shown: Touched) -> set[UUID]:
        return {case.case_id for case in shown.listed if case.force_id != account.force_id}

    if account.force_id is None or not others(one):
        return False
    return len({case_id for earlier in before if earlier.at > since for case_id in others(earlier)}) >= limits.listed


def is_bulk(before: Sequence[Touched], limits: Bulk) -> bool:
    """Whether the newest of the touches makes it too many different cases or persons within the time."""
    since = before[-1].at - timedelta(minutes=limits.minutes)
    recent = [one for one in before if one.at > since]
    cases = {case for one in recent for case in one.cases}
    persons = {individual.person_id for one in recent for individual in one.individuals}
    listed = {case.case_id for one in recent for case in one.listed}
    return len(cases) >= limits.cases or len(persons) >= limits.individuals or len(listed) >= limits.listed


def is_off_shift(account: Account, at: datetime, limits: OffShift) -> bool:
    """Within a recorded absence, or outside every shift where the account's are known."""
    if any(since <= at < until for since, until in account.absences):
        return True
    return bool(account.shifts) and not any(_works(shift, at, limits) for shift in account.shifts)


def _works(shift: Shift, at: datetime, limits: OffShift) -> bool:
    """Hours are London's: what the clock on the wall said, also on the days when it is put on or back."""
    grace, here = timedelta(minutes=limits.grace), at.astimezone(LONDON).replace(tzinfo=None)
    for days_before in (-1, 0, 1):
        day = here.date() - timedelta(days=days_before)
        if day.weekday() != shift.weekday:
            continue
        begins, ends = datetime.combine(day, shift.begins), datetime.combine(day, shift.ends)
        if ends <= begins:
            ends += timedelta(days=1)
        if begins - grace <= here < ends + grace:
            return True
    return False
