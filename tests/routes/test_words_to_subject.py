"""Words spoken to the subject: kept with what authorised them, flagged where nothing did (H5.5, H6.3, H2.7, H2.10)."""

from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import errors

from app.process import Stage
from app.storage.engine import DatabaseRole
from app.storage.migrations import conninfo
from tests.arrange import place_at, version_of
from tests.ready import flags, identified
from tests.steps import disclosure as steps
from tests.steps import final_report, forum, intake
from tests.world import OWN, STAFF, World

SETTLED = "The police hold information about your conduct.\n\nThey have decided that somebody is told of it."


@dataclass
class Told:
    """A case whose forum decided to disclose, and that the subject is told."""

    world: World
    case: str
    victim: str
    decision: str

    async def say(self, words: str = SETTLED, **changed: Any) -> dict[str, Any]:
        return await steps.tell_subject(self.world, self.case, words, decision_id=self.decision, **changed)

    async def file(self, by: str = "officer") -> dict[str, Any]:
        shown: dict[str, Any] = await self.world.as_(by).must_get(f"/v1/applications/{self.case}")
        return shown

    async def owed(self) -> tuple[bool, bool]:
        """Whether the case file shows the telling among its duties, and among its next steps."""
        file = await self.file()
        return (
            any(duty["kind"] == "subject_to_be_told" for duty in file["duties"]),
            any(step["action"] == "tell_subject" for step in file["what_next"]),
        )


@pytest.fixture
async def decided(world: World) -> Told:
    case = await forum.waiting(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    item = await forum.sitting(world, case)
    told = {"subject_to_be_told": True, "words_for_subject": SETTLED}
    return Told(world, case, victim, await forum.disclosing(world, item, victim, **told))


async def delivered(told: Told) -> None:
    """The potential victim hears first."""
    identified(told.world, told.case)
    await steps.deliver(told.world, told.case, told.victim, told.decision)


async def sought(world: World, case: str, **changed: Any) -> str:
    """A supervisor has the subject's representations sought."""
    body = {"choice": "sought", "reason": "There is time.", "words": SETTLED, **changed}
    address, headers = f"/v1/applications/{case}/representations", version_of(world, case)
    return str((await world.as_("supervisor").must_post(address, body, headers=headers))["id"])


async def test_the_subject_is_told_once_every_potential_victim_has_been(decided: Told) -> None:
    assert await decided.owed() == (True, False)
    told = await decided.say(occurred_at=decided.world.now.isoformat())
    assert flags(told) == {"subject_told_first"}
    [kept] = await decided.world.as_("officer").must_get(steps.path(decided.case, "words-to-subject"))
    assert kept["words"] == SETTLED


async def test_only_those_read_the_words_who_read_what_was_disclosed(decided: Told) -> None:
    await decided.say(occurred_at=decided.world.now.isoformat())
    address = steps.path(decided.case, "words-to-subject")
    assert (await decided.world.as_("standards").get(address)).status_code == 200
    for key in ("control_room", "intelligence"):
        with decided.world.unchanged(refusals=1):
            assert (await decided.world.as_(key).get(address)).status_code == 403


async def test_the_forums_decision_is_owed_until_the_words_are_recorded(decided: Told) -> None:
    await delivered(decided)
    assert await decided.owed() == (True, True)
    told = await decided.say(answer="He said that he had expected it.", occurred_at=decided.world.now.isoformat())
    assert flags(told) == set()
    assert await decided.owed() == (False, False)
    [kept] = await decided.world.as_("officer").must_get(steps.path(decided.case, "words-to-subject"))
    expected = {
        "decision_id": decided.decision,
        "representations_id": None,
        "potential_victim_id": decided.victim,
        "spoken_by": str(STAFF["officer"].id),
        "recorded_by": str(STAFF["officer"].id),
        "partner": None,
        "words": SETTLED,
        "answer": "He said that he had expected it.",
    }
    assert {name: kept[name] for name in expected} == expected


async def test_where_the_subject_is_not_to_be_told_nothing_is_owed(world: World) -> None:
    case = await forum.waiting(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    decision = await forum.disclosing(world, await forum.sitting(world, case), victim)
    now = Told(world, case, victim, decision)
    assert await now.owed() == (False, False)
    assert flags(await now.say()) == {"words_decided_against"}


async def test_the_case_does_not_close_over_it_and_a_supervisor_may_say_why_it_need_not_be(decided: Told) -> None:
    world, case = decided.world, decided.case
    identified(world, case)
    await steps.deliver(world, case, decided.victim, decided.decision)
    file = await decided.file()
    assert file["stage"] == "final_report"
    assert "subject_to_be_told" in {one["code"] for one in file["blocks_closing"]}
    assert await decided.owed() == (True, True)
    duty = next(one["id"] for one in file["duties"] if one["kind"] == "subject_to_be_told")
    address, body = f"/v1/applications/{case}/duties/{duty}/answer", {"answer": "He has left the country for good."}
    with world.unchanged():
        refused = await world.as_("officer").post(address, body)
    assert refused.status_code == 403, refused.text
    await world.as_("supervisor").must_post(address, body)
    assert await decided.owed() == (False, False)
    assert "subject_to_be_told" not in {one["code"] for one in (await decided.file())["blocks_closing"]}
    world.forward(hours=1)
    assert flags(await decided.say()) == {"authority_had_ended"}


async def test_a_decision_returned_to_the_forum_owes_it_no_longer_and_authorises_nothing(decided: Told) -> None:
    await forum.returned(decided.world, decided.case, decided.victim)
    assert await decided.owed() == (False, False)
    decided.world.forward(hours=1)
    assert flags(await decided.say()) == {"authority_had_ended", "subject_told_first"}


async def test_nobody_tells_a_subject_who_has_died(decided: Told) -> None:
    await final_report.subject_deceased(decided.world, decided.case)
    assert await decided.owed() == (False, False)


async def test_words_spoken_before_the_decision_are_kept_flagged_and_do_not_answer_it(decided: Told) -> None:
    early = (decided.world.now).replace(hour=0).isoformat()
    receipt = await decided.say("Ms Tarrant has asked us about you.", occurred_at=early)
    expected = {"words_identify_applicant", "spoken_before_authority", "words_not_as_settled", "before_first_contact"}
    expected.add("subject_told_first")
    assert flags(receipt) == expected
    assert await decided.owed() == (True, False)
    owed = decided.world.rows("SELECT kind FROM duty WHERE about_id = %s AND answered_at IS NULL", receipt["id"])
    assert [row["kind"] for row in owed] == ["supervisor_review"] * len(expected)


async def test_other_words_than_those_settled_are_flagged_and_where_lines_break_is_not_another_word(
    decided: Told,
) -> None:
    await delivered(decided)
    assert flags(await decided.say(" ".join(SETTLED.split()))) == set()
    assert flags(await decided.say("We know what you did.")) == {"words_not_as_settled"}


async def test_words_that_nothing_authorised_are_kept_at_any_stage(world: World) -> None:
    case = await intake.opened(world)
    receipt = await steps.tell_subject(world, case, "Somebody has asked about you.", crime_alleged=True)
    assert flags(receipt) == {"words_not_authorised"}
    assert receipt["stage"] == "initial_checks"
    open_ones = world.rows("SELECT kind FROM duty WHERE case_id = %s AND kind = 'crime'", case)
    assert len(open_ones) == 1
    for stage in (Stage.FINAL_REPORT, Stage.CLOSED):
        place_at(world, case, stage)
        late = await steps.tell_subject(world, case, "Somebody has asked about you.")
        assert flags(late) == {"words_not_authorised", "case_concluded"}


async def test_seeking_representations_authorises_the_words_until_it_is_decided_anew(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    asked = await sought(world, case, potential_victim_id=victim)
    by_partner = {"representations_id": asked, "partner": "Probation practitioner"}
    assert flags(await steps.tell_subject(world, case, SETTLED, **by_partner)) == set()
    [kept] = await world.as_("officer").must_get(steps.path(case, "words-to-subject"))
    assert (kept["spoken_by"], kept["partner"]) == (None, "Probation practitioner")
    assert kept["potential_victim_id"] == victim
    world.forward(hours=1)
    not_sought = {"choice": "not_sought", "reason": "He has threatened her since."}
    address = f"/v1/applications/{case}/representations"
    unasked = (await world.as_("officer").must_post(address, not_sought, headers=version_of(world, case)))["id"]
    assert flags(await steps.tell_subject(world, case, SETTLED, representations_id=asked)) == {"authority_had_ended"}
    against = await steps.tell_subject(world, case, SETTLED, representations_id=unasked)
    assert flags(against) == {"words_decided_against"}


async def test_the_wrong_potential_victim_and_somebody_of_another_force(world: World) -> None:
    case = await intake.opened(world, forum.two_victims(world))
    first, second = intake.parties(world, case)["potential_victim"]
    asked = await sought(world, case, potential_victim_id=first)
    elsewhere = {"potential_victim_id": second, "spoken_by": str(STAFF["other_officer"].id)}
    receipt = await steps.tell_subject(world, case, SETTLED, representations_id=asked, **elsewhere)
    assert flags(receipt) == {"authority_for_another", "deliverer_not_of_force"}


async def test_late_typing_is_flagged_and_the_future_refused(decided: Told) -> None:
    world = decided.world
    await delivered(decided)
    spoken = world.now
    world.forward(days=9)
    receipt = await decided.say(occurred_at=spoken.isoformat())
    assert flags(receipt) == {"late_entry"}
    [kept] = await world.as_("officer").must_get(steps.path(decided.case, "words-to-subject"))
    assert kept["occurred_at"] < kept["recorded_at"]
    tomorrow = {"place": "Station", "words": SETTLED, "occurred_at": world.now.replace(year=2027).isoformat()}
    with world.unchanged():
        answer = await world.as_("officer").post(steps.path(decided.case, "words-to-subject"), tomorrow)
    assert answer.status_code == 422, answer.text


async def test_the_shape_of_words_to_the_subject(decided: Told) -> None:
    world, case = decided.world, decided.case
    other = await intake.opened(world, intake.right_to_know(world, potential_victims=[intake.SECOND_VICTIM]))
    elsewhere = await sought(world, other)
    said = {"place": "Station", "words": SETTLED}
    nobody = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"
    bodies: list[dict[str, Any]] = [
        {"place": "Station"},
        {"words": SETTLED},
        {**said, "decision_id": decided.decision, "representations_id": elsewhere},
        {**said, "spoken_by": str(STAFF["officer"].id), "partner": "Probation practitioner"},
        {**said, "representations_id": elsewhere},
        {**said, "decision_id": nobody},
        {**said, "spoken_by": nobody},
        {**said, "potential_victim_id": nobody},
    ]
    for body in bodies:
        with world.unchanged():
            answer = await world.as_("officer").post(steps.path(case, "words-to-subject"), body)
        assert answer.status_code == 422, (body, answer.text)


async def test_another_force_finds_nothing_and_the_control_room_may_not(decided: Told) -> None:
    address, body = steps.path(decided.case, "words-to-subject"), {"place": "Station", "words": SETTLED}
    with decided.world.unchanged(refusals=2):
        elsewhere = await decided.world.as_("other_officer").post(address, body)
        barred = await decided.world.as_("control_room").post(address, body)
    assert (elsewhere.status_code, barred.status_code) == (404, 403)


async def test_nobody_changes_or_deletes_a_record_and_the_timeline_tells_no_word_of_it(decided: Told) -> None:
    world = decided.world
    await decided.say(answer="He wept.")
    told = world.rows("SELECT sentence FROM event WHERE kind = 'words_to_subject'")
    assert [row["sentence"] for row in told] == [
        "The subject was told, on a decision of the forum; the words are kept."
    ]
    logged = world.rows("SELECT category, recipient FROM access_log WHERE action = 'record_delivery' AND NOT refused")
    subject = intake.parties(world, decided.case)["subject"][0]
    assert [(row["category"], str(row["recipient"])) for row in logged] == [("disclosure", subject)]
    for statement in ("UPDATE words_to_subject SET words_sealed = 'x'", "DELETE FROM words_to_subject"):
        with pytest.raises(errors.RestrictViolation, match="kept as it was written"):
            world.execute(statement)
        with (
            psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.APP.value}") as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT set_config('app.force_id', %s, true)", [OWN])
            connection.execute(statement.encode())
