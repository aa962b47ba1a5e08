"""Rules that hold for every case, whatever its stage. Pure."""

from datetime import datetime, timedelta

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


def same_person(first: object, second: object, *, doing: str, rule: str) -> list[Obstacle]:
    """One person may not do the work of two."""
    if first != second:
        return []
    return [Obstacle("same_person", f"{doing} must be a different person.", rule)]
