"""Which erasures account for what is gone: two people's, when it was due, of no frozen case, and none before it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.evidence.erased import Erasures, Stands, as_erased, may_be_gone

ITEM = {
    "kind": "item",
    "row": {"id": "i", "case_id": "c", "kind": "behaviour", "text": {"erasable": "ab"}, "owner": {"erasable": "cd"}},
}
LEAVES: dict[str, dict[str, Any]] = {
    "retention": {"id": "r", "closed_on": "2026-05-06", "keep_until": "2032-05-06"},
    "retention_decision": {"id": "d", "verdict": "erase", "recorded_by": "head"},
    "retention_agreement": {"id": "a", "decision_id": "d", "agrees": True, "recorded_by": "standards"},
    "erasure": {
        "id": "e",
        "keep_until": "2032-05-06",
        "decision_id": "d",
        "decided_by": "head",
        "agreement_id": "a",
        "agreed_by": "standards",
        "erased_at": "2032-05-05T23:30:00.000000Z",
    },
    "access_log": {"id": "x", "category": "erasure", "event_id": "a", "staff_id": "standards", "refused": False},
}
ON_THE_DAY = datetime(2032, 5, 5, 23, 31, tzinfo=UTC)  # half past midnight in London
LIFTED: dict[str, dict[str, Any]] = {
    "case_freeze": {"id": "f"},
    "freeze_lifting": {"id": "l", "freeze_id": "f", "recorded_by": "head"},
    "freeze_lifting_answer": {"id": "la", "lifting_id": "l", "agrees": True, "recorded_by": "standards"},
}


def standing(
    leaves: dict[str, dict[str, Any]],
    *more: tuple[str, dict[str, Any]],
    number: int = 0,
    case: str = "c",
    told_at: datetime | None = ON_THE_DAY,
    moved: bool = False,
    waits: frozenset[str] = frozenset(),
) -> Stands:
    """How the erasure stands in these leaves, numbered from 1 on with `more` before them, for a record of a case."""
    erasures = Erasures(moved=moved)
    for place, (kind, row) in enumerate((*more, *leaves.items()), 1):
        leaf = {"kind": kind, "row": {"case_id": "c", **row}}
        if kind in waits:
            erasures.expect(leaf, told_at=told_at)
        else:
            erasures.take(place, leaf, told_at=told_at)
    found = erasures.standing(case, number)
    if number == 0 and case == "c" and "erasure" in leaves and "erasure" not in waits:
        assert [one for _, one in erasures.unfounded()] == (["e"] if found is Stands.NOT else [])
    return found


def accounts(leaves: dict[str, dict[str, Any]], *more: tuple[str, dict[str, Any]], **of: Any) -> bool:
    """Whether these leaves account for a record of a case."""
    return standing(leaves, *more, **of) is Stands.PROVEN


def test_an_erasure_by_two_people_on_its_day_accounts_for_what_was_recorded_before_it() -> None:
    assert accounts(LEAVES)
    assert accounts(LIFTED | LEAVES)
    assert not accounts(LEAVES, number=len(LEAVES))
    assert not accounts(LEAVES, case="another")
    assert not accounts({})


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("erasure", {"agreed_by": "head"}),
        ("erasure", {"erased_at": "2032-05-05T22:30:00.000000Z"}),
        ("erasure", {"erased_at": None}),
        ("erasure", {"keep_until": "2031-05-06"}),
        ("erasure", {"decision_id": "another"}),
        ("erasure", {"agreement_id": "another"}),
        ("retention_decision", {"verdict": "keep"}),
        ("retention_decision", {"recorded_by": "officer"}),
        ("retention_decision", {"case_id": "another"}),
        ("retention_agreement", {"agrees": False}),
        ("retention_agreement", {"recorded_by": "head"}),
        ("retention_agreement", {"decision_id": "another"}),
        ("access_log", {"category": "alteration"}),
        ("access_log", {"event_id": "another"}),
        ("access_log", {"staff_id": "head"}),
        ("access_log", {"refused": True}),
        ("access_log", {"case_id": "another"}),
        ("retention", {"keep_until": "2033-05-06"}),
        ("retention", {"closed_on": "2026-05-07"}),
        ("retention", {"closed_on": None}),
        ("retention", {"case_id": "another"}),
        ("freeze_lifting_answer", {"agrees": False}),
        ("freeze_lifting_answer", {"recorded_by": "head"}),
        ("freeze_lifting_answer", {"lifting_id": "another"}),
        ("freeze_lifting", {"freeze_id": "another"}),
    ],
)
def test_no_other_erasure_does(kind: str, changes: dict[str, Any]) -> None:
    whole = LIFTED | LEAVES
    assert not accounts({**whole, kind: {**whole[kind], **changes}})


@pytest.mark.parametrize("kind", [*LEAVES, "freeze_lifting", "freeze_lifting_answer"])
def test_nor_one_that_lacks_a_part_of_it_or_has_it_afterwards(kind: str) -> None:
    whole = LIFTED | LEAVES
    assert not accounts({one: row for one, row in whole.items() if one != kind})
    late = {one: row for one, row in whole.items() if one != kind} | {kind: whole[kind]}
    assert accounts(late) is (kind in ("erasure", "access_log"))


KEPT = {"id": "k", "verdict": "keep", "recorded_by": "head"}


@pytest.mark.parametrize(
    "earlier",
    [
        ("retention", {"closed_on": "2026-05-06", "keep_until": "2040-05-06"}),
        ("retention", {"closed_on": "2026-05-06"}),
        ("retention_decision", {**KEPT, "review_on": "2040-05-06"}),
        ("retention_decision", KEPT),
        ("retention_agreement", {"id": "a2", "decision_id": "d", "agrees": False, "recorded_by": "standards"}),
        ("erasure", {**LEAVES["erasure"], "id": "e2"}),
    ],
)
def test_whatever_else_the_case_was_kept_for_must_have_passed(earlier: tuple[str, dict[str, Any]]) -> None:
    if earlier[0] == "erasure":
        erasures = Erasures(moved=False)
        for place, (kind, row) in enumerate((*LEAVES.items(), earlier), 1):
            erasures.take(place, {"kind": kind, "row": {"case_id": "c", **row}}, told_at=ON_THE_DAY)
        assert list(erasures.unfounded()) == [(len(LEAVES) + 1, "e2")]
    else:
        assert not accounts(LEAVES, earlier)
    assert accounts(LEAVES, ("retention_decision", {**KEPT, "review_on": "2032-05-06"}))


@pytest.mark.parametrize(
    "told_at", [None, datetime(2032, 5, 5, 21, 59, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)]
)
def test_the_day_is_the_witnesss_and_not_what_the_erasure_says_of_itself(told_at: datetime | None) -> None:
    assert not accounts(LEAVES, told_at=told_at)
    assert accounts(LEAVES, told_at=told_at, moved=True)  # of a demonstration, whose clock runs ahead
    assert accounts(LEAVES, told_at=ON_THE_DAY - timedelta(minutes=40))  # by the worker's clock, some minutes behind
    assert not accounts(LEAVES, told_at=datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize("waits", [{"access_log"}, {"erasure", "access_log"}, set(LEAVES)])
def test_an_erasure_that_waits_is_neither_proven_nor_unfounded(waits: set[str]) -> None:
    assert standing(LEAVES, waits=frozenset(waits)) is Stands.WAITS
    assert standing(LEAVES, waits=frozenset(waits), number=99) is (Stands.WAITS if "erasure" in waits else Stands.NOT)
    junk = LEAVES | {"erasure": {**LEAVES["erasure"], "agreed_by": "head"}}
    assert standing(junk, waits=frozenset(waits)) is Stands.NOT
    assert standing(LIFTED | LEAVES, waits=frozenset(waits)) is Stands.WAITS
    frozen = {"case_freeze": {"id": "f"}, **LEAVES}
    assert standing(frozen, waits=frozenset(waits | {"case_freeze"})) is (
        Stands.NOT if "erasure" in waits else Stands.WAITS
    )


def test_what_goes_is_told_as_the_leaf_itself_says() -> None:
    left = {"id": "i", "case_id": "c", "kind": "behaviour", "text": {"erased": True}, "owner": {"erased": True}}
    assert as_erased(ITEM) == {**ITEM, "row": left}
    convicted = {"kind": "proceeding", "row": {"conviction_date": {"erasable": "ab", "year": 1987}}}
    assert as_erased(convicted)["row"] == {"conviction_date": {"erased": True, "year": 1987}}
    died = {"kind": "subject_deceased", "row": {"id": "i", "died_on": {"erasable": "ab"}}}
    assert as_erased(died)["row"] == {"id": "i"}
    assert may_be_gone({"kind": "event"})
    assert not may_be_gone(ITEM)


@pytest.mark.parametrize("junk", [None, 1, [], {}, ["c"], "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"])
def test_what_a_forger_writes_into_a_leaf_accounts_for_nothing(junk: Any) -> None:
    whole = LIFTED | LEAVES
    for kind, row in whole.items():
        for name in row:
            accounts({**whole, kind: {**row, name: junk}})
    assert not accounts({**whole, "erasure": {**whole["erasure"], "erased_at": junk, "keep_until": junk}})
    assert not may_be_gone({"kind": junk})
    assert as_erased({"kind": junk, "row": {"x": junk}})["row"] == {"x": junk}
