"""Stage 6: meetings of the forum, their items, and what is decided on them."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header

from app.access.rules import Permission
from app.casefile import papers
from app.casefile.schemas import ItemPapers
from app.cases.schemas import Receipt
from app.doors import CaseDoor, Door, creates, looks, requires
from app.evidence.terms import Category
from app.forum import actions, confirming, conflicts, items, meetings, police_conclusion, service
from app.forum.schemas import (
    ActionAnswerIn,
    ActionIn,
    AgendaIn,
    AttendanceIn,
    ConfirmationIn,
    ConflictIn,
    DecisionIn,
    MeetingIn,
    MinutesIn,
    PoliceConclusionIn,
    TakenOffIn,
)
from app.forum.views import (
    ActionAnswerView,
    ActionView,
    AgendaItemView,
    ConfirmationView,
    ConflictView,
    DecisionView,
    ItemView,
    MeetingSummary,
    MeetingView,
    MemberView,
    MinutesView,
    OpenActionView,
    PoliceConclusionView,
)
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/forum", tags=["6 forum"], route_class=StrictRoute)

Reader = Annotated[Door, requires(Permission.READ_FORUM)]
Viewer = Annotated[Door, looks(Permission.READ_FORUM)]
Arranger = Annotated[Door, creates(Permission.ARRANGE_FORUM)]
Member = Annotated[Door, creates(Permission.UNDERTAKE_FORUM_ACTION)]
IfMatch = Annotated[str | None, Header(description="The version of the case read.")]

MEETING = "/meetings/{meeting_id}"
ITEM = "/meetings/{meeting_id}/items/{item_id}"


async def _at_item(
    door: Door, meeting_id: UUID, item_id: UUID, *, for_change: bool = True, if_match: str | None = None
) -> CaseDoor:
    """Into the case of an item, for whoever may see both the meeting and the item."""
    door.asks_for(through=item_id)
    case_id = await meetings.case_of_item(door.session, meeting_id, item_id, actor=door.actor)
    return await door.enter(case_id, for_change=for_change, if_match=if_match)


async def _at_action(door: Door, action_id: UUID, *, for_change: bool) -> CaseDoor:
    """Into the case of an action, for its owner and whoever sees the case."""
    door.asks_for(through=action_id)
    case_id, owned = await actions.case_of_action(door.session, action_id, actor=door.actor)
    return await door.enter(case_id, for_change=for_change, owes_action=owned)


async def _reading(door: Door, meeting_id: UUID, item_id: UUID) -> CaseDoor:
    inside = await _at_item(door, meeting_id, item_id, for_change=False)
    await inside.read()
    return inside


async def _meeting(door: Door, meeting_id: UUID) -> MeetingView:
    """A meeting, and in the log the cases on its agenda."""
    found = await meetings.read_meeting(door.session, meeting_id, actor=door.actor)
    door.shows(one.case_id for one in found.agenda)
    return found


@router.post("/meetings", status_code=201, responses=ERRORS_OF_ACT)
async def arrange_meeting(body: MeetingIn, door: Arranger) -> MeetingView:
    """Arrange a meeting of the forum; between meetings as extraordinary or virtual, with the same quorum (H6.7)."""
    before = await door.answered(body)
    if before is not None and before.resource_id is not None:
        return await _meeting(door, before.resource_id)
    made = await meetings.arrange_meeting(door.session, body, actor=door.actor, now=door.now)
    await door.remember(case_id=None, resource_id=made)
    await door.log(Category.COLLECTION, event_id=made)
    return await _meeting(door, made)


@router.get("/meetings", responses=ERRORS)
async def read_meetings(door: Reader) -> list[MeetingSummary]:
    """The meetings of the own force, or those one sits at; newest first."""
    await door.log(Category.CONSULTATION)
    return await meetings.meetings_of(door.session, actor=door.actor)


@router.get(MEETING, responses=ERRORS_OF_CASE)
async def read_meeting(meeting_id: UUID, door: Reader) -> MeetingView:
    """A meeting with its members and the items that one may see."""
    await door.log(Category.CONSULTATION, event_id=meeting_id)
    return await _meeting(door, meeting_id)


@router.post(f"{MEETING}/attendance", status_code=201, responses=ERRORS_OF_ACT)
async def record_attendance(meeting_id: UUID, body: AttendanceIn, door: Arranger) -> MeetingView:
    """Record who is there; send it again when it changes. Whoever is not listed yet is listed by it."""
    if await door.answered(body) is None:
        await meetings.record_attendance(door.session, meeting_id, body, actor=door.actor, now=door.now)
        await door.remember(case_id=None, resource_id=meeting_id)
        await door.log(Category.ALTERATION, event_id=meeting_id)
    return await _meeting(door, meeting_id)


@router.get(f"{MEETING}/attendance", responses=ERRORS_OF_CASE)
async def read_attendance(meeting_id: UUID, door: Reader) -> list[MemberView]:
    """The members, each with the newest attendance."""
    await door.log(Category.CONSULTATION, event_id=meeting_id)
    return (await meetings.read_meeting(door.session, meeting_id, actor=door.actor)).members


@router.post(f"{MEETING}/agenda", status_code=201, responses=ERRORS_OF_ACT)
async def put_on_agenda(meeting_id: UUID, body: AgendaIn, door: Arranger) -> Receipt:
    """Put a case on the agenda; the meeting's partners see it until its item ends."""
    inside = await door.enter(body.case_id, for_change=True)
    return await inside.record(partial(meetings.put_on_agenda, meeting_id=meeting_id), body)


@router.get(f"{MEETING}/agenda", responses=ERRORS_OF_CASE)
async def read_agenda(meeting_id: UUID, door: Reader) -> list[AgendaItemView]:
    """The items that one may see, in order."""
    await door.log(Category.CONSULTATION, event_id=meeting_id)
    return (await _meeting(door, meeting_id)).agenda


@router.get(ITEM, responses=ERRORS_OF_CASE)
async def read_item(meeting_id: UUID, item_id: UUID, door: Viewer) -> ItemView:
    """Who it is about and what is missing for a decision, marked not to be revealed; its ETag is for the decision.

    What the decision rests on is in its `papers`.
    """
    inside = await _reading(door, meeting_id, item_id)
    return await items.read_item(door.session, inside.case, item_id=item_id, now=door.now)


@router.get(f"{ITEM}/papers", responses=ERRORS_OF_CASE)
async def read_papers(
    meeting_id: UUID, item_id: UUID, door: Annotated[Door, looks(Permission.READ_PAPERS)]
) -> ItemPapers:
    """What category, necessity and words are decided on, while the item stands on the agenda (H2.7, H6.3)."""
    inside = await _reading(door, meeting_id, item_id)
    return await papers.papers_of(inside.session, inside.case, item_id=item_id, now=inside.now)


@router.post(f"{ITEM}/removal", status_code=201, responses=ERRORS_OF_ACT)
async def take_off_agenda(meeting_id: UUID, item_id: UUID, body: TakenOffIn, door: Arranger) -> Receipt:
    """Take a case off the agenda; partners no longer see it. A decision awaiting its second person waits on."""
    inside = await _at_item(door, meeting_id, item_id)
    return await inside.record(partial(meetings.take_off_agenda, item_id=item_id), body)


@router.post(f"{ITEM}/conflicts", status_code=201, responses=ERRORS_OF_ACT)
async def declare_conflict(meeting_id: UUID, item_id: UUID, body: ConflictIn, door: Member) -> Receipt:
    """Declare a conflict of interest: the member leaves the item and no longer counts (H6.2)."""
    inside = await _at_item(door, meeting_id, item_id)
    return await inside.record(partial(conflicts.declare_conflict, item_id=item_id), body)


@router.get(f"{ITEM}/conflicts", responses=ERRORS_OF_CASE)
async def read_conflicts(meeting_id: UUID, item_id: UUID, door: Viewer) -> list[ConflictView]:
    """The conflicts of interest on an item, oldest first."""
    inside = await _at_item(door, meeting_id, item_id, for_change=False)
    return await inside.history(ConflictView, item_id=item_id)


@router.post(f"{ITEM}/minutes", status_code=201, responses=ERRORS_OF_ACT)
async def write_minutes(meeting_id: UUID, item_id: UUID, body: MinutesIn, door: Arranger) -> Receipt:
    """Minute an item (H6.2)."""
    inside = await _at_item(door, meeting_id, item_id)
    return await inside.record(partial(meetings.write_minutes, item_id=item_id), body)


@router.get(f"{ITEM}/minutes", responses=ERRORS_OF_CASE)
async def read_minutes(meeting_id: UUID, item_id: UUID, door: Viewer) -> list[MinutesView]:
    """The minutes of an item, oldest first."""
    inside = await _at_item(door, meeting_id, item_id, for_change=False)
    return await inside.history(MinutesView, item_id=item_id)


@router.post(f"{ITEM}/police-conclusions", status_code=201, responses=ERRORS_OF_DECISION)
async def record_police_conclusion(
    meeting_id: UUID,
    item_id: UUID,
    body: PoliceConclusionIn,
    door: Annotated[Door, creates(Permission.RECORD_POLICE_CONCLUSION)],
    if_match: IfMatch = None,
) -> Receipt:
    """The police member records by name whether the police conclude disclosure to be necessary (H6.3)."""
    inside = await _at_item(door, meeting_id, item_id, if_match=if_match)
    return await inside.decide(partial(police_conclusion.record_police_conclusion, item_id=item_id), body)


@router.get(f"{ITEM}/police-conclusions", responses=ERRORS_OF_CASE)
async def read_police_conclusions(meeting_id: UUID, item_id: UUID, door: Viewer) -> list[PoliceConclusionView]:
    """What the police conclude, oldest first; the newest of each potential victim holds."""
    inside = await _at_item(door, meeting_id, item_id, for_change=False)
    return await inside.history(PoliceConclusionView, item_id=item_id)


@router.post(f"{ITEM}/decisions", status_code=201, responses=ERRORS_OF_DECISION)
async def decide_at_forum(
    meeting_id: UUID,
    item_id: UUID,
    body: DecisionIn,
    door: Annotated[Door, creates(Permission.DECIDE_AT_FORUM)],
    if_match: IfMatch = None,
) -> Receipt:
    """The chair records what the forum decides for one potential victim (H6.3)."""
    inside = await _at_item(door, meeting_id, item_id, if_match=if_match)
    return await inside.decide(partial(service.decide_at_forum, item_id=item_id), body)


@router.get(f"{ITEM}/decisions", responses=ERRORS_OF_CASE)
async def read_decisions(meeting_id: UUID, item_id: UUID, door: Viewer) -> list[DecisionView]:
    """What was decided on an item, oldest first."""
    inside = await _at_item(door, meeting_id, item_id, for_change=False)
    return await inside.history(DecisionView, item_id=item_id)


@router.post(f"{ITEM}/decisions/{{decision_id}}/confirmation", status_code=201, responses=ERRORS_OF_DECISION)
async def confirm_decision(
    meeting_id: UUID,
    item_id: UUID,
    decision_id: UUID,
    body: ConfirmationIn,
    door: Annotated[Door, creates(Permission.SUPERVISE)],
    if_match: IfMatch = None,
) -> Receipt:
    """A second person confirms a decision not to disclose, or refuses it: then the forum decides again (H6.4)."""
    inside = await _at_item(door, meeting_id, item_id, if_match=if_match)
    return await inside.decide(partial(confirming.confirm_decision, item_id=item_id, decision_id=decision_id), body)


@router.get(f"{ITEM}/decisions/{{decision_id}}/confirmation", responses=ERRORS_OF_CASE)
async def read_confirmation(meeting_id: UUID, item_id: UUID, decision_id: UUID, door: Viewer) -> list[ConfirmationView]:
    """The second person's answer, once there is one."""
    await _reading(door, meeting_id, item_id)
    return await items.confirmations_of(door.session, item_id, decision_id)


@router.post(f"{ITEM}/actions", status_code=201, responses=ERRORS_OF_ACT)
async def set_action(meeting_id: UUID, item_id: UUID, body: ActionIn, door: Arranger) -> Receipt:
    """Set an action with its owner and due date; it is chased until done (H6.2)."""
    inside = await _at_item(door, meeting_id, item_id)
    return await inside.record(partial(actions.set_action, item_id=item_id), body)


@router.get(f"{ITEM}/actions", responses=ERRORS_OF_CASE)
async def read_item_actions(meeting_id: UUID, item_id: UUID, door: Viewer) -> list[ActionView]:
    """The actions of an item, oldest first."""
    inside = await _at_item(door, meeting_id, item_id, for_change=False)
    return await inside.history(ActionView, item_id=item_id)


@router.get("/actions", responses=ERRORS)
async def read_actions(door: Reader) -> list[OpenActionView]:
    """The actions still owed that one owns or may see, the longest due first."""
    await door.log(Category.CONSULTATION)
    found = await actions.open_actions(door.session, actor=door.actor, now=door.now)
    door.shows(one.case_id for one in found)
    return found


@router.post("/actions/{action_id}/answers", status_code=201, responses=ERRORS_OF_ACT)
async def answer_action(action_id: UUID, body: ActionAnswerIn, door: Member) -> Receipt:
    """Say what became of an action: done, circumstances changed, or not done by the agency and still owed."""
    inside = await _at_action(door, action_id, for_change=True)
    return await inside.record(partial(actions.answer_action, action_id=action_id), body)


@router.get("/actions/{action_id}/answers", responses=ERRORS_OF_CASE)
async def read_action_answers(action_id: UUID, door: Viewer) -> list[ActionAnswerView]:
    """What became of an action, oldest first."""
    inside = await _at_action(door, action_id, for_change=False)
    await inside.read()
    return await actions.answers_of(door.session, action_id)
