"""Editions side by side: what each says under the same headings (H9). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.editions.rules import AlertLadder, AlertSteps, Edition, Limit, Target
from app.editions.terms import Applies, CheckWhen, ClockKind, Outcome, Route

NONE = "none stated"


@dataclass(frozen=True)
class Line:
    """One heading and what each edition says under it, in the order of the editions."""

    heading: str
    said: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Lines that belong together."""

    title: str
    lines: tuple[Line, ...]


def compared(editions: Sequence[Edition]) -> list[Part]:
    """Everything that editions say, part by part."""
    return [
        Part(
            title, tuple(Line(heading, tuple(said.get(heading, "-") for said in columns)) for heading in _all(columns))
        )
        for title, columns in _columns(editions).items()
    ]


def _all(columns: Sequence[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(heading for said in columns for heading in said))


def _columns(editions: Sequence[Edition]) -> dict[str, list[dict[str, str]]]:
    parts: dict[str, Callable[[Edition], dict[str, str]]] = {
        "Edition": _about,
        "Limits": _limits,
        "Targets beside the limits": _targets,
        "Minimum checks": _checks,
        "Forum agencies": _agencies,
        "Alerts": lambda one: _alerts(one.alerts),
        "Spent convictions": _spent,
        "Relationships": _relationships,
        "Ages, ranks, figures": _figures,
        "Closing duties": _duties,
        "Forms of words": lambda one: {_plain(form): _short(text) for form, text in one.forms_of_words.items()},
    }
    return {title: [say(one) for one in editions] for title, say in parts.items()}


def _about(one: Edition) -> dict[str, str]:
    return {
        "title": one.title,
        "source": one.source,
        "version": one.content_version,
        "helpline": one.helpline,
        "notes": " ".join(one.notes) or "-",
    }


def _limits(one: Edition) -> dict[str, str]:
    said: dict[str, list[str]] = {}
    for route in Route:
        for clock in ClockKind:
            of_both = [limit for limit in one.limits if (limit.clock, limit.route) == (clock, route)]
            said[f"{_plain(clock)}, {_plain(route)}"] = [_limit(limit) for limit in of_both] or [NONE]
    return {heading: "\n".join(limits) for heading, limits in said.items()}


def _limit(limit: Limit) -> str:
    whom = "" if limit.applies_to is Applies.ALWAYS else f", where {_plain(limit.applies_to)}"
    return f"{_count(limit)} from {_plain(limit.starts_from)}{whom} [{limit.mark}: {limit.source}]"


def _targets(one: Edition) -> dict[str, str]:
    return {
        f"{_plain(target.clock)}, {_plain(target.risk)}": f"{_count(target)} [{target.mark}: {target.source}]"
        for target in one.targets
    }


def _count(counts: Limit | Target) -> str:
    return next(
        f"{number} {unit}"
        for unit, number in (
            ("hours", counts.hours),
            ("working days", counts.working_days),
            ("calendar days", counts.calendar_days),
        )
        if number is not None
    )


def _checks(one: Edition) -> dict[str, str]:
    return {
        check.system: f"{check.title}: {', '.join(map(_plain, check.searched))}"
        + ("" if check.when is CheckWhen.ALWAYS else ", where a ViSOR marker is shown")
        + (", shows the ViSOR marker" if check.shows_visor_marker else "")
        + (" (local)" if check.local else "")
        for check in one.checks
    }


def _agencies(one: Edition) -> dict[str, str]:
    return {agency.code: f"{agency.title}, {_plain(agency.when)}" for agency in one.agencies}


def _alerts(ladder: AlertLadder) -> dict[str, str]:
    urgent = {f"urgent: {heading}": said for heading, said in _steps(ladder.urgent).items()} if ladder.urgent else {}
    return {**_steps(ladder), **urgent}


def _steps(ladder: AlertSteps) -> dict[str, str]:
    return {
        "due soon": f"{_numbers(ladder.hours_left)} hours or {_numbers(ladder.working_days_left)} working days left: "
        + _levels(ladder.due_soon),
        "due today": _levels(ladder.due_today),
        "target missed": _levels(ladder.target_missed or ladder.due_today),
        "breached": _levels(ladder.breached),
        "not acknowledged": f"raised a level after {ladder.unacknowledged_after_hours.clocks_in_hours} hours, "
        f"of clocks in days after {ladder.unacknowledged_after_hours.clocks_in_days}",
        "reminders": f"every {ladder.reminder_every_days} days; "
        + "; ".join(f"from day {step.from_day}: {_levels(step.levels)}" for step in ladder.reminders),
    }


def _spent(one: Edition) -> dict[str, str]:
    rule = one.spent_convictions
    return {"rule": f"{_plain(rule.rule)} [{rule.mark}: {rule.source}]"}


def _relationships(one: Edition) -> dict[str, str]:
    ended = "eligible" if one.relationships.ended_relationship_eligible else "not eligible"
    return {"one that has ended": ended, **{kind.code: kind.title for kind in one.relationships.eligible}}


def _figures(one: Edition) -> dict[str, str]:
    return {
        "a child is under": f"{one.ages.child_under} years",
        "a suitable adult for those under": f"{one.ages.suitable_adult_under} years",
        "emergency authority, least rank": _plain(one.ranks.emergency_authoriser),
        "notices where a party is police, least rank": _plain(one.ranks.police_involvement_supervisor),
        "ranks": ", ".join(map(_plain, one.ranks.order)),
        "late entry": f"after {one.late_entry_after_hours} hours",
        "contact attempts": f"{one.contact_attempts.minimum}, {one.contact_attempts.spacing_hours} hours apart",
        "exceptional circumstances": _deviations(one),
        "told where a party is police": "; ".join(one.police_involvement_notices),
    }


def _deviations(one: Edition) -> str:
    if not one.deviations.known:
        return "not known"
    by = "a second person" if one.deviations.second_person else "a supervisor"
    return f"authorised by {by} [{one.deviations.mark}: {one.deviations.source}]"


def _duties(one: Edition) -> dict[str, str]:
    return {_plain(outcome): ", ".join(map(_plain, one.duties(outcome))) for outcome in Outcome}


def _levels(levels: Sequence[str]) -> str:
    return ", ".join(map(_plain, levels))


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _short(text: str, words: int = 12) -> str:
    found = text.split()
    return " ".join(found[:words]) + (" ..." if len(found) > words else "")
