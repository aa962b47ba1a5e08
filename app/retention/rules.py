"""How long a closed case is kept, when it is reviewed and why, and what stands against erasing it (H12.2, H12.5). Pure.

The schedule is data: groups, grounds and ages stand in a TOML file, each group with its source and mark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.editions.rules import Code, Misplaced, PositiveInt, Text
from app.editions.terms import Mark, Outcome, RiskLevel
from app.errors import Obstacle
from app.retention.terms import FrozenBecause, Verdict

LAW_YEARS = 6
"""H12.2: no schedule keeps less, and the database erases no sooner."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Group(_Data):
    """Cases that are kept alike: whom it holds for, how long, and where that stands."""

    code: Code
    title: Text
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    risk: tuple[RiskLevel, ...] = ()
    """Only for cases that closed at one of these; empty: whatever the risk."""
    keep_years: PositiveInt
    review_again_years: PositiveInt
    source: Text
    mark: Mark

    def holds_for(self, outcome: Outcome, risk: RiskLevel | None) -> bool:
        """Whether a case that closed so belongs here."""
        return outcome in self.outcomes and (not self.risk or risk in self.risk)


class Ground(_Data):
    """A reason that a reviewer may give for one verdict."""

    code: Code
    verdict: Verdict
    title: Text


class Pruning(_Data):
    """After how many days rows that serve no case are deleted."""

    settled_messages_days: PositiveInt
    answered_requests_days: PositiveInt


class Schedule(_Data):
    """The whole schedule. Every outcome has a group that holds whatever the risk, and none keeps less than the law."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    source: Text
    minimum_years: PositiveInt
    ask_again_after_days: PositiveInt
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    grounds: Annotated[tuple[Ground, ...], Field(min_length=1)]
    pruning: Pruning

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.minimum_years < LAW_YEARS:
            raise Misplaced(f"records are kept at least {LAW_YEARS} years (H12.2)", "minimum_years")
        for place, codes in (
            ("groups", [one.code for one in self.groups]),
            ("grounds", [one.code for one in self.grounds]),
        ):
            for n, code in enumerate(codes):
                if code in codes[:n]:
                    raise Misplaced(f"{code} is given twice", place, n, "code")
        for n, group in enumerate(self.groups):
            if group.keep_years < self.minimum_years:
                raise Misplaced(f"nothing is kept less than {self.minimum_years} years", "groups", n, "keep_years")
        for outcome in Outcome:
            if not any(outcome in one.outcomes and not one.risk for one in self.groups):
                raise Misplaced(f"no group holds for {outcome} whatever the risk", "groups")
        for verdict in Verdict:
            if not any(one.verdict is verdict for one in self.grounds):
                raise Misplaced(f"no ground is given to {verdict}", "grounds")
        return self

    def group_for(self, outcome: Outcome, risk: RiskLevel | None) -> Group:
        """The first group in the file that holds for a case with that outcome, closed at that risk."""
        return next(one for one in self.groups if one.holds_for(outcome, risk))

    def grounds_for(self, verdict: Verdict) -> tuple[str, ...]:
        """The codes of the grounds that a verdict may rest on."""
        return tuple(one.code for one in self.grounds if one.verdict is verdict)


def years_after(day: date, years: int) -> date:
    """The same day so many years on; 29 February becomes 1 March: never a day too early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


@dataclass(frozen=True)
class Kept:
    """What is kept of a closed case's retention."""

    group: str
    title: str
    source: str
    mark: Mark
    closed_on: date
    keep_years: int
    review_again_years: int
    keep_until: date
    review_on: date


@dataclass(frozen=True)
class KeptOn:
    """A decision to keep: when it was taken, and until when."""

    decided_on: date
    review_on: date
    ground: str


def kept(group: Group, *, closed_on: date) -> Kept:
    """The dates of a case that closed on a day, in its group."""
    until = years_after(closed_on, group.keep_years)
    return Kept(
        group=group.code,
        title=group.title,
        source=group.source,
        mark=group.mark,
        closed_on=closed_on,
        keep_years=group.keep_years,
        review_again_years=group.review_again_years,
        keep_until=until,
        review_on=until,
    )


def working(of: Kept, moved: Iterable[KeptOn], frozen: Iterable[FrozenBecause]) -> list[str]:
    """How the date of the review came about, in sentences: from what day, by which rule, and what moved it."""
    shown = [
        f"The case closed on {of.closed_on:%-d %B %Y}.",
        f"Its group is '{of.title}' ({of.mark}: {of.source}).",
        f"It is kept {of.keep_years} years from that day, until {of.keep_until:%-d %B %Y}, and then reviewed (H12.2).",
    ]
    shown += [
        f"On {one.decided_on:%-d %B %Y} it was decided to keep it on the ground '{one.ground}': "
        f"the review moved to {one.review_on:%-d %B %Y}."
        for one in moved
    ]
    shown += [
        f"It is frozen ({one.replace('_', ' ')}): its dates run on, and nothing erases it (H12.5)." for one in frozen
    ]
    return [*shown, "Only a decision to keep the case moves the date. Nothing is erased by a date alone."]


@dataclass(frozen=True)
class ErasingFacts:
    """What erasing asks of a case."""

    closed: bool
    keep_until: date | None
    review_on: date | None
    frozen: tuple[FrozenBecause, ...]


def obstacles_to_review(of: ErasingFacts, *, today: date) -> list[Obstacle]:
    """What stands against deciding a review at all: the case is open, or its review is not due yet."""
    if not of.closed or of.review_on is None:
        return [Obstacle("not_closed", "Only a closed case is reviewed; this one is not closed.", "H12.2")]
    if today < of.review_on:
        says = f"The review is due on {of.review_on:%-d %B %Y}, and not before."
        return [Obstacle("review_not_due", says, "H12.2")]
    return []


def obstacles_to_erasing(of: ErasingFacts, *, today: date) -> list[Obstacle]:
    """What stands against erasing a case: as against its review, and that it is frozen or kept by law."""
    found = obstacles_to_review(of, today=today)
    if of.keep_until is not None and today < of.keep_until and not found:
        found.append(Obstacle("kept_by_law", f"It is kept until {of.keep_until:%-d %B %Y} at least.", "H12.2"))
    found += [
        Obstacle("frozen", f"The case is frozen: {one.replace('_', ' ')}. Lift that first, by two people.", "H12.5")
        for one in of.frozen
    ]
    return found


def obstacles_to_keeping_until(new: date, *, today: date, review_again_years: int) -> list[Obstacle]:
    """A case is kept until a day to come, and no longer than its group is kept without a review."""
    latest = years_after(today, review_again_years)
    if today < new <= latest:
        return []
    says = f"Give a day after today and no later than {latest:%-d %B %Y}, when this group is reviewed again."
    return [Obstacle("review_out_of_range", says, "H12.2")]
