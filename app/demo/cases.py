"""The fictional cases: both routes, every stage, some late, and what is worth looking at in each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from app.cases.schemas import GradeIn
from app.cases.tables import Grade
from app.clock import LONDON
from app.demo import forms, staff, steps
from app.demo.story import Story
from app.disclosure.notices import record_notice
from app.editions.terms import ClockKind, Route
from app.face_to_face.service import record_meeting
from app.final_report.service import record_submission, write_final_report
from app.final_report.terms import IntelligenceSystem
from app.forum.authority import authorise_emergency
from app.forum.schemas import EmergencyAuthorityIn
from app.initial_checks.deciding import agree_initial_decision, decide_initially
from app.initial_checks.schemas import AgreementIn
from app.initial_checks.terms import Course
from app.intake.schemas import ChildIn, DraftIn
from app.intake.tables import Channel, ReceivedFrom
from app.safeguarding.schemas import CrimeReferenceIn, DutyAnswerIn, SafeguardingActionIn
from app.safeguarding.service import open_duties, record_crime_reference, record_safeguarding_action
from app.safeguarding.terms import ContactOutcome, DutyKind


@dataclass(frozen=True)
class Told:
    """One story: what it is known by, who opens its case, when it begins, and how it goes."""

    title: str
    opened_by: str
    begins: Callable[[datetime], datetime]
    tell: Callable[[Story], Awaitable[None]]


def _days_ago(days: int) -> Callable[[datetime], datetime]:
    """In the morning, London time."""

    def begins(now: datetime) -> datetime:
        morning = now.astimezone(LONDON).replace(hour=10, minute=20, second=0, microsecond=0)
        return (morning - timedelta(days=days)).astimezone(UTC)

    return begins


def _hours_ago(hours: int) -> Callable[[datetime], datetime]:
    def begins(now: datetime) -> datetime:
        return now - timedelta(hours=hours)

    return begins


MOVED = forms.subject("Aldous", "Fictiton", date(1984, 2, 11))
"""Disclosed about in Northmoor; a case of Southvale is about him too, and each force sees the other's pointer."""
RETURNED = forms.subject("Brett", "Inventley", date(1990, 9, 3))
"""Nothing was told about him once, and he comes up again: the earlier case is shown."""


async def _draft(story: Story) -> None:
    await story.draft(
        DraftIn(route=Route.RIGHT_TO_ASK, typed={"taken_by": "Front desk", "why": "Rang off, calls back"})
    )


async def _checks_under_way(story: Story) -> None:
    victim = forms.potential_victim("Carla", "Makebelieve", date(1992, 5, 17), asks=True)
    await story.later(minutes=10).open(forms.request(RETURNED, victim, at=story.begins))
    await steps.check(story, but=("pnd", "criminal_justice", "intelligence"))


async def _checks_late(story: Story) -> None:
    subject = forms.subject("Damon", "Imaginson", date(1979, 12, 1))
    victim = forms.potential_victim("Edie", "Storybrook", date(1983, 4, 9))
    third_party = forms.mother("Maureen", "Storybrook")
    application = forms.request(subject, victim, at=story.begins, third_party=third_party)
    await story.later(minutes=10).open(application)
    await steps.check(story, down=("pnd",))


async def _from_a_partner(story: Story) -> None:
    subject = forms.subject("Fabian", "Pretendale", date(1988, 8, 8))
    victim = forms.potential_victim("Gwen", "Notionby", date(1995, 1, 20), relationship="partner")
    application = forms.information(
        subject, victim, at=story.begins, received_from=ReceivedFrom.PARTNER_AGENCY, channel=Channel.PARTNER_AGENCY
    )
    await story.later(minutes=10).open(application)


async def _meeting_to_come(story: Story) -> None:
    subject = forms.subject("Hector", "Fancifulson", date(1986, 3, 30))
    victim = forms.potential_victim("Isla", "Daydreamer", date(1989, 11, 2), asks=True)
    await story.later(minutes=10).open(forms.request(subject, victim, at=story.begins))
    await steps.progress(story)
    await steps.try_in_vain(story.later(days=1), ContactOutcome.MISSED_APPOINTMENT)


async def _meeting_late(story: Story) -> None:
    subject = forms.subject("Jasper", "Mythwell", date(1975, 7, 14))
    victim = forms.potential_victim("Kira", "Fablestone", date(1980, 10, 25), asks=True)
    await story.later(minutes=10).open(forms.request(subject, victim, at=story.begins))
    await steps.progress(story)
    for days in (6, 6, 7):
        await steps.try_in_vain(story.later(days=days))
    # Nobody has met her within the limit: what holds meanwhile is planned, for these clocks and the one that follows.
    await steps.plan_meanwhile(story.later(hours=1), ClockKind.FACE_TO_FACE, ClockKind.WHOLE_CASE)
    await steps.deviate(story, ClockKind.FACE_TO_FACE)


async def _two_potential_victims(story: Story) -> None:
    subject = forms.subject("Lorcan", "Talebury", date(1982, 6, 6))
    victims = (
        forms.potential_victim("Mabel", "Legendale", date(1987, 9, 12), asks=True),
        forms.potential_victim("Nadia", "Sagahurst", date(1993, 2, 27), relationship="partner"),
    )
    await story.later(minutes=10).open(forms.request(subject, *victims, at=story.begins))
    await steps.progress(story)
    await steps.meet(story.later(days=5))
    await steps.assess(story.later(days=1), everyone=False)


async def _assessment_late(story: Story) -> None:
    subject = forms.subject("Otis", "Conjurewood", date(1991, 1, 5))
    victim = forms.potential_victim("Pia", "Parableton", date(1996, 12, 19), relationship="partner")
    application = forms.information(subject, victim, at=story.begins)
    await story.later(minutes=10).open(application, held_by=staff.SECOND_OFFICER)
    await steps.progress(story, by=staff.SECOND_OFFICER, prioritised=True)


async def _meeting_typed_late(story: Story) -> None:
    subject = forms.subject("Quentin", "Novelford", date(1977, 5, 23))
    victim = forms.potential_victim("Rhona", "Chapterly", date(1981, 8, 31), asks=True)
    await story.later(minutes=10).open(forms.request(subject, victim, at=story.begins))
    await steps.progress(story)
    held = story.moment + timedelta(days=4)
    await story.later(days=6).act(staff.OFFICER, record_meeting, forms.meeting(story.applicant, occurred_at=held))
    await steps.assess(story.later(hours=1))


async def _with_a_child(story: Story) -> None:
    subject = forms.subject("Silas", "Allegoryon", date(1985, 10, 10))
    victim = forms.potential_victim("Tessa", "Ficton", date(1990, 3, 3), asks=True)
    child = ChildIn(given_names="Ulla", born=date(2019, 5, 5), connection="Daughter, lives with the potential victim")
    application = forms.request(subject, victim, at=story.begins).model_copy(update={"children": [child]})
    await story.later(minutes=10).open(application)
    await steps.progress(story)
    answer = DutyAnswerIn(answer="Referred to children's social care by telephone; they keep in touch with the mother.")
    for duty in await open_duties(story.session, story.case.id, DutyKind.CHILDRENS_SOCIAL_CARE):
        await story.answer(staff.OFFICER, duty.id, answer)
    await steps.meet(story.later(days=5))
    await steps.assess(story.later(days=2))
    await steps.refer(story.later(days=1))
    await story.later(days=5).sits(in_days=8)


async def _emergency(story: Story) -> None:
    subject = forms.subject("Vance", "Feigning", date(1983, 11, 29))
    victim = forms.potential_victim("Willa", "Dreamford", date(1986, 6, 15), asks=True)
    immediate = GradeIn(grade=Grade.HIGH, immediate=True, reason="He has said that he will hurt her tomorrow night.")
    application = forms.request(subject, victim, at=story.begins)
    application = application.model_copy(update={"risk": immediate, "crime_alleged": True})
    await story.later(minutes=10).open(application)
    made_safe = SafeguardingActionIn(
        party_id=story.victim, action="Taken to her sister's; the address is flagged.", done_by="Response, Northmoor"
    )
    await story.later(minutes=20).act(staff.OFFICER, record_safeguarding_action, made_safe)
    await steps.plan(story, story.victim)
    crime = CrimeReferenceIn(reference="DEMO/42/1")
    await story.later(minutes=20).act(staff.OFFICER, record_crime_reference, crime)
    await steps.progress(story)
    authority = EmergencyAuthorityIn(
        potential_victim_id=story.victim,
        concern="He has told a friend that he will hurt her.",
        police_conclude_necessary="Nothing short of telling her protects her.",
        pressing_need="The threat is for the next night.",
        proportionate="Limited to one conviction and one incident.",
        representations="Not sought: there is no time, and asking would bring the harm forward.",
        why_it_cannot_wait="The forum cannot sit before then.",
        what="The conviction for assaulting a partner, and that police were called to another home.",
        recipient_id=story.victim,
        delivery=forms.delivery(),
    )
    decision = await story.later(hours=3).act(staff.HEAD, authorise_emergency, authority)
    items = await steps.prepare(story.later(hours=1))
    await steps.deliver(story.later(minutes=30), decision, items)


async def _telling_late(story: Story) -> None:
    subject = forms.subject("Xander", "Inkwright", date(1989, 4, 18))
    victim = forms.potential_victim("Yara", "Quillborn", date(1994, 7, 7), asks=True)
    await story.later(minutes=10).open(forms.request(subject, victim, at=story.begins))
    await _to_the_forum(story)
    await steps.decide_to_disclose(story.later(days=16))
    await steps.prepare(story.later(days=1))


async def _to_the_forum(story: Story) -> None:
    """A right to ask as it usually goes, to the eleventh day."""
    await steps.progress(story)
    await steps.meet(story.later(days=8))
    await steps.assess(story.later(days=2))
    await steps.refer(story.later(days=1))


async def _closed_disclosed(story: Story) -> None:
    victim = forms.potential_victim("Zelda", "Scriptwell", date(1985, 1, 31), asks=True)
    await story.later(minutes=10).open(forms.request(MOVED, victim, at=story.begins))
    await _to_the_forum(story)
    decision = await steps.decide_to_disclose(story.later(days=8))
    items = await steps.prepare(story.later(days=1))
    await steps.deliver(story.later(days=1), decision, items)
    await steps.report(story.later(days=2))
    await steps.close(story.later(days=1))


async def _closed_nothing_told(story: Story) -> None:
    victim = forms.potential_victim("Anya", "Plotkin", date(1991, 6, 22), relationship="partner")
    await story.later(minutes=10).open(forms.information(RETURNED, victim, at=story.begins))
    await steps.progress(story)
    await steps.plan(story.later(days=1), story.victim)
    await steps.refer(story.later(days=2), with_concern=False)
    await steps.decide_against(story.later(days=9))
    await story.later(days=1).act(staff.OFFICER, record_notice, forms.recorded(story.victim))
    await steps.report(story.later(days=1))
    await steps.close(story.later(days=1))


async def _not_progressed(story: Story) -> None:
    subject = forms.subject("Barnaby", "Yarnham", date(1994, 8, 4))
    victim = forms.potential_victim("Cleo", "Versely", date(1997, 10, 13), asks=True)
    await story.later(minutes=10).open(forms.request(subject, victim, at=story.begins))
    await steps.check(story)
    decision = forms.initial_decision(story.case.route, course=Course.DO_NOT_PROGRESS, grade=Grade.STANDARD)
    await story.later(hours=1).act(staff.OFFICER, decide_initially, decision)
    agreed = AgreementIn(agrees=True, reason="The checks were read through: nothing in them.")
    await story.later(hours=2).act(staff.SUPERVISOR, agree_initial_decision, agreed)


async def _told_nothing(story: Story) -> None:
    subject = forms.subject("Desmond", "Ballader", date(1980, 12, 12))
    victim = forms.potential_victim("Elsie", "Romancer", date(1984, 2, 2), asks=True)
    await story.later(minutes=10).open(forms.request(subject, victim, at=story.begins))
    await steps.progress(story)
    await steps.meet(story.later(days=7))
    await steps.assess(story.later(days=2))
    await steps.refer(story.later(days=1), with_concern=False)
    await steps.decide_against(story.later(days=10))
    notice = forms.told_nothing(story.victim, story.applicant)
    await story.later(days=2).act(staff.OFFICER, record_notice, notice)
    await story.later(days=1).act(staff.OFFICER, write_final_report, forms.final_report())
    sent = forms.submission(IntelligenceSystem.POLICE_INTELLIGENCE)
    await story.later(hours=1).act(staff.INTELLIGENCE, record_submission, sent)


async def _of_the_other_force(story: Story) -> None:
    victim = forms.potential_victim("Freya", "Sonnetby", date(1988, 3, 14), asks=True)
    application = forms.request(MOVED, victim, at=story.begins)
    await story.later(minutes=10).open(application, held_by=staff.OTHER_OFFICER)
    await steps.progress(story, by=staff.OTHER_OFFICER, checked_by=staff.OTHER_CONTROL_ROOM)


STORIES = (
    Told("closed disclosed", staff.CONTROL_ROOM, _days_ago(50), _closed_disclosed),
    Told("closed nothing told", staff.OFFICER, _days_ago(40), _closed_nothing_told),
    Told("telling late", staff.CONTROL_ROOM, _days_ago(31), _telling_late),
    Told("told nothing", staff.CONTROL_ROOM, _days_ago(27), _told_nothing),
    Told("meeting late", staff.CONTROL_ROOM, _days_ago(25), _meeting_late),
    Told("with a child", staff.CONTROL_ROOM, _days_ago(16), _with_a_child),
    Told("assessment late", staff.OFFICER, _days_ago(13), _assessment_late),
    Told("meeting typed late", staff.CONTROL_ROOM, _days_ago(12), _meeting_typed_late),
    Told("two potential victims", staff.CONTROL_ROOM, _days_ago(9), _two_potential_victims),
    Told("meeting to come", staff.CONTROL_ROOM, _days_ago(4), _meeting_to_come),
    Told("checks late", staff.CONTROL_ROOM, _days_ago(3), _checks_late),
    Told("emergency", staff.CONTROL_ROOM, _days_ago(3), _emergency),
    Told("not progressed", staff.CONTROL_ROOM, _days_ago(2), _not_progressed),
    Told("of the other force", staff.OTHER_CONTROL_ROOM, _days_ago(2), _of_the_other_force),
    Told("from a partner", staff.IDVA, _hours_ago(5), _from_a_partner),
    Told("checks under way", staff.CONTROL_ROOM, _hours_ago(3), _checks_under_way),
    Told("draft", staff.CONTROL_ROOM, _hours_ago(1), _draft),
)
"""The oldest first, so that the later ones find the earlier ones about the same subject."""
