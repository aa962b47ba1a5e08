"""Rules that hold for every case, whatever its stage. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.cases.tables import Grade
from app.clock import aware, in_london
from app.errors import Obstacle, Unprocessable
from app.process import Stage

CONCLUDED = (Stage.FINAL_REPORT, Stage.CLOSED)


def happened_at(occurred_at: datetime | None, *, now: datetime, field: str = "occurred_at") -> datetime:
    """When an act happened, in UTC: as stated, else now. The future is refused: nobody did a thing tomorrow."""
    if occurred_at is None:
        return now
    moment = aware(occurred_at)
    if moment > now:
        raise Unprocessable(
            f"{in_london(moment)} has not come yet. Give the time at which it happened.",
            field=field,
        )
    return moment


def late_entry(occurred_at: datetime, *, now: datetime, within_hours: int, due_at: datetime | None) -> list[Obstacle]:
    """What a supervisor should know of late typing (H10.7).

    An entry typed after `within_hours` is late; one that is dated inside a limit and typed outside it would hide a
    breach, and is put before a supervisor however soon it was typed.
    """
    found = []
    if now - occurred_at > timedelta(hours=within_hours):
        found.append(
            Obstacle(
                "late_entry",
                f"Happened {in_london(occurred_at)}, recorded {in_london(now)}: more than {within_hours} hours later.",
                "H10.7",
            )
        )
    if due_at is not None and occurred_at < due_at <= now:
        found.append(
            Obstacle(
                "dated_before_limit",
                f"Dated inside a limit that ended {in_london(due_at)} and recorded after it.",
                "H10.7",
            )
        )
    return found


def not_compared(*, unread: bool) -> list[Obstacle]:
    """Where an act was recorded while what was written before it could not be opened, and so not compared (H2.10)."""
    if not unread:
        return []
    says = "The key service did not answer: what was written before could not be compared. Compare it, and correct."
    return [Obstacle("not_compared", says, "H2.10")]


def same_person(first: object, second: object, *, doing: str, rule: str) -> list[Obstacle]:
    """One person may not do the work of two."""
    if first != second:
        return []
    return [Obstacle("same_person", f"{doing} must be a different person.", rule)]


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade as it bears on one potential victim: given to her, or to the case as a whole."""

    grade: Grade
    at: datetime
    of_whole_case: bool


def ruling_grade(of_each: Iterable[Iterable[Graded]]) -> Graded | None:
    """What settles the grade of a case, from the grades of each potential victim, oldest first: the highest that holds.

    For each her own newest holds, or that of the whole case where she has none; a newer one of the whole case raises
    it and never lowers it. Of two as high the earlier rules: since then the risk is known. None while somebody is
    ungraded and nobody is at high risk: whom nobody has graded may be in any danger, so that what is known of the
    others says too little (H2.0, H2.6). [ours]
    """
    held = [_held(list(grades)) for grades in of_each]
    known = [one for one in held if one is not None]
    ruling = min(known, key=_gravest_first, default=None)
    return ruling if ruling is None or ruling.grade is Grade.HIGH or len(known) == len(held) else None


def current_grade(of_each: Iterable[Iterable[Graded]]) -> Grade | None:
    """The grade of a case, as `ruling_grade` settles it."""
    ruling = ruling_grade(of_each)
    return ruling.grade if ruling else None


def _held(grades: list[Graded]) -> Graded | None:
    own = next((one for one in reversed(grades) if not one.of_whole_case), None)
    whole = next((one for one in reversed(grades) if one.of_whole_case), None)
    if own is None or whole is None:
        return own or whole
    return min(own, whole, key=_gravest_first) if whole.at > own.at else own


def _gravest_first(graded: Graded) -> tuple[int, datetime]:
    return -list(Grade).index(graded.grade), graded.at
