"""What a meeting with the applicant must hold, and what stands against a finding of malice (H5.1, H5.1a). Pure."""

from dataclasses import dataclass
from datetime import datetime

from app.editions.rules import Edition
from app.editions.terms import Route
from app.errors import Obstacle
from app.face_to_face.terms import Pack
from app.process import Stage


@dataclass(frozen=True)
class Meeting:
    """What the rules ask of a meeting that was held."""

    with_applicant: bool = True
    age: int | None = None
    """Of the person met, in whole years on the day; None where the birth is not known."""
    suitable_adult: bool = False
    public_protection: bool = True
    public_protection_reason: bool = False
    warnings_given: bool = True
    identity_verified: bool = True
    undertaking_explained: bool = True
    advice_given: bool = True
    pack: Pack | None = Pack.TAKEN
    pack_details_by_word: bool = False
    written_material_left: bool = False


@dataclass(frozen=True)
class MeetingFacts:
    """Where the meeting of a case stands."""

    route: Route
    completed_at: datetime | None = None
    finding_awaits_agreement: bool = False
    """A finding of malice waits for its second person (H5.1a)."""


def irregularities(
    meeting: Meeting, *, stage: Stage, route: Route, held_before: bool, earlier: bool = False, edition: Edition
) -> list[Obstacle]:
    """What a supervisor should know of a meeting; the meeting is recorded all the same (H2.10).

    `earlier`: it was held before the one that was `held_before` as far as anybody knew.
    """
    return [
        *_out_of_order(meeting, stage, route, held_before=held_before, earlier=earlier),
        *_left_undone(meeting, edition),
    ]


def was_earlier(occurred_at: datetime, *, known_at: datetime | None, first_contact_at: datetime | None) -> bool:
    """Whether a meeting takes the place of the first one known: held earlier, and within the case (H10.7).

    One dated before the initial contact moves nothing: a slip of the pen would make a breach that never was.
    """
    if known_at is None or (first_contact_at is not None and occurred_at < first_contact_at):
        return False
    return occurred_at < known_at


def _out_of_order(meeting: Meeting, stage: Stage, route: Route, *, held_before: bool, earlier: bool) -> list[Obstacle]:
    found = []
    if route is Route.RIGHT_TO_KNOW:
        says = "A right to know has no applicant to meet: say in the case file why the person was approached."
        found.append(Obstacle("meeting_on_right_to_know", says, "H5.1"))
    elif not meeting.with_applicant:
        says = "The person met is not the applicant: the meeting with the applicant is still owed."
        found.append(Obstacle("not_the_applicant", says, "H5.1"))
    elif stage is Stage.INITIAL_CHECKS:
        says = "The applicant was met before the initial decision."
        found.append(Obstacle("met_before_initial_decision", says, "H5.1"))
    if earlier:
        says = (
            "A later meeting with the applicant was recorded before this one: the clock of the meeting, and those "
            "still open that count from it, now go by this one. Look at when it was held, and why it was typed late."
        )
        found.append(Obstacle("met_before", says, "H10.7"))
    elif held_before:
        says = "A meeting with the applicant was recorded before: the clocks run from the first."
        found.append(Obstacle("met_before", says, "H5.1"))
    return found


def _left_undone(meeting: Meeting, edition: Edition) -> list[Obstacle]:
    young = meeting.age is not None and meeting.age < edition.ages.suitable_adult_under
    wrong = (
        (
            young and not meeting.suitable_adult,
            "no_suitable_adult",
            "A young person was seen without a suitable adult who is not involved.",
            "H2.9",
        ),
        (
            not meeting.public_protection and not meeting.public_protection_reason,
            "no_public_protection_officer",
            "Not held by a public protection officer with domestic abuse expertise, and no reason is given.",
            "H5.1",
        ),
        (not meeting.warnings_given, "warnings_not_given", "The preliminary warnings were not given.", "H5.1"),
        (not meeting.identity_verified, "identity_not_verified", "The applicant's identity was not verified.", "H5.1"),
        (
            not meeting.undertaking_explained,
            "undertaking_not_explained",
            "The confidentiality undertaking was not explained.",
            "H5.1",
        ),
        (not meeting.advice_given, "no_safeguarding_advice", "No interim safeguarding advice was given.", "H5.1"),
        (meeting.pack is None, "pack_not_offered", "The information pack was not offered.", "H2.2"),
        (
            meeting.pack is Pack.KEPT_BY_POLICE and not meeting.pack_details_by_word,
            "pack_details_not_given",
            "The police kept the information pack, and its details were not given by word.",
            "H2.2",
        ),
        (
            meeting.written_material_left,
            "written_material_left",
            "Something written was left behind: nothing about the application or a disclosure ever is.",
            "H2.2",
        ),
    )
    return [Obstacle(code, says, rule) for holds, code, says, rule in wrong if holds]


def missing_for_meeting(facts: MeetingFacts) -> list[Obstacle]:
    """What keeps a right to ask from going on to its assessment: the completed meeting (H5.1)."""
    if facts.route is Route.RIGHT_TO_KNOW or facts.completed_at is not None:
        return []
    says = "The applicant has not been met: hold the face-to-face meeting, at a safe place and time, and record it."
    return [Obstacle("meeting_not_held", says, "H5.1")]


def obstacles_to_malicious_finding(route: Route) -> list[Obstacle]:
    """Malice is found of a request, and a right to know has none (H5.1a)."""
    if route is Route.RIGHT_TO_ASK:
        return []
    return [Obstacle("no_request", "A right to know has no request that could be malicious.", "H5.1a")]
