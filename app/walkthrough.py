"""One right to ask and one right to know, from first contact to the closing report, over HTTP in a running service.

Whatever does not answer as it should ends the walk with the request and the whole answer.
"""

import json
import secrets
import string
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel
from rich.console import Console

from app import clock
from app.access.demonstration import open_issuer
from app.cases.schemas import AssignmentIn
from app.clock import LONDON
from app.deadlines.schemas import ClockView
from app.demo import forms, staff
from app.editions import edition
from app.editions.terms import ClockKind, Route, Searched
from app.errors import ClaresLawError
from app.final_report.schemas import ClosingIn
from app.final_report.terms import REPORTED_TO
from app.forum.schemas import AgendaIn, AttendanceIn, MeetingIn, MemberAttendanceIn
from app.forum.terms import Attendance, MeetingKind
from app.intake.schemas import ApplicationIn, SubjectIn
from app.outside.client import RequestRefused, ServiceClient
from app.settings import Settings
from app.starting import reachable_host

_TOKEN_LIFETIME = timedelta(minutes=30)
_BEFORE = timedelta(minutes=5)
"""The first contact lies this far back: nobody types while the telephone rings."""

WHO = {
    staff.CONTROL_ROOM: "control room",
    staff.OFFICER: "public protection officer",
    staff.SECOND_OFFICER: "second officer",
    staff.SUPERVISOR: "supervisor",
    staff.SECOND_SUPERVISOR: "second supervisor",
    staff.CHAIR: "forum chair",
    staff.IDVA: "IDVA, forum member",
    staff.INTELLIGENCE: "intelligence officer",
}
"""Everybody who acts in the walk, by subject."""


_ANSWERS = {
    "initial-decision": ClockKind.INITIAL_CHECKS,
    "face-to-face": ClockKind.FACE_TO_FACE,
    "risk-assessments": ClockKind.RISK_ASSESSMENT,
    "representations": ClockKind.CATEGORISE_AND_REFER,
    "categorisation": ClockKind.CATEGORISE_AND_REFER,
    "referral": ClockKind.CATEGORISE_AND_REFER,
}
"""The clock that is shown with a step, by its resource; with any other the whole case."""


class NotAsExpected(ClaresLawError):
    """The service answered, and not as the scheme has it."""

    code: ClassVar[str] = "not_as_expected"


def walk(chosen: Settings, *, url: str | None = None) -> None:
    """Walk both routes through the demonstration that runs at `url`, else at the settings' host and port.

    Raises RequestRefused, NotAsExpected or ServiceUnreachable at the first step that goes otherwise than it should.
    """
    host = reachable_host(chosen.host)
    address = url or f"http://{f'[{host}]' if ':' in host else host}:{chosen.port}"
    console = Console(highlight=False)
    issuer, now = open_issuer(chosen.data_dir), clock.real_now()
    with ExitStack() as opened:
        people = {
            subject: opened.enter_context(
                ServiceClient(address, issuer.issue(subject, now=now, lifetime=_TOKEN_LIFETIME))
            )
            for subject in WHO
        }
        _say(console, f"[bold]Right to ask[/bold], by the potential victim, at {address}")
        report = Walk(people, console).ask()
        _say(console, "\n[bold]Right to know[/bold], nothing told")
        Walk(people, console).know()
    _say(console, "\n[bold]The closing report of the right to ask[/bold], as the intelligence officer retrieves it")
    console.print_json(data=report)


def _say(console: Console, text: str, *, markup: bool = True) -> None:
    console.print(text, markup=markup, soft_wrap=True)
    console.file.flush()


class Walk:
    """One case on its way. `file` is the case file as last read: each decision is made on its version."""

    def __init__(self, people: Mapping[str, ServiceClient], console: Console) -> None:
        self._people, self._console = people, console
        self._steps = 0
        self.file: dict[str, Any] = {}
        self.now = clock.now()

    def ask(self) -> dict[str, Any]:
        """A right to ask that ends in a disclosure; its closing report as retrieved."""
        victim = forms.potential_victim("Joanna", _surname(), date(1988, 7, 30), asks=True)
        self._open(staff.CONTROL_ROOM, forms.request(self._subject(), victim, at=self.now - _BEFORE))
        self._check()
        self._decide("initial decision", "initial-decision", forms.initial_decision(Route.RIGHT_TO_ASK))
        self._act("face-to-face meeting", "face-to-face", forms.meeting(self._victim))
        self._act("risk assessment", "risk-assessments", forms.assessment(self._victim))
        self._refer(with_concern=True)
        item = self._sit()
        asked = forms.disclosing(self._victim)
        self._refused("forum decision", staff.CHAIR, f"{item}/decisions", asked, "no_police_conclusion")
        concluded = forms.police_conclusion(self._victim)
        self._decide("police conclusion", f"{item}/police-conclusions", concluded, by=staff.SECOND_OFFICER)
        decision = self._decide("forum decision", f"{item}/decisions", asked, by=staff.CHAIR)
        self._deliver(UUID(decision["id"]))
        return self._end("disclosed")

    def know(self) -> dict[str, Any]:
        """A right to know that ends with nothing told, recorded to be found again; its closing report as retrieved."""
        victim = forms.potential_victim("Petra", _surname(), date(1991, 3, 2), relationship="partner")
        self._open(staff.OFFICER, forms.information(self._subject(), victim, at=self.now - _BEFORE))
        self._check()
        self._decide("initial decision", "initial-decision", forms.initial_decision(Route.RIGHT_TO_KNOW))
        self._act("safety plan", "safety-plans", forms.safety_plan(self._victim, on=self._today))
        self._refer(with_concern=False)
        item = self._sit()
        decided = self._decide(
            "forum decision", f"{item}/decisions", forms.not_disclosing(self._victim), by=staff.CHAIR
        )
        confirmed = f"{item}/decisions/{decided['id']}/confirmation"
        self._decide("confirmed by a second person", confirmed, forms.confirmation(), by=staff.SECOND_SUPERVISOR)
        self._act("recorded, to be found again", "non-disclosure-notices", forms.recorded(self._victim))
        return self._end("no_disclosure")

    def _subject(self) -> SubjectIn:
        return forms.subject("Alan", _surname(), date(1984, 2, 11))

    def _open(self, by: str, application: ApplicationIn) -> None:
        answer = self._people[by].post("/v1/applications", application, key=secrets.token_urlsafe(16))
        self._read(answer["id"])
        self._tell(
            "application opened",
            by,
            f"{answer['reference']}, at {_plain(self.file['stage'])}",
            ClockKind.INITIAL_CHECKS,
        )
        order = AssignmentIn(staff_id=staff.staff_id_of(staff.OFFICER), reason="Next on the unit's rota.")
        self._decide("assigned to the officer", "assignment", order, by=staff.SUPERVISOR)

    def _check(self) -> None:
        parties = {Searched.SUBJECT: [self._subject_id], Searched.POTENTIAL_VICTIM: [self._victim]}
        scheme = edition(self.file["edition"])
        asked = [
            forms.check(system, party, shows_marker=system == scheme.shows_visor_marker)
            for system, who in scheme.minimum_searches(visor_marker=False)
            for party in parties.get(who, [])
        ]
        for one in asked:
            self._people[staff.CONTROL_ROOM].post(f"{self._address}/checks", one)
        self._read()
        self._tell("minimum checks", staff.CONTROL_ROOM, f"{len(asked)} recorded", ClockKind.INITIAL_CHECKS)

    def _refer(self, *, with_concern: bool) -> None:
        self._decide("representations considered", "representations", forms.not_sought())
        form = forms.concern(self._victim) if with_concern else forms.no_concern(self._victim)
        self._decide(f"categorised: {_plain(form.category)}", "categorisation", form)
        self._decide("referral to the forum", "referral", forms.referral())

    def _sit(self) -> str:
        """The forum meets with its quorum, the case on its agenda; the address of the item."""
        chair, ids = self._people[staff.CHAIR], [staff.staff_id_of(one) for one in staff.QUORUM]
        given = MeetingIn(held_on=self._today, kind=MeetingKind.EXTRAORDINARY, chair_id=ids[0], members=ids)
        meeting = f"/v1/forum/meetings/{chair.post('/v1/forum/meetings', given)['id']}"
        there = [MemberAttendanceIn(staff_id=one, attendance=Attendance.PRESENT) for one in ids]
        sitting = chair.post(f"{meeting}/attendance", AttendanceIn(members=there))
        agencies = sorted({_plain(one["agency"]) for one in sitting["members"]})
        self._tell("forum meeting", staff.CHAIR, f"present: {', '.join(agencies)}", ClockKind.WHOLE_CASE)
        receipt = self._act("on the agenda", f"{meeting}/agenda", AgendaIn(case_id=self.file["id"]), by=staff.CHAIR)
        item = f"{meeting}/items/{receipt['id']}"
        seen = self._people[staff.IDVA].get(item)
        self._expect(not seen["agencies_missing"], f"GET {item}", seen, "The quorum should be there.")
        self._tell("item read by a partner", staff.IDVA, "quorum complete", ClockKind.WHOLE_CASE)
        return item

    def _deliver(self, decision: UUID) -> None:
        self._act("subject's identity confirmed", "identity", forms.identity())
        self._act("safety plan", "safety-plans", forms.safety_plan(self._victim, on=self._today))
        prepared = (forms.conviction(on=self._today), forms.behaviour())
        items = [UUID(self._act(f"item: {one.kind}", "items", one)["id"]) for one in prepared]
        at_the_door = forms.clearance(self._victim, decision, items, planned_for=self.now)
        cleared = self._decide("delivery cleared", "delivery-clearance", at_the_door, by=staff.SECOND_OFFICER)
        said = forms.disclosure(self._victim, decision, items, UUID(cleared["id"]))
        told = self._act("disclosure, word for word", "disclosures", said)
        proof = self._people[staff.OFFICER].get(f"{told['receipt']}?wait=20")
        self._expect(proof["acknowledged"], f"GET {told['receipt']}", proof, "A worker should have numbered it by now.")
        says = f"record number {proof['number']}, under a signed and witnessed checkpoint"
        self._tell("disclosure acknowledged", staff.OFFICER, says, ClockKind.WHOLE_CASE)
        address = f"{self._address}/disclosures/{told['id']}"
        kept = self._people[staff.OFFICER].get(address)
        self._expect(kept["words"] == forms.WORDS, f"GET {address}", kept, "The words should be those said.")
        self._tell("words read back", staff.OFFICER, f"the same, SHA-256 {kept['sha256'][:12]}…", ClockKind.WHOLE_CASE)

    def _end(self, outcome: str) -> dict[str, Any]:
        """Report, submit, close, retrieve."""
        written = self._decide("final report", "final-report", forms.final_report())
        for system in REPORTED_TO:
            name = f"submitted to {_plain(system)}"
            self._act(name, "intelligence-submissions", forms.submission(system), by=staff.INTELLIGENCE)
        self._decide("closed", "closing", ClosingIn())
        address = f"/v1/final-reports/{written['id']}"
        report: dict[str, Any] = self._people[staff.INTELLIGENCE].get(address)
        kept = report["outcome"] == outcome and report["closed_at"] is not None
        self._expect(kept, f"GET {address}", report, f"The case should be closed as {outcome}.")
        self._tell("closing report retrieved", staff.INTELLIGENCE, f"outcome: {_plain(outcome)}", ClockKind.WHOLE_CASE)
        return report

    def _act(self, step: str, path: str, form: BaseModel, *, by: str = staff.OFFICER) -> dict[str, Any]:
        """Post an act, which nothing may flag."""
        return self._post(step, by, path, form, None)

    def _decide(self, step: str, path: str, form: BaseModel, *, by: str = staff.OFFICER) -> dict[str, Any]:
        """Post a decision on the case as last read."""
        return self._post(step, by, path, form, self.file["version"])

    def _post(self, step: str, by: str, path: str, form: BaseModel, version: int | None) -> dict[str, Any]:
        address = path if path.startswith("/") else f"{self._address}/{path}"
        before = self.file["stage"]
        receipt: dict[str, Any] = self._people[by].post(address, form, version=version)
        unflagged = not receipt["put_before_supervisor"]
        self._expect(unflagged, f"POST {address}", receipt, "Nothing should be put before a supervisor.")
        self._read()
        stage = self.file["stage"]
        moved = "" if stage == before else f", on to {_plain(stage)}"
        self._tell(step, by, f"kept as version {receipt['version']}{moved}", _ANSWERS.get(path, ClockKind.WHOLE_CASE))
        return receipt

    def _refused(self, step: str, by: str, path: str, form: BaseModel, code: str) -> None:
        """A decision that the scheme does not permit yet: shown on purpose, and nothing changes."""
        try:
            answer = self._people[by].post(path, form, version=self.file["version"])
        except RequestRefused as refused:
            if refused.status != 409 or [one.code for one in refused.obstacles] != [code]:
                raise
            says = f"409, as it should be: {refused.obstacles[0].says} ({refused.obstacles[0].rule})"
            before = self.file["version"]
            self._read()
            self._expect(self.file["version"] == before, f"POST {path}", self.file, "A refusal should change nothing.")
            self._tell(step, by, says, ClockKind.WHOLE_CASE)
            return
        raise _unexpected(f"POST {path}", answer, f"It should have been refused: {code}.")

    def _read(self, case_id: str | None = None) -> None:
        self.file = self._people[staff.OFFICER].get(f"/v1/applications/{case_id or self.file['id']}")

    def _expect(self, holds: bool, request: str, answer: object, should: str) -> None:
        if not holds:
            raise _unexpected(request, answer, should)

    def _tell(self, step: str, by: str, says: str, kind: ClockKind) -> None:
        self._steps += 1
        line = f"{self._steps:>3}  {step:<40}  {WHO[by]:<25}  {self._clock(kind):<47}  {says}"
        _say(self._console, line, markup=False)

    def _clock(self, kind: ClockKind) -> str:
        """The clock that a step answers, and the time left on it; of one that is met, the time there was."""
        running = [ClockView.model_validate(one) for one in self.file["clocks"]]
        found = next((one for one in running if one.kind is kind), None)
        if found is None:
            return "no limit"
        done = found.met_at or found.ended_at
        left = found.due_at - done if done else timedelta(seconds=found.seconds_left or 0)
        return f"{_plain(kind)}: {_plain(found.state)}, {_spelt(left)} left"

    @property
    def _address(self) -> str:
        return f"/v1/applications/{self.file['id']}"

    @property
    def _today(self) -> date:
        return self.now.astimezone(LONDON).date()

    @property
    def _victim(self) -> UUID:
        return UUID(self.file["parties"]["potential_victims"][0]["id"])

    @property
    def _subject_id(self) -> UUID:
        return UUID(self.file["parties"]["subject"]["id"])


def _unexpected(request: str, answer: object, should: str) -> NotAsExpected:
    return NotAsExpected(f"{should} {request} was answered:\n{json.dumps(answer, indent=2)}")


def _plain(code: str) -> str:
    """A code of the service as words."""
    return code.replace("_", " ")


def _spelt(left: timedelta) -> str:
    """Time as a person reads it: '9 d 13 h', '23 h 55 min'; overrun time is below zero."""
    minutes = abs(int(left.total_seconds())) // 60
    sign = "-" if left < timedelta(0) else ""
    if minutes >= 24 * 60:
        return f"{sign}{minutes // 1440} d {minutes % 1440 // 60} h"
    return f"{sign}{minutes // 60} h {minutes % 60} min"


def _surname() -> str:
    """Nobody's, and new in each walk, so that no case joins one of an earlier walk (H3.5)."""
    return "Walk" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))
