"""A case of three sides with every field of every person filled, each text marked with whose it is and what of."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from fastapi.routing import APIRoute

from app.access.rules import PERMISSIONS, Permission, Role
from app.main import doors
from app.process import Stage
from tests.architecture.test_doors import permission_of
from tests.arrange import place_at
from tests.steps import categorisation, face_to_face, final_report, forum, initial_checks, intake
from tests.world import STAFF, World

P = Permission
PNC_ID = "2002/0073319Z"
KEPT = {
    P.SEE_APPLICANT: ("Askmark", "Othermark"),
    P.SEE_CONTACT: tuple(
        f"{who}mark{what}"
        for who in ("Vic", "Child", "Subject")
        for what in ("place", "means", "times", "telephone", "email", "address")
        if (who, what) not in {("Subject", "telephone"), ("Subject", "email"), ("Subject", "address")}
    ),
    P.SEE_SUBJECT_RECORD: ("Subjectmarktelephone", "Subjectmarkemail", "Subjectmarkaddress", PNC_ID),
}
"""What is kept from whoever has not the permission."""
FOR_ALL = ("Vicmarksurname", "Subjectmarksurname")
"""What everybody who sees the case may read."""
OF_NO_CASE = {P.READ_EDITIONS, P.READ_CALENDARS}
CLOSING_REPORT = ("/final-report", "/v1/final-reports")
"""Where the closing report is read: it names all parties (H8.1), and only its readers have a permission for it."""


def somebody(mark: str, **more: Any) -> dict[str, Any]:
    """A person, every field filled."""
    return {
        "given_names": f"{mark}given",
        "surname": f"{mark}surname",
        "born": "1971-03-04",
        "ethnicity": f"{mark}ethnicity",
        "telephone": f"{mark}telephone",
        "email": f"{mark}email",
        "language": f"{mark}language",
        "access_needs": f"{mark}needs",
        "aliases": [{"given_names": f"{mark}othergiven", "surname": f"{mark}alias"}],
        "addresses": [{"address": f"{mark}address"}],
        "safe_contact": {"place": f"{mark}place", "means": f"{mark}means", "times": f"{mark}times"},
        **more,
    }


def asks(world: World, mark: str, **more: Any) -> dict[str, Any]:
    """A third party asks, and everybody is described whole."""
    return intake.right_to_ask(
        world,
        subject=somebody("Subjectmark", pnc_id=PNC_ID, born="1984-02-11"),
        potential_victims=[somebody("Vicmark", born="1988-07-30", relationship="partner")],
        children=[somebody("Childmark", born="2019-05-05", connection="Her daughter")],
        third_party_applicant=somebody(mark, connection=f"{mark}connection"),
        why=f"{mark}why",
        **more,
    )


@dataclass
class Sides:
    """The case and what it takes to ask for everything in it."""

    world: World
    case: str
    item: forum.Item
    paths: dict[str, str] = field(default_factory=dict)

    async def acts(self) -> None:
        """Whatever may be recorded about the people in passing, the applicant's word in every text."""
        world, case = self.world, self.case
        parts = intake.parties(world, case)
        party, victim = face_to_face.applicant(world, case), parts["potential_victim"][0]
        officer = world.as_("officer")
        address = f"/v1/applications/{case}"
        tried = {"means": "Vicmarkmeans", "outcome": "no_answer", "note": "Askmarknote"}
        for one in (party, victim):
            await officer.must_post(f"{address}/contact-attempts", {"party_id": one, **tried})
        for one, mark in ((party, "Askmark"), (victim, "Vicmark"), (parts["subject"][0], "Subjectmark")):
            changed = {"party_id": one, "person": {"telephone": f"{mark}telephone2", "access_needs": None}}
            await officer.must_post(f"{address}/persons", changed)
        spoken = {name: f"Askmark{name}" for name in ("place", "identity_verified_by", "details", "suitable_adult")}
        await face_to_face.meet(world, case, **spoken, safeguarding_advice="Askmarkadvice")
        await final_report.support_given(world, case, party, services="Askmarkservices")
        plan = {
            "potential_victim_id": victim,
            "keeps_safe": "Locks changed.",
            "contact": "Vicmarkmeans, by the officer",
        }
        day = f"{world.now:%Y-%m-%d}"
        await officer.must_post(
            f"{address}/interim-plans", {**plan, "clocks": ["whole_case"], "contact_every_days": 3, "review_on": day}
        )

    async def close(self) -> None:
        """The closing report, written from the record, and the case closed."""
        place_at(self.world, self.case, Stage.FINAL_REPORT)
        await final_report.write_report(self.world, self.case)
        place_at(self.world, self.case, Stage.CLOSED)

    def path(self, route: APIRoute) -> str:
        """The address of a route with ids that are there, where any are."""
        known = {"case_id": self.case, "meeting_id": self.item.meeting_id, "item_id": self.item.id}
        tables = {"clock_id": "clock", "decision_id": "forum_decision", "report_id": "final_report"}
        path = route.path
        for name in [part[1:-1] for part in path.split("/") if part.startswith("{") and part.endswith("}")]:
            rows = self.world.rows(f"SELECT id FROM {tables[name]} LIMIT 1") if name in tables else []
            path = path.replace(f"{{{name}}}", known.get(name, str(rows[0]["id"]) if rows else str(uuid4())))
        return path.replace("{name}", "statutory-2023").replace("{division}", "england-and-wales")

    async def read_by(self, key: str) -> dict[str, bytes]:
        """Everything that one person can read: every route that lets the person read, and every search."""
        person, found = self.world.as_(key), {}
        may = {one for role in STAFF[key].roles for one in PERMISSIONS[Role(role)]}
        for route in doors():
            if "GET" in (route.methods or ()) and permission_of(route) in may - OF_NO_CASE:
                path = self.path(route)
                answer = await person.get(path)
                assert answer.status_code < 500, (path, answer.text)
                found[path] = answer.content + str(answer.headers).encode()
        feed = await person.post("/v1/calendar-feeds")
        if feed.status_code == 201:
            found["feed"] = (await self.world.nobody().get(feed.json()["path"])).content
        for mark in ("Askmark", "Othermark", "Vicmark", "Subjectmark"):
            for name in ("surname", "alias"):
                body = {"surname": f"{mark}{name}"}
                found[f"search {mark}{name}"] = (await person.post("/v1/applications/search", body)).content
            whole = {"surname": f"{mark}surname", "born": "1971-03-04"}
            found[f"/v1/final-reports of {mark}"] = (await person.post("/v1/final-reports/search", whole)).content
        found["search by part"] = (
            await person.post("/v1/applications/search", {"surname": "Askmarksurname", "role": "applicant"})
        ).content
        reference = self.world.rows("SELECT reference FROM application WHERE id = %s", self.case)[0]["reference"]
        found["search by reference"] = (await person.post("/v1/applications/search", {"reference": reference})).content
        return found


async def three_sides(world: World) -> Sides:
    """A case that a third party opened and another joined, on the agenda of a sitting forum."""
    case = await intake.opened(world, asks(world, "Askmark"))
    await intake.opened(world, asks(world, "Othermark"))
    await initial_checks.all_checks(world, case)
    place_at(world, case, Stage.CATEGORISATION)
    await categorisation.to_forum(world, case)
    return Sides(world, case, await forum.sitting(world, case))
