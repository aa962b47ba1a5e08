"""One case on its way: the world of the tests over real HTTP, and what is expected of clocks, alerts and the end."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from app import clock
from app.final_report.terms import REPORTED_TO
from tests.journeys.running import PATIENCE, Service
from tests.steps import final_report, intake
from tests.world import World

_LEVELS = {"officer": "officer", "supervisor": "supervisor", "head_of_public_protection": "head"}


@dataclass
class Journey(World):
    """A world whose hour both processes read. `name` marks its persons, so that no two journeys' cases ever join."""

    service: Service = field(kw_only=True, repr=False)
    name: str = field(kw_only=True)
    _told: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The hour of the scheme, as the processes read it."""
        return clock.aware(datetime.fromisoformat(self.clock_file.read_text()))

    async def come_to(self, day: date, hour: int, minute: int = 0) -> None:
        """Move the hour forward to a London time, and wait until the worker has swept what fell due on the way."""
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=clock.LONDON)
        assert clock.aware(moment) > self.now, "a journey goes forward"
        self.set_time(moment)
        await self.swept()

    async def swept(self) -> None:
        """Wait, for so long in real time, until the worker says that it has swept up to the hour."""
        limit = time.monotonic() + PATIENCE
        while not self.rows("SELECT 1 FROM worker_heartbeat WHERE swept_through >= %s", self.now):
            self.service.must_run()
            assert time.monotonic() < limit, f"not swept up to {self.now} in {PATIENCE:.0f} s:\n{self.service.logs()}"
            await asyncio.sleep(0.03)

    def person(self, described: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """A person of tests.steps.intake with a surname that only this journey has."""
        return {**described, "surname": f"{described['surname']}-{self.name}", **changed}

    def asks_herself(self, **changed: Any) -> dict[str, Any]:
        """A potential victim of this journey asks for herself."""
        victims = [self.person(intake.VICTIM, is_applicant=True)]
        subject = self.person(intake.SUBJECT)
        return intake.right_to_ask(self, **{"subject": subject, "potential_victims": victims, **changed})

    def mother_asks(self, **changed: Any) -> dict[str, Any]:
        """A mother of this journey asks about her daughter's partner."""
        people = {
            "subject": self.person(intake.SUBJECT),
            "potential_victims": [self.person(intake.VICTIM)],
            "third_party_applicant": self.person(intake.MOTHER),
        }
        return intake.third_party_asks(self, **{**people, **changed})

    def police_learn(self, **changed: Any) -> dict[str, Any]:
        """The police come by information about the subject of this journey."""
        people = {"subject": self.person(intake.SUBJECT), "potential_victims": [self.person(intake.VICTIM)]}
        return intake.right_to_know(self, **{**people, **changed})

    async def case_file(self, case: str, *, by: str = "officer") -> dict[str, Any]:
        """The case in one read."""
        shown: dict[str, Any] = await self.as_(by).must_get(f"/v1/applications/{case}")
        return shown

    async def if_match(self, case: str) -> dict[str, str]:
        """The header of a decision on the case as it was read just now."""
        return {"If-Match": f'"{(await self.case_file(case))["version"]}"'}

    async def what_next(self, case: str) -> list[str]:
        """What the case file says can be done now."""
        return [step["action"] for step in (await self.case_file(case))["what_next"] if not step["blocked_by"]]

    async def clocks(self, case: str) -> dict[str, dict[str, Any]]:
        """Every clock of the case by kind."""
        shown = await self.as_("officer").must_get(f"/v1/applications/{case}/clocks")
        return {one["kind"]: one for one in shown}

    async def expect_clocks(self, case: str, **expected: str) -> None:
        """These clocks and no other stand so: 'running Tue 19 May', state and last day. The working agrees (H10.5)."""
        clocks = await self.clocks(case)
        assert {kind: f"{one['state']} {_day(one['due_on'])}" for kind, one in clocks.items()} == expected
        for one in clocks.values():
            assert [day["date"] for day in one["working"] if day["counted"]][-1] == one["due_on"]

    async def expect_alerts(
        self, case: str, *, officer: Iterable[str] = (), supervisor: Iterable[str] = (), head: Iterable[str] = ()
    ) -> None:
        """Since this was last asked the worker sent these alerts of the case and no other ('face_to_face due_today').

        Each stands under the highest level that it reached; those below had it too, and everybody had it once.
        """
        reached: dict[tuple[str, str], list[str]] = {}  # by the day due too: a clock may move, and alert anew
        for alert in await self.alerts(case):
            # Nobody acknowledges on a journey: what was raised for that alone is no rung of the ladder.
            if not alert["superseded"] and alert["chases_id"] is None:
                rung = f"{alert['clock']} {alert['rung']}", alert["due_on"]
                reached.setdefault(rung, []).append(_LEVELS[alert["level"]])
        ladder = list(_LEVELS.values())
        told = self._told.setdefault(case, set())
        found: dict[str, set[str]] = {level: set() for level in ladder}
        for rung in reached.keys() - told:
            levels = sorted(reached[rung], key=ladder.index)
            assert levels == ladder[: len(levels)], f"{rung} reached {levels}"
            found[levels[-1]].add(rung[0])
        told.update(reached)
        assert found == {"officer": set(officer), "supervisor": set(supervisor), "head": set(head)}

    async def alerts(self, case: str, *, by: str = "head") -> list[dict[str, Any]]:
        """The alerts of the case in somebody's inbox, newest first; the head's holds every level's."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.as_(by).must_get("/v1/alerts", params={"limit": 200, "superseded": True, **cursor})
            found += [one for one in page["items"] if one["case_id"] == case]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    async def expect_closed(self, case: str, outcome: str) -> dict[str, Any]:
        """The case is closed with its closing report, submitted everywhere, and nothing owed; the report's document."""
        shown = await self.case_file(case)
        assert (shown["stage"], shown["outcome"], shown["closed_at"]) == ("closed", outcome, _instant(self.now))
        assert (shown["duties"], shown["blocks_closing"], shown["what_next"]) == ([], [], [])
        assert {clock["state"] for clock in shown["clocks"]} <= {"met_in_time", "met_late", "ended", "ended_breached"}

        read = final_report.path(case, "final-report")
        report = (await self.as_("intelligence").must_get(read))[-1]
        document: dict[str, Any] = report["document"]
        assert (document["outcome"], document["reference"]) == (outcome, shown["reference"])
        late = {one["kind"] for one in shown["clocks"] if one["state"] in ("met_late", "ended_breached")}
        assert {one["kind"] for one in document["clocks"] if one["late"]} == late

        retrieved = await self.as_("other_intelligence").must_get(f"/v1/final-reports/{report['id']}")
        assert {one["system"] for one in retrieved["submissions"]} == set(REPORTED_TO)
        assert (retrieved["closed_at"], retrieved["case_id"]) == (shown["closed_at"], None)
        return document

    async def report_and_close(self, case: str, outcome: str) -> dict[str, Any]:
        """Write the closing report, submit it everywhere, close; the report's document."""
        await final_report.report(self, case)
        await final_report.close(self, case)
        return await self.expect_closed(case, outcome)


def _day(text: str) -> str:
    return f"{date.fromisoformat(text):%a %-d %b}"


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
