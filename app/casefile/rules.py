"""What comes next in a case, and who may do it: the rules once, so that no client writes them again. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.access.rules import Permission, Role, roles_that_may
from app.editions.terms import ClockKind
from app.errors import Obstacle
from app.process import Stage

P, S = Permission, Stage


@dataclass(frozen=True)
class Step:
    """Something that a stage waits for. `clock` is the limit it answers.

    `path` is below the case, or from the root where it begins with a slash; what stands in braces is filled in.
    """

    action: str
    does: str
    kind: Literal["act", "decision"]
    path: str
    permission: Permission
    clock: ClockKind | None = None
    though_late: bool = False
    """Whether it is taken though the interim plan of a late case is missing (H10.6)."""


RECORD_CHECKS = Step(
    "record_check", "Record each check still open.", "act", "checks", P.RECORD_CHECK, ClockKind.INITIAL_CHECKS
)
DECIDE_INITIALLY = Step(
    "decide_initially",
    "Decide whether the application is progressed.",
    "decision",
    "initial-decision",
    P.DECIDE_INITIALLY,
    ClockKind.INITIAL_CHECKS,
)
AGREE_NOT_TO_PROGRESS = Step(
    "agree_not_to_progress",
    "A second person agrees, or not, that the application is not progressed.",
    "decision",
    "initial-decision/agreement",
    P.DECIDE_INITIALLY,
    ClockKind.INITIAL_CHECKS,
)
MAKE_SAFE = Step(
    "make_safe",
    "Immediate risk: record the safeguarding action, before anything else.",
    "act",
    "safeguarding-actions",
    P.SAFEGUARD,
)
PLAN_AT_ONCE = Step(
    "plan_at_once",
    "Immediate risk: record the robust safety plan, before anything else.",
    "act",
    "safety-plans",
    P.SAFEGUARD,
)
PLAN_MEANWHILE = Step(
    "plan_meanwhile",
    "The case is late: record the interim safeguarding and communication plan of each potential victim.",
    "act",
    "interim-plans",
    P.SAFEGUARD,
)
ANSWER_DEVIATION = Step(
    "answer_deviation",
    "A supervisor authorises the deviation from a limit, or does not.",
    "decision",
    "deviations/{deviation_id}/authorisation",
    P.SUPERVISE,
    though_late=True,
)
MEET = Step(
    "record_meeting",
    "Meet the applicant face to face and record the meeting.",
    "act",
    "face-to-face",
    P.RECORD_MEETING,
    ClockKind.FACE_TO_FACE,
)
AGREE_MALICIOUS = Step(
    "agree_malicious_finding",
    "A second person agrees, or not, that the request is malicious.",
    "decision",
    "malicious-finding/agreement",
    P.FIND_MALICIOUS,
)
DECIDE_WITHDRAWAL = Step(
    "decide_withdrawal",
    "A supervisor decides whether the withdrawn application is carried on as a right to know.",
    "decision",
    "withdrawal/decision",
    P.SUPERVISE,
)
ASSESS = Step(
    "assess_risk",
    "Sign off the full risk assessment of each potential victim.",
    "act",
    "risk-assessments",
    P.ASSESS_RISK,
    ClockKind.RISK_ASSESSMENT,
)
CATEGORISE = Step(
    "categorise",
    "Categorise each potential victim: concern or no concern.",
    "decision",
    "categorisation",
    P.CATEGORISE,
    ClockKind.CATEGORISE_AND_REFER,
)
REFER = Step(
    "refer_to_forum",
    "Refer the case to the local decision-making forum.",
    "decision",
    "referral",
    P.REFER_TO_FORUM,
    ClockKind.CATEGORISE_AND_REFER,
)
REPRESENT = Step(
    "consider_representations",
    "Consider whether to seek the subject's representations, and record why or why not.",
    "decision",
    "representations",
    P.CONSIDER_REPRESENTATIONS,
)
DECIDE_AT_FORUM = Step(
    "decide_at_forum",
    "Put the case on the agenda of a forum meeting, or decide between meetings.",
    "decision",
    "/v1/forum/meetings",
    P.ARRANGE_FORUM,
    ClockKind.WHOLE_CASE,
)
CONFIRM = Step(
    "confirm_no_disclosure",
    "A supervisor who neither holds the case nor sat confirms, or refuses, each decision not to disclose.",
    "decision",
    "/v1/forum/meetings/{meeting_id}/items/{item_id}/decisions/{decision_id}/confirmation",
    P.SUPERVISE,
    ClockKind.WHOLE_CASE,
)
PREPARE_ITEMS = Step("prepare_items", "Prepare the items that may be told.", "act", "items", P.PREPARE_ITEMS)
IDENTIFY = Step(
    "confirm_identity", "Confirm the subject's identity against a record.", "act", "identity", P.IDENTIFY_SUBJECT
)
PLAN = Step(
    "plan_safety", "Record a current safety plan for each potential victim.", "act", "safety-plans", P.SAFEGUARD
)
CLEAR = Step(
    "clear_delivery",
    "Clear each delivery with the recipient: warnings, then the undertaking.",
    "decision",
    "delivery-clearance",
    P.CLEAR_DELIVERY,
    ClockKind.WHOLE_CASE,
    though_late=True,
)
DELIVER = Step(
    "record_disclosure",
    "Deliver, and record the words verbatim.",
    "act",
    "disclosures",
    P.RECORD_DELIVERY,
    ClockKind.WHOLE_CASE,
)
NOTIFY = Step(
    "record_notice",
    "Tell the applicant in person, or keep a right-to-know decision so that it is found again.",
    "act",
    "non-disclosure-notices",
    P.RECORD_DELIVERY,
    ClockKind.WHOLE_CASE,
)
TELL_SUBJECT = Step(
    "tell_subject",
    "The forum decided that the subject is told: speak the words settled, and record them.",
    "act",
    "words-to-subject",
    P.RECORD_DELIVERY,
)
REPORT = Step(
    "write_final_report",
    "Write the closing report.",
    "decision",
    "final-report",
    P.WRITE_FINAL_REPORT,
    though_late=True,
)
SUBMIT = Step(
    "record_submission",
    "Submit the report to police and partner-agency intelligence systems and the PND.",
    "act",
    "intelligence-submissions",
    P.RECORD_SUBMISSION,
)
CLOSE = Step("close_case", "Close the case.", "decision", "closing", P.CLOSE_CASE)

TO_TELL = (IDENTIFY, PLAN, PREPARE_ITEMS, CLEAR, DELIVER)
"""What leads to words being told."""

STEPS: dict[Stage, tuple[Step, ...]] = {
    S.INTAKE: (),
    S.INITIAL_CHECKS: (RECORD_CHECKS, DECIDE_INITIALLY),
    S.FACE_TO_FACE: (MEET,),
    S.RISK_ASSESSMENT: (ASSESS,),
    S.CATEGORISATION: (CATEGORISE, REFER),
    S.FORUM: (REPRESENT, DECIDE_AT_FORUM),
    S.DISCLOSURE: (*TO_TELL, NOTIFY),
    S.FINAL_REPORT: (REPORT, SUBMIT, CLOSE),
    S.CLOSED: (),
}


@dataclass(frozen=True)
class Planned:
    """A step with who may take it, until when, and what stands against it."""

    step: Step
    who: tuple[Role, ...]
    due_at: datetime | None
    blocked_by: tuple[Obstacle, ...]


def deviation_to_answer(deviation_id: UUID) -> Step:
    """The step of a supervisor who has one deviation before her."""
    return replace(ANSWER_DEVIATION, path=ANSWER_DEVIATION.path.format(deviation_id=deviation_id))


def what_next(
    stage: Stage,
    *,
    due: Mapping[ClockKind, datetime],
    obstacles: Mapping[str, Iterable[Obstacle]],
    done: Iterable[str] = (),
    further: Iterable[Step] = (),
    first: Iterable[Step] = (),
    late: Iterable[Obstacle] = (),
) -> list[Planned]:
    """What comes before anything else, what the stage waits for, and any further steps; those done are left out.

    `obstacles` are keyed by action; what is missing because the case is `late` stands against every decision.
    """
    finished, missing = set(done), tuple(late)
    return [
        Planned(
            step,
            tuple(roles_that_may(step.permission)),
            due.get(step.clock) if step.clock else None,
            (*(missing if step.kind == "decision" and not step.though_late else ()), *obstacles.get(step.action, ())),
        )
        for step in (*first, *STEPS[stage], *further)
        if step.action not in finished
    ]
