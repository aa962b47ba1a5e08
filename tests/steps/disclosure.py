"""Driving a case through stage 7 over HTTP: items, clearance at the door, the words, and not disclosing (H7)."""

from typing import Any

from tests.arrange import version_of
from tests.world import STAFF, World

WARNINGS = ["warning_safeguarding_only", "warning_undertaking", "warning_proceedings"]
WORDS = "In 2025 he was convicted of assaulting a partner. Help is there for you, today and later."
NEEDED: dict[str, Any] = {
    "plan_effective_without_disclosure": False,
    "plan_effective_reasons": "She would stay without knowing.",
    "could_be_improved": False,
    "could_be_improved_reasons": "Everything else is in place.",
    "disclosure_needed_for_safety": True,
    "disclosure_needed_reasons": "She cannot protect herself without it.",
}


def path(case_id: str, resource: str) -> str:
    """The address of a resource of a case."""
    return f"/v1/applications/{case_id}/{resource}"


def behaviour(**changed: Any) -> dict[str, Any]:
    """What the own force knows of his conduct."""
    return {
        "kind": "behaviour",
        "text": "Police were called when he had hurt somebody he lived with.",
        "owner": "Own force",
        "owned_elsewhere": False,
        "handling": "P",
        "identifies_earlier_victim_or_source": False,
        **changed,
    }


def conviction(convicted_on: str, sentence: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """A conviction with one sentence: a year in prison, if nothing else is said."""
    passed = sentence or {"type": "prison", "length": {"years": 1}}
    return behaviour(
        **{
            "kind": "conviction",
            "text": "Convicted of assault.",
            "proceeding": {
                "conviction_date": convicted_on,
                "age_at_conviction": "adult",
                "sentences": [{"start": convicted_on, **passed}],
            },
            **changed,
        }
    )


async def prepare(world: World, case_id: str, body: dict[str, Any] | None = None, *, by: str = "officer") -> str:
    """Keep an item and give its id."""
    answer = await world.as_(by).must_post(path(case_id, "items"), body or behaviour())
    return str(answer["id"])


async def agree(world: World, case_id: str, item_id: str, *, by: str = "officer") -> None:
    """The owner agrees to an item's being told."""
    body = {"agreed_by": "Disclosure manager", "reference": "AG/26/114"}
    await world.as_(by).must_post(path(case_id, f"items/{item_id}/agreements"), body)


def clearance(
    world: World, victim: str, decision: str, item_ids: list[str], recipient: str | None = None, **changed: Any
) -> dict[str, Any]:
    """What is asked at the door, the recipient there; told to the potential victim unless somebody else is named."""
    return {
        "potential_victim_id": victim,
        "decision_id": decision,
        "item_ids": item_ids,
        "recipient_id": recipient or victim,
        "delivered_by": str(STAFF["officer"].id),
        "place": "Surgery, consulting room 4",
        "planned_for": world.now.isoformat(),
        "warnings_given": WARNINGS,
        "undertaking": "signed",
        **changed,
    }


async def clear(world: World, case_id: str, body: dict[str, Any], *, by: str = "officer2") -> str:
    """Clear a delivery and give the clearance's id."""
    address = path(case_id, "delivery-clearance")
    answer = await world.as_(by).must_post(address, body, headers=version_of(world, case_id))
    return str(answer["id"])


def told(victim: str, **changed: Any) -> dict[str, Any]:
    """A record of what was said to the potential victim."""
    return {
        "words": WORDS,
        "potential_victim_id": victim,
        "recipient_id": victim,
        "delivered_by": str(STAFF["officer"].id),
        "present": ["Independent domestic violence adviser"],
        "place": "Surgery, consulting room 4",
        "warnings_given": WARNINGS,
        "undertaking": "signed",
        "signed_by_deliverer": True,
        "recipient_signature": "signed",
        "nothing_handed_over": True,
        "pack": "kept_by_police",
        **changed,
    }


async def disclose(world: World, case_id: str, body: dict[str, Any], *, by: str = "officer") -> dict[str, Any]:
    """Record a disclosure; the receipt."""
    answer: dict[str, Any] = await world.as_(by).must_post(path(case_id, "disclosures"), body)
    return answer


async def plan(world: World, case_id: str, victim: str, *, days: int = 30) -> None:
    """A safety plan that is reviewed in so many days."""
    review_on = world.rows("SELECT (%s::timestamptz + %s * interval '1 day')::date AS day", world.now, days)[0]["day"]
    body = {"potential_victim_id": victim, "plan": "Locks changed; code word agreed.", "review_on": str(review_on)}
    await world.as_("officer").must_post(path(case_id, "safety-plans"), body)


async def deliver(
    world: World, case_id: str, victim: str, decision: str, *, recipient: str | None = None, **changed: Any
) -> dict[str, Any]:
    """Prepare an item, clear its delivery and record the words, as it should be; `changed` goes to both forms."""
    await plan(world, case_id, victim)
    item = await prepare(world, case_id)
    cleared = await clear(world, case_id, clearance(world, victim, decision, [item], recipient, **changed))
    body = told(
        victim, recipient_id=recipient or victim, decision_id=decision, clearance_id=cleared, item_ids=[item], **changed
    )
    return await disclose(world, case_id, body)


async def notice(
    world: World, case_id: str, victims: list[str], *, kind: str = "no_information", by: str = "officer", **changed: Any
) -> dict[str, Any]:
    """Tell the applicant, or record, that nothing is disclosed; `told_id` names the applicant."""
    body: dict[str, Any] = {"kind": kind, "potential_victim_ids": victims}
    if kind == "recorded":
        body["rationale"] = "Nothing suggests harm; kept so that it is found when he comes up again."
    else:
        body |= {"in_person": True, "place": "Police station, front office", "pack": "taken"}
    address = path(case_id, "non-disclosure-notices")
    answer: dict[str, Any] = await world.as_(by).must_post(address, body | changed)
    return answer


async def postpone(world: World, case_id: str, review_on: str, *, by: str = "supervisor", **changed: Any) -> str:
    """Let delivery wait; the postponement's id."""
    body = {
        "investigator": "Detective constable, child abuse investigation",
        "investigator_answer": "An arrest is planned within the week.",
        "reason": "He would learn of it and destroy evidence.",
        "review_on": review_on,
        **changed,
    }
    address = path(case_id, "postponement")
    answer = await world.as_(by).must_post(address, body, headers=version_of(world, case_id))
    return str(answer["id"])


async def not_completed(world: World, case_id: str, victim: str | None, reason: str = "declined_to_hear") -> str:
    """A supervisor ends the attempts to tell; the row's id."""
    body = {"potential_victim_id": victim, "reason": reason, "explanation": "Said so twice, alone and unhurried."}
    address = path(case_id, "non-completion")
    answer = await world.as_("supervisor").must_post(address, body, headers=version_of(world, case_id))
    return str(answer["id"])


async def tell_subject(
    world: World, case_id: str, words: str, *, by: str = "officer", **changed: Any
) -> dict[str, Any]:
    """Record words spoken to the subject; the receipt."""
    body = {"place": "Police station, interview room 2", "words": words, **changed}
    answer: dict[str, Any] = await world.as_(by).must_post(path(case_id, "words-to-subject"), body)
    return answer
