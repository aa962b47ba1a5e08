"""The verbatim record: kept whatever was wrong, byte for byte, and changed by nobody (H7.2, H2.10)."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.storage.migrations import conninfo
from tests.arrange import emergency_authority, forum_decision, text_of
from tests.ready import Ready, flags, made_ready
from tests.steps import disclosure as steps
from tests.steps import final_report, intake
from tests.world import STAFF, World


@pytest.fixture
async def ready(world: World) -> AsyncIterator[Ready]:
    yield await made_ready(world)


async def read(ready: Ready, record: str, *, by: str = "officer") -> dict[str, Any]:
    shown: dict[str, Any] = await ready.world.as_(by).must_get(steps.path(ready.case, f"disclosures/{record}"))
    return shown


async def test_a_delivery_without_clearance_is_kept_verbatim_and_flagged(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    receipt = await steps.disclose(world, case, steps.told(victim, undertaking="refused", warnings_given=[]))
    assert receipt["stage"] == "initial_checks"
    assert flags(receipt) == {
        "not_cleared",
        "no_standing_decision",
        "no_current_safety_plan",
        "subject_not_identified",
        "no_items",
        "warnings_not_given",
        "refusal_not_reconsidered",
    }
    owed = world.rows("SELECT kind FROM duty WHERE about_id = %s AND answered_at IS NULL", receipt["id"])
    assert {row["kind"] for row in owed} == {"supervisor_review"}
    shown = await world.as_("officer").must_get(steps.path(case, f"disclosures/{receipt['id']}"))
    assert shown["words"] == steps.WORDS
    assert not shown["carries_out_decision"]
    clock = world.rows("SELECT met_at FROM clock WHERE case_id = %s AND kind = 'whole_case'", case)[0]
    assert clock["met_at"] is None, "the decision is still to be taken and carried out"


async def test_a_decision_carried_out_without_clearance_concludes_and_is_flagged(ready: Ready) -> None:
    receipt = await steps.disclose(ready.world, ready.case, ready.told())
    assert flags(receipt) == {"not_cleared"}
    assert ready.state() == ("final_report", "disclosed")
    assert ready.whole_case()["met_at"] == ready.world.now


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"nothing_handed_over": False}, "something_handed_over"),
        ({"signed_by_deliverer": False}, "not_signed_by_deliverer"),
        ({"interpreter": {"name": "R. Cole", "approved": True, "is_family": True}}, "interpreter_is_family"),
        ({"interpreter": {"name": "R. Cole", "approved": False, "is_family": False}}, "interpreter_not_approved"),
        ({"delivered_by": str(STAFF["officer2"].id)}, "deliverer_not_cleared"),
        ({"warnings_given": []}, "warnings_not_given"),
    ],
)
async def test_what_went_wrong_in_the_telling_is_flagged(ready: Ready, changed: dict[str, Any], wrong: str) -> None:
    cleared = await steps.clear(ready.world, ready.case, ready.body())
    receipt = await steps.disclose(ready.world, ready.case, ready.told(clearance_id=cleared, **changed))
    assert flags(receipt) == {wrong}


async def test_another_recipient_and_other_items_than_were_cleared(ready: Ready) -> None:
    cleared = await steps.clear(ready.world, ready.case, ready.body())
    more = await steps.prepare(ready.world, ready.case)
    body = ready.told(clearance_id=cleared) | {
        "recipient_id": None,
        "recipient_described": "Her neighbour, who opened",
        "item_ids": [ready.item, more],
    }
    receipt = await steps.disclose(ready.world, ready.case, body)
    assert flags(receipt) == {"recipient_not_cleared", "recipient_not_decided", "items_not_cleared"}
    assert ready.state() == ("disclosure", None), "the potential victim is still to be told"
    logged = ready.world.rows("SELECT recipient FROM access_log WHERE category = 'disclosure'")
    assert [str(row["recipient"]) for row in logged] == [receipt["id"]]


async def test_cleared_yesterday_or_afterwards_or_once_before(ready: Ready) -> None:
    before = ready.world.now
    ready.world.forward(hours=1)
    cleared = await steps.clear(ready.world, ready.case, ready.body())
    early = await steps.disclose(
        ready.world, ready.case, ready.told(clearance_id=cleared, occurred_at=before.isoformat())
    )
    assert "cleared_afterwards" in flags(early)
    ready.world.forward(days=1)
    late = await steps.disclose(ready.world, ready.case, ready.told(clearance_id=cleared))
    assert flags(late) == {"cleared_on_another_day", "clearance_used"}


async def test_a_spent_item_told_is_flagged_on_the_day_it_was_told(ready: Ready) -> None:
    item = await steps.prepare(ready.world, ready.case, steps.conviction("2019-06-03"))
    receipt = await steps.disclose(ready.world, ready.case, ready.told() | {"item_ids": [item]})
    assert flags(receipt) == {"not_cleared", "item_spent"}


async def test_a_partner_delivers_and_the_police_record_it_the_same_day(world: World) -> None:
    ready = await made_ready(world)
    account = {"agency": "IDVA service", "name": "S. Rahman", "account": "I said the words.", "account_signed": True}
    asked = ready.body(delivered_by=None, partner_deliverer="S. Rahman, IDVA service")
    cleared = await steps.clear(world, ready.case, asked)
    told = {"delivered_by": None, "partner": account, "clearance_id": cleared}
    receipt = await steps.disclose(world, ready.case, ready.told(**told))
    assert flags(receipt) == set()
    shown = await read(ready, receipt["id"])
    assert shown["partner"] == account
    happened = world.now
    world.forward(days=1)
    told["partner"] = account | {"account_signed": False}
    late = ready.told(**told, occurred_at=happened.isoformat(), supersedes_id=receipt["id"])
    assert flags(await steps.disclose(world, ready.case, late)) == {"account_not_signed", "partner_recorded_late"}


async def test_a_correction_supersedes_and_is_no_further_delivery(ready: Ready) -> None:
    cleared = await steps.clear(ready.world, ready.case, ready.body())
    first = await steps.disclose(ready.world, ready.case, ready.told(clearance_id=cleared))
    met = ready.whole_case()
    ready.world.forward(hours=2)
    corrected = ready.told(
        clearance_id=cleared,
        words="In 2024, not 2025.",
        supersedes_id=first["id"],
        occurred_at=met["met_at"].isoformat(),
    )
    receipt = await steps.disclose(ready.world, ready.case, corrected)
    assert flags(receipt) == set()
    assert ready.whole_case() == met
    assert (await read(ready, first["id"]))["words"] == steps.WORDS
    listed = await ready.world.as_("officer").must_get(steps.path(ready.case, "disclosures"))
    assert [one["supersedes_id"] for one in listed] == [None, first["id"]]
    assert all("words" not in one for one in listed)
    assert len(ready.world.rows("SELECT 1 FROM access_log WHERE category = 'disclosure'")) == 1
    with ready.world.unchanged():
        nothing = await ready.world.as_("officer").post(
            steps.path(ready.case, "disclosures"), ready.told(supersedes_id=ready.case)
        )
    assert nothing.status_code == 422


async def test_a_correction_that_names_another_recipient_is_a_disclosure_to_that_one(ready: Ready) -> None:
    def told() -> list[str]:
        query = "SELECT recipient FROM access_log WHERE category = 'disclosure' ORDER BY logged_at"
        return [str(row["recipient"]) for row in ready.world.rows(query)]

    first = await steps.disclose(ready.world, ready.case, ready.told())
    other = {"recipient_id": None, "recipient_described": "The potential victim's sister"}
    second = await steps.disclose(ready.world, ready.case, ready.told(**other, supersedes_id=first["id"]))
    assert told() == [ready.victim, second["id"]], "one who is no party is known by the record that describes them"
    third = await steps.disclose(
        ready.world, ready.case, ready.told(**other, words="Something else.", supersedes_id=second["id"])
    )
    assert len(told()) == 2, "the same person was told once"
    await steps.disclose(ready.world, ready.case, ready.told(supersedes_id=third["id"]))
    assert told() == [ready.victim, second["id"], ready.victim]


async def test_an_emergency_delivery_before_the_forum_has_reviewed_it(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    world.execute("UPDATE application SET subject_identified_at = %s WHERE id = %s", world.now, case)
    authority = emergency_authority(world, case, victim, recipient=victim)
    receipt = await steps.deliver(world, case, victim, authority)
    assert (flags(receipt), receipt["stage"]) == (set(), "forum")
    query = "SELECT met_at FROM clock WHERE case_id = %s AND kind = 'whole_case'"
    met = world.rows(query, case)
    assert [row["met_at"] for row in met] == [world.now]
    world.forward(days=2)
    forum_decision(world, case, victim, disclose=False)
    await final_report.write_report(world, case)
    ended = world.rows("SELECT stage, outcome FROM application WHERE id = %s", case)[0]
    assert (ended["stage"], ended["outcome"]) == ("final_report", "disclosed")
    assert world.rows(query, case) == met


async def test_a_young_recipient_has_a_suitable_adult_there(ready: Ready) -> None:
    ready.world.execute("UPDATE person SET born = '2009-01-01' WHERE surname = 'Tarrant'")
    assert "suitable adult" in await ready.refused("no_suitable_adult")
    cleared = await steps.clear(ready.world, ready.case, ready.body(suitable_adult="Her aunt"))
    receipt = await steps.disclose(ready.world, ready.case, ready.told(clearance_id=cleared))
    assert flags(receipt) == {"no_suitable_adult"}


async def test_a_crime_alleged_opens_its_duty(ready: Ready) -> None:
    await steps.disclose(ready.world, ready.case, ready.told(crime_alleged=True))
    assert ready.world.rows("SELECT 1 FROM duty WHERE kind = 'crime'")


async def test_only_those_who_may_read_the_words(ready: Ready) -> None:
    receipt = await steps.disclose(ready.world, ready.case, ready.told())
    with ready.world.unchanged():
        answer = await ready.world.as_("control_room").get(steps.path(ready.case, f"disclosures/{receipt['id']}"))
    assert answer.status_code == 403
    assert steps.WORDS not in answer.text


@pytest.mark.parametrize("change", ["UPDATE disclosure SET words_sealed = 'other'", "DELETE FROM disclosure"])
async def test_the_database_refuses_every_change(ready: Ready, change: str) -> None:
    await steps.disclose(ready.world, ready.case, ready.told())
    with psycopg.connect(conninfo(ready.world.url)) as connection:  # as the superuser, who is under no policy
        with pytest.raises(psycopg.errors.RestrictViolation, match="kept as it was written"):
            connection.execute(change.encode())
        connection.rollback()
        connection.execute("SET ROLE clares_law_owner")
        connection.execute("ALTER TABLE disclosure NO FORCE ROW LEVEL SECURITY")
        with pytest.raises(psycopg.errors.RestrictViolation, match="a correction is a new record"):
            connection.execute(change.encode())
        connection.rollback()
        connection.execute("SET ROLE clares_law_app")
        connection.execute("SELECT set_config('app.force_id', 'northmoor', true)")
        connection.execute("SELECT set_config('app.withheld', '{}', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(change.encode())


async def test_a_copy_of_a_record_under_another_id_does_not_open(ready: Ready) -> None:
    await steps.disclose(ready.world, ready.case, ready.told())
    ready.world.execute(
        "INSERT INTO disclosure SELECT (jsonb_populate_record(d, jsonb_build_object('id', %s::text))).* "
        "FROM disclosure d",
        forged := str(uuid4()),
    )
    answer = await ready.world.as_("officer").get(steps.path(ready.case, f"disclosures/{forged}"))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:clares-law:problem:seal_broken")
    assert steps.WORDS not in answer.text


HARD = [
    "line\r\nline\rline\n",
    " trailing \t \u00a0\u2003 ",
    "e\u0301 is not \u00e9",
    "\U0001f469\u200d\U0001f467 \U0001f6d1",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "\ufeffmark, escape \x1b[0m, delete \x7f, \u2028 \ufffe \uffff",
    '\\u0041 \\n "quoted" \'; DROP TABLE x; --',
]
anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=80)


async def test_what_goes_in_comes_out_byte_for_byte(ready: Ready) -> None:
    texts = [*HARD, *_samples()]
    for words in texts:
        body = ready.told(words=words, beyond_script=words)
        receipt = await steps.disclose(ready.world, ready.case, body)
        shown = await read(ready, receipt["id"])
        assert shown["words"].encode() == words.encode()
        assert shown["beyond_script"] == words
        assert shown["sha256"] == hashlib.sha256(words.encode()).hexdigest()
        assert shown["byte_length"] == len(words.encode())
        assert text_of(ready.world, "disclosure", "words", receipt["id"]) == words


def _samples() -> list[str]:
    found: list[str] = []

    @settings(max_examples=15, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(anything)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


@pytest.mark.parametrize("words", ["", "nul \u0000", "x" * 100_001])
async def test_what_no_record_can_keep_is_refused(ready: Ready, words: str) -> None:
    before = ready.world.snapshot()
    answer = await ready.world.as_("officer").post(steps.path(ready.case, "disclosures"), ready.told(words=words))
    assert answer.status_code == 422
    assert ready.world.snapshot() == before


async def test_half_a_surrogate_pair_is_refused(ready: Ready) -> None:
    raw = '{"words": "\\ud800"}'
    answer = await ready.world.http.post(
        steps.path(ready.case, "disclosures"),
        content=raw,
        headers={"Authorization": f"Bearer {ready.world.as_('officer').token}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 422


async def test_a_hundred_thousand_characters_are_kept(ready: Ready) -> None:
    words = "\u00e9" * 100_000
    receipt = await steps.disclose(ready.world, ready.case, ready.told(words=words))
    shown = await read(ready, receipt["id"])
    assert (shown["words"], shown["byte_length"]) == (words, 200_000)


async def test_two_potential_victims_conclude_one_by_one(world: World) -> None:
    body = intake.right_to_ask(world)
    body["potential_victims"].append(intake.SECOND_VICTIM)
    case = await intake.opened(world, body)
    parties = intake.parties(world, case)
    first, second = parties["potential_victim"]
    applicant = str(world.rows("SELECT id FROM party WHERE is_applicant")[0]["id"])
    told, untold = (first, second) if first == applicant else (second, first)
    world.execute("UPDATE application SET subject_identified_at = %s", world.now)
    decision = forum_decision(world, case, told, disclose=True, recipient=told)
    forum_decision(world, case, untold, disclose=False)
    receipt = await steps.deliver(world, case, told, decision)
    assert (flags(receipt), receipt["stage"]) == (set(), "disclosure")
    world.forward(hours=3)
    closed = await steps.notice(world, case, [untold], told_id=applicant)
    assert (flags(closed), closed["stage"]) == (set(), "final_report")
    row = world.rows(
        "SELECT outcome, met_at FROM application JOIN clock ON case_id = application.id WHERE kind = 'whole_case'"
    )[0]
    assert (row["outcome"], row["met_at"]) == ("disclosed", world.now)
