"""Risk moves the clock: the order of the worklist, targets, and the alerts of an urgent case (H2.6, H11)."""

from typing import Any

from app.process import Stage
from tests.arrange import place_at
from tests.steps import face_to_face, initial_checks, intake
from tests.world import World

IMMEDIATE = {"grade": "high", "immediate": True, "reason": "He is at the door."}


async def opened(world: World, name: str, grade: str | None, *, immediate: bool = False) -> str:
    """A case about a subject of that name, graded or not."""
    risk = None if grade is None else {"grade": grade, "immediate": immediate, "reason": "On what is known."}
    subject = {**intake.SUBJECT, "surname": name}
    return await intake.opened(world, intake.right_to_ask(world, subject=subject, risk=risk))


async def worklist(world: World, **params: Any) -> list[dict[str, Any]]:
    """Every page of the worklist."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await world.as_("officer").must_get("/v1/applications", params={"limit": 2, **params, **cursor})
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def regrade(world: World, case: str, grade: str, **changed: Any) -> Any:
    body = {"grade": grade, "reason": "New information.", **changed}
    return await world.as_("officer").must_post(f"/v1/applications/{case}/risk-grades", body)


def clock(world: World, case: str, kind: str) -> dict[str, Any]:
    return world.rows("SELECT * FROM clock WHERE case_id = %s AND kind = %s", case, kind)[0]


async def test_the_worklist_stands_by_risk_then_by_time_left(world: World) -> None:
    names: dict[str, str] = {}
    for name, grade in (
        ("Standard", "standard"), ("Medium", "medium"), ("Ungraded", None), ("High", "high"), ("Latest", "high"),
        ("Urgent", "standard"),
    ):  # fmt: skip
        names[await opened(world, name, grade, immediate=name == "Urgent")] = name
        world.forward(minutes=1)
    wanted = ["Urgent", "High", "Latest", "Ungraded", "Medium", "Standard"]
    rows = await worklist(world)
    assert [names[one["id"]] for one in rows] == wanted
    assert [one["current_grade"] for one in rows] == ["standard", "high", "high", None, "medium", "standard"]
    assert "sorted_by" not in rows[0]
    world.forward(days=40)
    assert [names[one["id"]] for one in await worklist(world)] == wanted  # time passes; pages stay as they were


async def test_a_grade_given_at_any_step_moves_the_case_and_nobody_ungraded_counts_as_safe(world: World) -> None:
    first = await opened(world, "First", "medium")
    world.forward(minutes=1)
    second = await opened(world, "Second", "medium")
    assert [one["id"] for one in await worklist(world)] == [first, second]
    await regrade(world, second, "high")
    assert [one["id"] for one in await worklist(world)] == [second, first]
    await regrade(world, second, "standard")
    assert [one["id"] for one in await worklist(world)] == [first, second]
    victim = intake.parties(world, second)["potential_victim"][0]
    await regrade(world, second, "medium", potential_victim_id=victim)
    assert [one["current_grade"] for one in await worklist(world)] == ["medium", "medium"]


async def test_a_target_counts_from_the_grade_that_rules_and_not_from_a_newer_of_another(world: World) -> None:
    body = intake.right_to_ask(
        world, potential_victims=[{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM], risk=None
    )
    case = await intake.opened(world, body)
    first, second = intake.parties(world, case)["potential_victim"]
    earlier = world.forward(hours=1)
    world.forward(days=2)
    await regrade(world, case, "standard", potential_victim_id=second)
    await regrade(world, case, "high", potential_victim_id=first, occurred_at=earlier.isoformat())
    [row] = world.rows("SELECT current_grade, graded_at FROM application WHERE id = %s", case)
    assert row == {"current_grade": "high", "graded_at": earlier}
    assert clock(world, case, "face_to_face")["risk_since"] == earlier


async def test_what_no_clock_presses_comes_last_of_its_rank_and_is_still_paged(world: World) -> None:
    cases = [await opened(world, name, "medium") for name in ("A", "B", "C", "D", "E")]
    for case in cases[:3]:
        world.execute(
            "UPDATE clock SET ended_at = %s, ended_because = 'withdrawal', next_alert_at = NULL WHERE case_id = %s",
            world.now,
            case,
        )
    seen = [one["id"] for one in await worklist(world)]
    assert seen == [*sorted(cases[3:]), *sorted(cases[:3])]
    place_at(world, cases[0], Stage.CLOSED)
    assert [one["id"] for one in await worklist(world, stage="closed")] == [cases[0]]
    assert len(await worklist(world)) == 4


async def test_the_case_carries_what_presses_whatever_changes_the_clock(world: World) -> None:
    case = await opened(world, "Merrick", "medium")

    def pressing() -> Any:
        return world.rows("SELECT pressing_at FROM application WHERE id = %s", case)[0]["pressing_at"]

    assert pressing() == clock(world, case, "initial_checks")["due_at"]
    await initial_checks.progressed(world, case)
    assert pressing() == clock(world, case, "face_to_face")["due_at"]
    await regrade(world, case, "high")
    assert pressing() == clock(world, case, "face_to_face")["target_at"]


async def test_a_higher_grade_sets_a_target_beside_the_limit_and_a_lower_one_leaves_it(world: World) -> None:
    case = await opened(world, "Merrick", "medium")
    before = clock(world, case, "face_to_face")
    assert before["target_at"] is None
    await regrade(world, case, "high")
    shown = {one["kind"]: one for one in (await world.as_("officer").must_get(f"/v1/applications/{case}"))["clocks"]}[
        "face_to_face"
    ]
    assert (shown["target_on"], shown["due_on"]) == ("2026-05-12", "2026-05-19")
    assert "because the risk is high" in shown["target_because"]
    events = (await world.as_("officer").must_get(f"/v1/applications/{case}/timeline"))["items"]
    assert [one["kind"] for one in events].count("target_tightened") == 1

    await regrade(world, case, "standard")
    assert clock(world, case, "face_to_face")["target_on"].isoformat() == "2026-05-12"  # the safer is followed (H2.0)
    world.forward(days=1)
    await regrade(world, case, "high", immediate=True)
    after = clock(world, case, "face_to_face")
    assert after["target_on"].isoformat() == "2026-05-08"
    assert {name: after[name] for name in ("due_on", "due_at", "started_at")} == {
        name: before[name] for name in ("due_on", "due_at", "started_at")
    }


async def test_a_clock_that_starts_later_takes_the_risk_that_is_known_by_then(world: World) -> None:
    case = await opened(world, "Merrick", "high")
    assert clock(world, case, "risk_assessment")["target_at"] is None  # projected (H9.2)
    await initial_checks.progressed(world, case, risk={"grade": "high", "reason": "As before."})
    await face_to_face.meet(world, case)
    started = clock(world, case, "risk_assessment")
    assert (started["risk"], started["target_on"].isoformat()) == ("high", "2026-05-08")


async def test_a_target_alerts_and_its_passing_is_no_breach(world: World) -> None:
    case = await opened(world, "Merrick", "medium")
    await initial_checks.progressed(world, case)
    await regrade(world, case, "high")
    world.forward(days=8)  # Wednesday 13 May: the target of the meeting was the 12th, its limit is the 19th
    await world.sweep()
    sent = world.rows(
        "SELECT rung, level, due_on::text, superseded FROM alert WHERE clock_kind = 'face_to_face' AND case_id = %s",
        case,
    )
    assert {(one["rung"], one["level"], one["due_on"]) for one in sent if not one["superseded"]} == {
        ("target_missed", "officer", "2026-05-12"),
        ("target_missed", "supervisor", "2026-05-12"),
        ("due_soon-5d", "officer", "2026-05-19"),  # what is said of the target says nothing of the limit
    }
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    assert {one["kind"]: one["state"] for one in file["clocks"]}["face_to_face"] == "running"
    assert file["late"] is False


async def test_from_the_moment_a_case_is_urgent_its_own_ladder_holds(world: World) -> None:
    case = await opened(world, "Merrick", "medium")
    world.forward(hours=7)  # seventeen hours left: nothing has fallen by the usual ladder
    assert await world.sweep() == 0
    await regrade(world, case, "high", immediate=True)
    row = clock(world, case, "initial_checks")
    assert (row["risk"], row["next_alert_at"] <= world.now) == ("urgent", True)
    await world.sweep()
    sent = world.rows("SELECT rung, level FROM alert WHERE clock_kind = 'initial_checks' AND case_id = %s", case)
    assert {(one["rung"], one["level"]) for one in sent} == {
        ("due_soon-18h", "officer"),
        ("due_soon-18h", "supervisor"),
    }
    world.forward(hours=18)
    await world.sweep()
    breached = world.rows("SELECT level FROM alert WHERE rung = 'breached' AND case_id = %s", case)
    assert {one["level"] for one in breached} == {"officer", "supervisor", "head_of_public_protection"}


async def test_a_target_that_has_passed_when_it_is_set_is_told_at_once_and_nothing_is_told_twice(world: World) -> None:
    case = await opened(world, "Merrick", "medium")
    await initial_checks.progressed(world, case)
    found = world.forward(hours=1)
    world.forward(days=7)  # Tuesday 12 May: five working days are left
    await world.sweep()
    told = "SELECT rung, due_on::text, superseded FROM alert WHERE clock_kind = 'face_to_face' AND level = 'officer'"
    before = world.rows(told)
    assert before == [{"rung": "due_soon-5d", "due_on": "2026-05-19", "superseded": False}]
    await regrade(world, case, "high", immediate=True, occurred_at=found.isoformat())
    missed_on = clock(world, case, "face_to_face")["target_on"].isoformat()
    assert missed_on == "2026-05-07"
    await world.sweep()
    new = [one for one in world.rows(told) if one not in before and not one["superseded"]]
    assert new == [{"rung": "target_missed", "due_on": missed_on, "superseded": False}]
    assert len(world.rows(told + " AND rung = 'due_soon-5d' AND due_on = '2026-05-19'")) == 1


async def test_who_is_told_of_an_urgent_case_is_told_of_what_fell_before_and_it_is_chased_sooner(world: World) -> None:
    case = await opened(world, "Merrick", "medium")
    world.forward(hours=12)
    await world.sweep()
    world.forward(hours=1)
    await regrade(world, case, "high", immediate=True)
    row = clock(world, case, "initial_checks")
    assert row["next_alert_at"] <= world.now
    [alert] = world.rows("SELECT chase_at, recorded_at FROM alert WHERE clock_id = %s", row["id"])
    assert (alert["chase_at"] - alert["recorded_at"]).total_seconds() == 3_600
    await world.sweep()
    told = world.rows("SELECT rung, level FROM alert WHERE clock_id = %s AND NOT superseded", row["id"])
    assert sorted((one["rung"], one["level"]) for one in told) == [
        ("due_soon-12h", "officer"),
        ("due_soon-12h", "supervisor"),
    ]


async def test_a_bad_cursor_of_the_worklist_is_refused(world: World) -> None:
    for cursor in ("x", "WyIwIl0=", "WyJ4IiwgIk5vbmUiLCAieSJd"):
        answer = await world.as_("officer").get("/v1/applications", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:clares-law:problem:bad_cursor")
