"""The steps of the scheme as the fictional cases take them, each by the person whose part it is."""

from collections.abc import Collection
from datetime import timedelta
from functools import partial
from uuid import UUID

from app.categorisation.service import categorise, consider_representations, refer_to_forum
from app.demo import forms, staff
from app.demo.story import Story
from app.disclosure.clearance import clear_delivery
from app.disclosure.deliveries import record_disclosure
from app.disclosure.items import record_item
from app.editions import edition
from app.editions.terms import ClockKind, Searched
from app.face_to_face.service import record_meeting
from app.final_report.closing import close_case
from app.final_report.schemas import ClosingIn
from app.final_report.service import record_submission, write_final_report
from app.final_report.terms import REPORTED_TO
from app.forum.confirming import confirm_decision
from app.forum.police_conclusion import record_police_conclusion
from app.forum.service import decide_at_forum
from app.initial_checks.deciding import decide_initially
from app.initial_checks.service import identify_subject, record_check
from app.initial_checks.terms import CheckResult
from app.risk_assessment.service import record_assessment
from app.safeguarding.lateness import record_deviation, record_interim_plan
from app.safeguarding.schemas import ContactAttemptIn, DeviationIn, InterimPlanIn
from app.safeguarding.service import record_contact_attempt, record_safety_plan
from app.safeguarding.terms import ContactOutcome


async def check(
    story: Story,
    *,
    by: str = staff.CONTROL_ROOM,
    but: Collection[str] = (),
    down: Collection[str] = (),
) -> None:
    """Search every minimum system but some; those that are `down` answer nothing."""
    parties = {
        Searched.SUBJECT: [story.subject],
        Searched.POTENTIAL_VICTIM: [one.id for one in story.victims],
        Searched.CHILD: [one.id for one in story.people.children],
    }
    scheme = edition(story.case.edition)
    for system, searched in scheme.minimum_searches(visor_marker=False):
        if system in but:
            continue
        result = CheckResult.UNAVAILABLE if system in down else CheckResult.NIL
        for party in parties[searched]:
            form = forms.check(system, party, result=result, shows_marker=system == scheme.shows_visor_marker)
            await story.later(minutes=5).act(by, record_check, form)


async def progress(
    story: Story, *, by: str = staff.OFFICER, checked_by: str = staff.CONTROL_ROOM, prioritised: bool = False
) -> None:
    """Check everything and decide that the case goes on."""
    await check(story, by=checked_by)
    form = forms.initial_decision(story.case.route, prioritised=prioritised)
    await story.later(hours=2).act(by, decide_initially, form)


async def try_in_vain(story: Story, outcome: ContactOutcome = ContactOutcome.NO_ANSWER) -> None:
    """Try to reach the applicant."""
    form = ContactAttemptIn(party_id=story.applicant, means="Telephone, agreed number", outcome=outcome)
    await story.act(staff.OFFICER, record_contact_attempt, form)


async def meet(story: Story) -> None:
    """Meet the applicant."""
    await story.act(staff.OFFICER, record_meeting, forms.meeting(story.applicant))


async def assess(story: Story, *, everyone: bool = True) -> None:
    """Assess the risk and plan for safety, for every potential victim or for the first only."""
    for victim in story.victims if everyone else story.victims[:1]:
        await story.later(minutes=20).act(staff.OFFICER, record_assessment, forms.assessment(victim.id))
        await plan(story, victim.id)


async def plan(story: Story, victim: UUID) -> None:
    """Plan for safety."""
    form = forms.safety_plan(victim, on=story.moment.date())
    await story.later(minutes=10).act(staff.OFFICER, record_safety_plan, form)


async def plan_meanwhile(story: Story, *clocks: ClockKind) -> None:
    """Plan what holds for every potential victim while these clocks are late."""
    for victim in story.victims:
        form = InterimPlanIn(
            potential_victim_id=victim.id,
            clocks=list(clocks),
            keeps_safe="Her address is flagged for response; her sister stays with her at night.",
            contact="Telephone, agreed number, at the agreed times, by the officer who holds the case.",
            contact_every_days=3,
            review_on=story.moment.date() + timedelta(days=14),
        )
        await story.later(minutes=10).act(staff.OFFICER, record_interim_plan, form)


async def deviate(story: Story, clock: ClockKind) -> None:
    """Say why a limit is not kept; a supervisor has yet to answer."""
    form = DeviationIn(
        clock=clock,
        reason="She cancelled each appointment and could be met nowhere else.",
        circumstances="She nurses her mother in another county until the end of the month.",
    )
    await story.later(minutes=10).act(staff.OFFICER, record_deviation, form)


async def refer(story: Story, *, with_concern: bool = True) -> None:
    """Consider representations, categorise everybody, refer to the forum."""
    await story.act(staff.OFFICER, consider_representations, forms.not_sought())
    for victim in story.victims:
        form = forms.concern(victim.id) if with_concern else forms.no_concern(victim.id)
        await story.later(minutes=10).act(staff.OFFICER, categorise, form)
    await story.later(minutes=10).act(staff.OFFICER, refer_to_forum, forms.referral())


async def decide_to_disclose(story: Story) -> UUID:
    """The forum sits and decides to tell; the decision."""
    item = await story.sits()
    conclude = partial(record_police_conclusion, item_id=item)
    await story.later(minutes=10).act(staff.SECOND_OFFICER, conclude, forms.police_conclusion(story.victim))
    decide = partial(decide_at_forum, item_id=item)
    return await story.later(minutes=10).act(staff.CHAIR, decide, forms.disclosing(story.victim))


async def decide_against(story: Story) -> None:
    """The forum sits and decides to tell nobody; a second person confirms."""
    item = await story.sits()
    decide = partial(decide_at_forum, item_id=item)
    decision = await story.later(minutes=10).act(staff.CHAIR, decide, forms.not_disclosing(story.victim))
    confirm = partial(confirm_decision, item_id=item, decision_id=decision)
    await story.later(hours=3).act(staff.SECOND_SUPERVISOR, confirm, forms.confirmation())


async def prepare(story: Story) -> list[UUID]:
    """Confirm who the subject is and prepare what may be told; the items."""
    await story.act(staff.OFFICER, identify_subject, forms.identity())
    items = (forms.conviction(on=story.moment.date()), forms.behaviour())
    return [await story.later(minutes=10).act(staff.OFFICER, record_item, item) for item in items]


async def deliver(story: Story, decision: UUID, items: list[UUID]) -> None:
    """Clear the delivery at the door and record the words."""
    asked = forms.clearance(story.victim, decision, items, planned_for=story.moment)
    cleared = await story.act(staff.SECOND_OFFICER, clear_delivery, asked)
    said = forms.disclosure(story.victim, decision, items, cleared)
    await story.later(minutes=20).act(staff.OFFICER, record_disclosure, said)


async def report(story: Story) -> None:
    """Write the closing report and submit it everywhere."""
    await story.act(staff.OFFICER, write_final_report, forms.final_report())
    for system in REPORTED_TO:
        await story.later(minutes=20).act(staff.INTELLIGENCE, record_submission, forms.submission(system))


async def close(story: Story) -> None:
    """Close the case."""
    await story.act(staff.OFFICER, close_case, ClosingIn())
